import hashlib
from pathlib import Path

import fsspec
import pytest

from models import store
from models.errors import CheckpointError
from models.store import cache_folder, fetch, local_path

CONTENT = b"weights" * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(store.CACHE_VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def remote() -> str:
    with fsspec.open("memory://models/m.nemo", "wb") as file:
        file.write(CONTENT)
    return "memory://models/m.nemo"


def test_a_local_file_stays_where_it_is(tmp_path: Path, cache: Path) -> None:
    path = tmp_path / "m.nemo"
    path.write_bytes(CONTENT)
    assert fetch(str(path)) == fetch(f"file://{path}", SHA256) == path
    assert not cache.exists()


def test_a_remote_file_is_fetched_once(remote: str, cache: Path) -> None:
    path = fetch(remote, SHA256)
    assert path == local_path(remote) and path.read_bytes() == CONTENT
    assert cache in path.parents and path.name == "m.nemo"
    with fsspec.open(remote, "wb") as file:
        file.write(b"other")
    assert fetch(remote, SHA256).read_bytes() == CONTENT


def test_another_file_than_was_meant_is_not_kept(remote: str, cache: Path) -> None:
    with pytest.raises(CheckpointError, match=f"SHA-256 is {SHA256}, not {'0' * 64}"):
        fetch(remote, "0" * 64)
    assert [path for path in cache.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("uri", ["memory://models/none.nemo", "nowhere://m.nemo"])
def test_what_cannot_be_fetched_is_named(uri: str, cache: Path) -> None:
    with pytest.raises(CheckpointError, match=f"{uri} cannot be fetched"):
        fetch(uri)
    assert [path for path in cache.rglob("*") if path.is_file()] == []


def test_a_local_file_of_another_hash(tmp_path: Path) -> None:
    (tmp_path / "m.nemo").write_bytes(CONTENT)
    with pytest.raises(CheckpointError, match="not the checkpoint that was meant"):
        fetch(str(tmp_path / "m.nemo"), "0" * 64)


def test_a_cache_that_cannot_be_written(
    remote: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(store.CACHE_VARIABLE, str(tmp_path / "file"))
    with pytest.raises(CheckpointError, match="name another folder in BEAMSCRIBE_CACHE"):
        fetch(remote)


def test_where_the_cache_lies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(store.CACHE_VARIABLE)
    monkeypatch.setenv("XDG_CACHE_HOME", "/x")
    assert cache_folder() == Path("/x/beamscribe")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path.home() / ".cache" / "beamscribe"
