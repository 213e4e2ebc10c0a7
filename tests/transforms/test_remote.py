"""A steady filesystem does what the one within it does."""

import pickle
from pathlib import Path

import fsspec
import pytest
from fsspec import AbstractFileSystem

from transforms.remote import RemoteFileSystem
from transforms.retry import Patience

SOON = Patience(attempt_s=1.0, deadline_s=0.3, first_wait_s=0.001, longest_wait_s=0.01)


@pytest.fixture
def remote() -> RemoteFileSystem:
    """Over a disk, as a share on a network would be: with folders."""
    return RemoteFileSystem(fsspec.filesystem("file"), SOON, 2**20, has_folders=True)


def test_a_filesystem_with_folders_gets_them(remote: RemoteFileSystem, tmp_path: Path) -> None:
    folder = f"{tmp_path}/a/b"
    remote.makedirs(folder, exist_ok=True)
    remote.makedirs(folder, exist_ok=True)
    with remote.open(f"{folder}/c.txt", "w") as file:
        file.write("content")
    remote.mv(f"{folder}/c.txt", f"{folder}/d.txt")
    assert remote.find(str(tmp_path)) == [f"{folder}/d.txt"]
    assert remote.glob(f"{tmp_path}/**/*.txt") == [f"{folder}/d.txt"]
    assert [entry["name"] for entry in remote.ls(folder)] == [f"{folder}/d.txt"]
    assert (remote.isdir(folder), remote.isfile(folder)) == (True, False)
    with remote.open(f"{folder}/d.txt") as file:
        assert file.read() == b"content"
    with remote.open(f"{folder}/d.txt", "r") as file:
        assert file.read() == "content"
    remote.rm(f"{tmp_path}/a", recursive=True)
    assert not remote.exists(folder)


def test_what_is_abandoned_is_not_written(remote: RemoteFileSystem, tmp_path: Path) -> None:
    file = remote.open(f"{tmp_path}/a", "wb")
    file.write(b"half")
    del file
    assert remote.find(str(tmp_path)) == []


def test_nothing_is_appended(remote: RemoteFileSystem, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'ab'"):
        remote.open(f"{tmp_path}/a", "ab")


def test_it_is_a_filesystem_to_others_and_travels(remote: RemoteFileSystem) -> None:
    assert isinstance(remote, AbstractFileSystem)
    assert isinstance(pickle.loads(pickle.dumps(remote)), RemoteFileSystem)
