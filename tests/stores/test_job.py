"""The real job, its input and its output in each store."""

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from pipeline.cli import main
from tests.conftest import DATA
from tests.stores.conftest import AZURITE_KEY, S3_SECRET, Shelf
from transforms.store import Stores

pytestmark = pytest.mark.slow

AUDIO = ("austen-0880.wav", "librispeech-1089-134691-0000.flac")
QUICK = ("--decoder", "greedy", "--num-workers", "1", "--store-deadline", "3")
DIFFERENT = ("run_id", "finished_at", "audio_uri", "audio_fingerprint", "metadata")
LOGIN, SIGNATURE = "planted-login-2093", "planted-signature-7731"

Row = dict[str, Any]


def manifest(folder: Path) -> Path:
    path = folder / "manifest.jsonl"
    rows = [{"audio_filepath": f"audio/{name}", "text": "a reference"} for name in AUDIO]
    signed = f"https://me:{LOGIN}@127.0.0.1:9/a.wav?X-Amz-Signature={SIGNATURE}&part=2"
    rows.append({"audio_filepath": signed, "source": signed})
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return path


def rows_of(output: str, stores: Stores, table: str) -> list[Row]:
    filesystem, root = stores.locate(output)
    rows: list[Row] = []
    for path in filesystem.find(f"{root}/{table}"):
        with filesystem.open(path, "rb") as file:
            rows += pq.ParquetFile(file).read().to_pylist()
    rows.sort(key=lambda row: (row["recording_id"], row.get("segment_index", 0)))
    return rows


def alike(rows: list[Row]) -> list[Row]:
    return [{k: v for k, v in row.items() if k not in DIFFERENT} for row in rows]


@pytest.fixture(scope="session")
def local_rows(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Row]]:
    folder = tmp_path_factory.mktemp("local")
    (folder / "audio").symlink_to(DATA / "audio")
    output = str(folder / "out")
    assert main(["transcribe", str(manifest(folder)), "--output", output, *QUICK]) == 3
    return {table: rows_of(output, Stores(), table) for table in ("transcripts", "recordings")}


def test_a_job_in_a_store_does_what_it_does_on_this_machine(
    shelf: Shelf,
    local_rows: dict[str, list[Row]],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    source = shelf.put(manifest(tmp_path), "in/manifest.jsonl")
    for name in AUDIO:
        shelf.put(DATA / "audio" / name, f"in/audio/{name}")
    output = f"{shelf.base}/out" if shelf.writable else str(tmp_path / "out")

    assert main(["transcribe", source, "--output", output, *QUICK, "--verbose", *shelf.flags]) == 3
    evaluated = main(["evaluate", output, "--json", *shelf.flags])
    printed = capfd.readouterr()

    assert evaluated == 0
    transcripts, ledger = (
        rows_of(output, shelf.stores, table) for table in ("transcripts", "recordings")
    )
    assert alike(transcripts) == alike(local_rows["transcripts"])
    assert [row["status"] for row in ledger] == ["ok", "ok", "failed"]
    assert alike(ledger[:2]) == alike(local_rows["recordings"][:2])
    assert [row["audio_uri"] for row in ledger[:2]] == [
        f"{source.rpartition('/')[0]}/audio/{name}" for name in AUDIO
    ]
    refused = ledger[2]
    assert refused["recording_id"] == "https://***@127.0.0.1:9/a.wav?X-Amz-Signature=***&part=2"
    assert refused["error_type"] == "ForbiddenSourceError"

    written = b""
    filesystem, root = shelf.stores.locate(output)
    for path in filesystem.find(root):
        with filesystem.open(path, "rb") as file:
            written += file.read()
        if path.endswith(".parquet"):
            with filesystem.open(path, "rb") as file:
                written += str(pq.ParquetFile(file).read().to_pylist()).encode()
    for secret in (LOGIN, SIGNATURE, S3_SECRET, AZURITE_KEY):
        assert secret.encode() not in written
        assert secret not in printed.out + printed.err
    names = [path.removeprefix(root) for path in filesystem.find(root)]
    assert {name.split("/")[1] for name in names} == {"transcripts", "recordings", "runs"}
