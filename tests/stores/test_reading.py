"""What reading from a store costs: planning a header, and one segment of a long recording."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.conftest import DATA
from tests.stores.conftest import IMPATIENT, Shelf, environment, s3
from transforms.errors import StoreError
from transforms.store import Stores

RATE_HZ = 16_000
LONG_S, START_S, SEGMENT_S = 600, 300, 120
PLAN_BYTES = 128 * 1024
BEYOND_BYTES = 1_300_000


@pytest.fixture(scope="session")
def long_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Ten minutes of speech in several formats."""
    folder = tmp_path_factory.mktemp("long")
    voice, _ = soundfile.read(DATA / "audio" / "librispeech-1089-134686-0000.flac", dtype="float32")
    samples = np.tile(voice, LONG_S * RATE_HZ // len(voice) + 1)[: LONG_S * RATE_HZ]
    files = {}
    for kind in ("wav", "flac", "ogg"):
        files[kind] = folder / f"long.{kind}"
        with soundfile.SoundFile(files[kind], "w", RATE_HZ, 1) as audio:
            for start in range(0, len(samples), RATE_HZ):
                audio.write(samples[start : start + RATE_HZ])
    return files


@pytest.fixture
def counted(shelf: Shelf) -> Iterator[Shelf]:
    if shelf.proxy is None:
        pytest.skip("nothing comes over a network")
    yield shelf


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["wav", "flac", "ogg"])
def test_a_segment_costs_about_its_own_bytes(
    counted: Shelf, long_files: dict[str, Path], kind: str
) -> None:
    path, proxy = long_files[kind], counted.proxy
    assert proxy is not None
    uri = counted.put(path, path.name)
    size = path.stat().st_size

    proxy.reset_counts()
    with counted.stores.open(uri) as file, soundfile.SoundFile(file) as audio:
        assert audio.frames == LONG_S * RATE_HZ
    planned, planning_requests = proxy.served_bytes, len(proxy.requests)
    proxy.reset_counts()
    with counted.stores.open(uri) as file, soundfile.SoundFile(file) as audio:
        audio.seek(START_S * RATE_HZ)
        heard = audio.read(SEGMENT_S * RATE_HZ, dtype="int16")
        file.check()
    served, requests = proxy.served_bytes, len(proxy.requests)

    with soundfile.SoundFile(path) as audio:
        audio.seek(START_S * RATE_HZ)
        np.testing.assert_array_equal(heard, audio.read(SEGMENT_S * RATE_HZ, dtype="int16"))
    print(
        f"{counted.base.partition(':')[0]} {kind}: {size} bytes; plan {planned} in "
        f"{planning_requests} requests, {SEGMENT_S} s {served} in {requests}"
    )
    if counted.ranged:
        assert planned < PLAN_BYTES
        assert served < size * SEGMENT_S / LONG_S + BEYOND_BYTES
        assert requests < 20
    else:
        # It is copied once; later spans only ask whether it is still the same.
        assert planned >= size
        assert served < planned


def test_a_server_without_ranges_may_send_no_more_than_is_allowed(
    counted: Shelf, long_files: dict[str, Path]
) -> None:
    uri = counted.put(long_files["ogg"], "too-long.ogg")
    size = long_files["ogg"].stat().st_size
    stores = counted.stores
    bounded = Stores(stores.options, stores.reach, stores.patience, largest_spool_bytes=size - 1)
    if counted.ranged:
        with bounded.open(uri) as file:
            assert file.stat.size == size
    else:
        with pytest.raises(StoreError, match="does not serve ranges"), bounded.open(uri):
            pass


def test_files_are_found_described_and_read(shelf: Shelf, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"first\nsecond\n")
    (tmp_path / "empty").write_bytes(b"")
    uri, empty = shelf.put(tmp_path / "a.txt", "folder/a.txt"), shelf.put(tmp_path / "empty", "e")
    with shelf.stores.open(uri) as file:
        assert (file.stat.size, list(file)) == (13, [b"first\n", b"second\n"])
        assert file.stat == shelf.stores.stat(uri)
        assert file.stat.version
        file.seek(-7, 2)
        assert file.read(100) == b"second\n"
    with shelf.stores.open(empty) as file:
        assert (file.stat.size, file.read()) == (0, b"")
    with pytest.raises(FileNotFoundError), shelf.stores.open(f"{shelf.base}/none"):
        pass
    filesystem, path = shelf.stores.locate(uri)
    assert (filesystem.exists(path), filesystem.isdir(path)) == (True, False)
    assert filesystem.exists(f"{path}x") is False
    if shelf.writable:
        _, folder = shelf.stores.locate(f"{shelf.base}/folder")
        assert filesystem.isdir(folder)
        assert [found.rpartition("/")[2] for found in filesystem.find(folder)] == ["a.txt"]
        assert len(filesystem.glob(f"{folder.rpartition('/')[0]}/**/*.txt")) == 1


def test_a_file_is_written_whole_or_not_at_all(shelf: Shelf, tmp_path: Path) -> None:
    uri = f"{shelf.base}/written/b.txt"
    filesystem, path = shelf.stores.locate(uri)
    if not shelf.writable:
        with pytest.raises(PermissionError, match="only be read"):
            shelf.stores.prove_writable(f"{shelf.base}/written")
        return
    shelf.stores.prove_writable(f"{shelf.base}/written")
    if shelf.proxy is not None:
        for mode, part in (("w", "half"), ("wb", b"half")):
            with pytest.raises(KeyError), filesystem.open(path, mode) as file:
                file.write(part)
                raise KeyError
        assert filesystem.find(filesystem._parent(path)) == []
    with filesystem.open(path, "w", encoding="utf-8") as file:
        file.write("ɲa\n")
    filesystem.mv(path, f"{path}.moved")
    assert filesystem.cat_file(f"{path}.moved") == "ɲa\n".encode()
    assert not filesystem.exists(path)
    filesystem.rm(filesystem._parent(path), recursive=True)
    assert not filesystem.exists(f"{path}.moved")


def test_the_usual_environment_variables_are_enough(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"content")
    with s3() as shelf:
        uri, options = shelf.put(tmp_path / "a", "a"), shelf.options["s3"]
        with environment(
            AWS_ACCESS_KEY_ID=options["key"],
            AWS_SECRET_ACCESS_KEY=options["secret"],
            AWS_ENDPOINT_URL=options["endpoint_url"],
        ):
            assert Stores(patience=IMPATIENT).stat(uri).size == 7
