"""Stores that fail: for a while, for good, and in the middle of a file."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile

from pipeline.cli import main
from tests.conftest import DATA
from tests.stores.conftest import IMPATIENT, Shelf, s3, web
from tests.stores.proxy import Proxy
from tests.stores.web_server import Plain, Ranged
from transforms.errors import StoreError
from transforms.store import Stores

FAULTS = ("503", "reset", "stall", "half")
CONTENT = bytes(range(256)) * 2_000


@pytest.fixture
def flaky(shelf: Shelf) -> Iterator[tuple[Shelf, Proxy]]:
    if shelf.proxy is None:
        pytest.skip("nothing comes over a network")
    yield shelf, shelf.proxy
    shelf.proxy.faults.clear()


@contextmanager
def broken(proxy: Proxy, fault: str, after: int = 0) -> Iterator[None]:
    proxy.faults.extend(["fine"] * after + [fault] * 500)
    try:
        yield
    finally:
        proxy.faults.clear()


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_a_store_that_recovers_is_read_to_the_end(
    flaky: tuple[Shelf, Proxy], fault: str, tmp_path: Path
) -> None:
    shelf, proxy = flaky
    (tmp_path / "content").write_bytes(CONTENT)
    uri = shelf.put(tmp_path / "content", "content")
    proxy.faults.extend([fault, "fine", fault])
    stores = replace(shelf.stores, patience=replace(IMPATIENT, attempt_s=1.0))
    with stores.open(uri) as file:
        assert file.read() == CONTENT
        assert file.failure is None
    if shelf.ranged:
        assert not proxy.faults


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["503", "reset"])
def test_a_store_that_recovers_is_written(
    flaky: tuple[Shelf, Proxy], fault: str, tmp_path: Path
) -> None:
    shelf, proxy = flaky
    if not shelf.writable:
        pytest.skip("nothing can be written there")
    filesystem, path = shelf.stores.locate(f"{shelf.base}/upload")
    proxy.faults.extend([fault, fault])
    with filesystem.open(path, "wb") as file:
        file.write(CONTENT)
    assert not proxy.faults
    proxy.faults.append(fault)
    filesystem.mv(path, f"{path}ed")
    assert filesystem.cat_file(f"{path}ed") == CONTENT


@pytest.fixture(scope="module", params=["s3", "http", "http-whole"])
def store(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shelf]:
    folder = tmp_path_factory.mktemp("web")
    handler = Ranged if request.param == "http" else Plain
    with s3() if request.param == "s3" else web(folder, handler) as shelf:
        yield shelf


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_a_store_that_does_not_recover_is_given_up(
    store: Shelf, fault: str, tmp_path: Path
) -> None:
    (tmp_path / "content").write_bytes(CONTENT)
    uri = store.put(tmp_path / "content", "content")
    stores = replace(store.stores, patience=replace(IMPATIENT, attempt_s=0.5, deadline_s=0.6))
    assert store.proxy is not None
    with (
        broken(store.proxy, fault, after=1),
        pytest.raises(StoreError, match=r"content: the store did not recover; \d attempt"),
        stores.open(uri) as file,
    ):
        file.read()


def test_what_breaks_inside_libsndfile_is_no_end_of_file(store: Shelf) -> None:
    name = "librispeech-1089-134686-0000.flac"
    uri = store.put(DATA / "audio" / name, name)
    stores = replace(store.stores, patience=replace(IMPATIENT, deadline_s=0.3))
    if not store.ranged:
        return
    assert store.proxy is not None
    with stores.open(uri) as file, soundfile.SoundFile(file) as audio:
        file.defer_errors()
        with broken(store.proxy, "503"):
            try:
                heard = audio.read()
            except soundfile.SoundFileError:
                heard = np.empty(0)
        assert len(heard) < audio.frames
        with pytest.raises(StoreError, match="did not recover"):
            file.check()


def test_what_does_not_change_is_asked_once(tmp_path: Path) -> None:
    with web(tmp_path, Ranged) as shelf:
        assert shelf.proxy is not None
        with pytest.raises(PermissionError, match="denies access"):
            shelf.stores.stat(f"{shelf.base}/private/a.wav")
        with pytest.raises(FileNotFoundError, match=r"a\.wav"):
            shelf.stores.stat(f"{shelf.base}/a.wav")
        assert len(shelf.proxy.requests) == 2


def test_a_name_without_an_address_is_no_reason_to_wait(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="invalid"):
        Stores(patience=IMPATIENT).stat("https://no-such-host.invalid/a.wav")


@pytest.mark.slow
def test_a_recording_whose_store_stays_away_is_a_row_of_the_ledger(tmp_path: Path) -> None:
    name, output = "austen-0880.wav", tmp_path / "out"
    with web(tmp_path, Ranged) as shelf:
        shelf.put(DATA / "audio" / name, name)
        rows = [{"audio_filepath": name}, {"audio_filepath": f"unwell/{name}"}]
        (tmp_path / "manifest.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
        arguments = [f"{shelf.base}/manifest.jsonl", "--output", str(output)]
        quick = ["--decoder", "greedy", "--num-workers", "1", "--store-deadline", "1"]
        assert main(["transcribe", *arguments, *quick]) == 3
    ledger = pq.read_table(output / "recordings").to_pylist()
    found = {row["recording_id"]: (row["status"], row["error_type"]) for row in ledger}
    assert found == {name: ("ok", None), f"unwell/{name}": ("failed", "StoreError")}


@pytest.mark.slow
def test_a_store_that_goes_away_within_a_recording_does_not_truncate_it(tmp_path: Path) -> None:
    voice, rate_hz = soundfile.read(DATA / "audio" / "austen-0880.wav", dtype="int16")
    soundfile.write(tmp_path / "long.wav", np.tile(voice, 100), rate_hz)
    (tmp_path / "manifest.jsonl").write_text('{"audio_filepath": "long.wav"}')
    output = tmp_path / "out"
    with web(tmp_path, Ranged) as shelf:
        assert shelf.proxy is not None
        arguments = [f"{shelf.base}/manifest.jsonl", "--output", str(output)]
        quick = ["--decoder", "greedy", "--num-workers", "1", "--store-deadline", "0.5"]
        with broken(shelf.proxy, "503", after=9):
            assert main(["transcribe", *arguments, *quick]) == 3
    (row,) = pq.read_table(output / "recordings").to_pylist()
    assert (row["error_type"], row["error_stage"]) == ("StoreError", "decode")
    assert "did not recover" in row["error_message"]


def test_a_store_that_is_away_stops_the_job_at_its_start(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with web(tmp_path, Ranged) as shelf:
        gone = shelf.base
    quick = ["--store-deadline", "0.5"]
    assert main(["transcribe", f"{gone}/m.jsonl", "--output", str(tmp_path / "o"), *quick]) == 2
    assert "did not recover" in capsys.readouterr().err
