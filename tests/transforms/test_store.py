"""Stores: one way to reach every filesystem."""

import io
import pickle
from pathlib import Path

import fsspec
import pytest
import soundfile

from transforms.store import Stores
from transforms.stored_file import FileBytes, Stat, StoredFile

AUDIO = Path(__file__).parents[1] / "data" / "audio"


def test_a_local_file_is_read_and_described(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"first\nsecond\n")
    with Stores().open(str(path)) as file:
        assert file.stat.size == 13
        assert file.stat.version == str(path.stat().st_mtime)
        assert list(file) == [b"first\n", b"second\n"]
        assert file.seek(-7, io.SEEK_END) == 6
        assert file.read() == b"second\n"
        assert file.failure is None
        file.check()
    assert file.closed


def test_what_is_not_a_file_raises(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), Stores().open(str(tmp_path / "none")):
        pass
    with pytest.raises(IsADirectoryError, match="directory"), Stores().open(str(tmp_path)):
        pass
    with pytest.raises(ValueError, match="noprotocol"):
        Stores().locate("noprotocol://a")


def test_memory_is_a_store() -> None:
    fsspec.filesystem("memory").pipe_file("/store/a", b"abc")
    with Stores().open("memory://store/a") as file:
        assert (file.read(), file.stat.size) == (b"abc", 3)


def test_an_error_that_a_c_library_swallows_is_remembered() -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell() > 100_000:
                raise ConnectionResetError("gone")
            return super().read(size)

    source = next(path for path in sorted(AUDIO.glob("*.wav")) if path.stat().st_size > 200_000)
    file = StoredFile(FileBytes(Broken(source.read_bytes())), Stat(None, None))
    file.defer_errors()
    with soundfile.SoundFile(file) as audio:
        frames = audio.read()
        assert len(frames) < audio.frames
    with pytest.raises(ConnectionResetError, match="gone"):
        file.check()


def test_options_that_do_not_fit_are_named() -> None:
    pytest.importorskip("s3fs", reason="s3fs is not installed")
    with pytest.raises(ValueError, match=r"storage options of s3 do not fit: .*'secrt'"):
        Stores({"s3": {"secrt": "hunter2"}}).locate("s3://bucket/a")


def test_options_stay_out_of_sight_and_travel() -> None:
    stores = Stores({"s3": {"secret": "hunter2"}})
    assert "hunter2" not in repr(stores)
    assert pickle.loads(pickle.dumps(stores)).options == stores.options
