"""`evaluate` on small output directories that these tests write themselves."""

from __future__ import annotations

import argparse
import gzip
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline import evaluate, storage
from pipeline.errors import ConfigurationError
from transforms.store import Stores

START = datetime(2024, 1, 1, tzinfo=UTC)
SCHEMA = pa.schema(
    [
        ("recording_id", pa.string()),
        ("channel", pa.int32()),
        ("status", pa.string()),
        ("duration", pa.float64()),
        ("text", pa.string()),
        ("reference", pa.string()),
        ("finished_at", pa.timestamp("us", tz="UTC")),
        ("run_id", pa.string()),
    ]
)


@dataclass(frozen=True)
class Row:
    recording_id: str
    text: str | None
    reference: str | None = None
    status: str = "ok"
    channel: int | None = None


def write_run(
    directory: Path, run_id: str, rows: Sequence[Row], *, hour: int = 0, committed: bool = True
) -> None:
    folder = directory / "recordings" / f"run={run_id}"
    folder.mkdir(parents=True)
    table = pa.Table.from_pylist(
        [
            {
                "recording_id": row.recording_id,
                "channel": row.channel,
                "status": row.status,
                "duration": 1.0,
                "text": row.text,
                "reference": row.reference,
                "finished_at": START + timedelta(hours=hour),
                "run_id": run_id,
            }
            for row in rows
        ],
        schema=SCHEMA,
    )
    pq.write_table(table, folder / "part-0.parquet")
    if committed:
        (directory / "runs").mkdir(exist_ok=True)
        (directory / "runs" / f"{run_id}.json").write_text(json.dumps({"sequence": hour}))


def arguments(*argv: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    evaluate.add_arguments(parser)
    storage.add_arguments(parser)
    return parser.parse_args(argv)


def evaluate_json(capsys: pytest.CaptureFixture[str], *argv: str) -> dict[str, object]:
    assert evaluate.run(arguments(*argv, "--json")) == 0
    printed: dict[str, object] = json.loads(capsys.readouterr().out)
    return printed


def texts(directory: Path) -> dict[tuple[str, int | None], str | None]:
    rows = evaluate.read_ledger(str(directory), Stores())
    return {(row.recording_id, row.channel): row.text for row in rows}


def test_json_has_rates_and_every_recording(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run(
        tmp_path,
        "r1",
        [
            Row("a", "one two", "One, two!"),
            Row("b", None, "three four", status="failed"),
            Row("c", "unscored"),
        ],
    )
    printed = evaluate_json(capsys, str(tmp_path))
    assert printed["wer"] == pytest.approx(0.5)
    assert (printed["failed"], printed["without_reference"]) == (1, 1)
    recordings = printed["recordings"]
    assert isinstance(recordings, list)
    assert [recording["recording_id"] for recording in recordings] == ["a", "b"]


def test_table_says_what_was_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        Row("calls/[red]one.wav", "one two", "one too"),
        Row("b", "", "three four", status="failed"),
        Row("c", "unscored"),
    ]
    write_run(tmp_path, "r1", rows)
    assert evaluate.run(arguments(str(tmp_path))) == 0
    printed = capsys.readouterr().out
    for part in ("calls/[red]one.wav", "b (failed)", "75.0%", "2 recordings"):
        assert part in printed
    assert "1 failed" in printed
    assert "1 without a reference" in " ".join(printed.split())


def test_only_committed_runs_are_read(tmp_path: Path) -> None:
    write_run(tmp_path, "r1", [Row("a", "whole")])
    write_run(tmp_path, "r2", [Row("a", "half"), Row("b", "half")], hour=1, committed=False)
    assert texts(tmp_path) == {("a", None): "whole"}


def test_the_newest_row_wins_whatever_its_run_is_called(tmp_path: Path) -> None:
    write_run(tmp_path, "r9", [Row("a", "old"), Row("b", "kept")], hour=0)
    write_run(tmp_path, "r1", [Row("a", "new")], hour=1)
    assert texts(tmp_path) == {("a", None): "new", ("b", None): "kept"}


def test_channels_are_apart(tmp_path: Path) -> None:
    write_run(tmp_path, "r1", [Row("a", "left", channel=0), Row("a", "right", channel=1)])
    write_run(tmp_path, "r2", [Row("a", "again", channel=1)], hour=1)
    assert texts(tmp_path) == {("a", 0): "left", ("a", 1): "again"}


def test_rows_with_channels_replace_the_failure_without(tmp_path: Path) -> None:
    write_run(tmp_path, "r1", [Row("a", None, status="failed")])
    write_run(tmp_path, "r2", [Row("a", "left", channel=0), Row("a", "right", channel=1)], hour=1)
    assert texts(tmp_path) == {("a", 0): "left", ("a", 1): "right"}
    write_run(tmp_path, "r3", [Row("a", None, status="failed")], hour=2)
    assert texts(tmp_path) == {("a", None): None}


def test_references_of_a_manifest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_run(tmp_path, "r1", [Row("a", "one", "wrong"), Row("b.wav", "two"), Row("c", "three")])
    manifest = tmp_path / "references.jsonl.gz"
    lines = [
        {"utt_id": "a", "audio_filepath": "a.wav", "text": "one"},
        {"audio_filepath": "b.wav", "text": "to"},
        {"id": "c"},
        {"id": "elsewhere", "text": "never transcribed"},
    ]
    with gzip.open(manifest, "wt", encoding="utf-8") as file:
        file.write("\n\n".join(map(json.dumps, lines)))
    assert evaluate.run(arguments(str(tmp_path), "--references", str(manifest), "--json")) == 0
    captured = capsys.readouterr()
    printed = json.loads(captured.out)
    assert (printed["reference_words"], printed["substitutions"]) == (2, 1)
    assert printed["without_reference"] == 1
    assert "references whose recording was not transcribed: 1" in captured.err


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        ('{"id": "a", "text": "one"}\n{"id"', r":2: not JSON"),
        ("[]", r":1: not a JSON object"),
        ('{"text": "one"}', r":1: needs `id` or `audio_filepath`"),
        ('{"id": "a", "text": 1}', r":1: `text` must be a string"),
        ('{"id": "a"}\n{"id": "b"}\n{"id": "a"}', r":3: a stands in line 1 already"),
    ],
)
def test_references_that_cannot_be_used(tmp_path: Path, manifest: str, message: str) -> None:
    path = tmp_path / "references.jsonl"
    path.write_text(manifest, encoding="utf-8")
    with pytest.raises(ConfigurationError, match=message):
        evaluate.read_references(str(path), Stores())


def test_references_that_are_not_text(tmp_path: Path) -> None:
    path = tmp_path / "references.jsonl"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigurationError, match="cannot read the references"):
        evaluate.read_references(str(path), Stores())
    with pytest.raises(ConfigurationError, match="cannot read the references"):
        evaluate.read_references(str(tmp_path / "absent.jsonl"), Stores())


def test_no_such_directory(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="is not a directory"):
        evaluate.run(arguments(str(tmp_path / "absent")))
    with pytest.raises(ConfigurationError, match="cannot read the runs in nonsense"):
        evaluate.run(arguments("nonsense://bucket/run"))


def test_no_committed_run(tmp_path: Path) -> None:
    write_run(tmp_path, "r1", [Row("a", "one", "one")], committed=False)
    with pytest.raises(ConfigurationError, match="holds a committed run"):
        evaluate.run(arguments(str(tmp_path)))


def test_no_references(tmp_path: Path) -> None:
    write_run(tmp_path, "r1", [Row("a", "one")])
    with pytest.raises(ConfigurationError, match="--references MANIFEST"):
        evaluate.run(arguments(str(tmp_path)))
    manifest = tmp_path / "references.jsonl"
    manifest.write_text('{"id": "other", "text": "one"}')
    with pytest.raises(ConfigurationError, match="must be the recording ids of the ledger"):
        evaluate.run(arguments(str(tmp_path), "--references", str(manifest)))


def test_a_ledger_that_cannot_be_read(tmp_path: Path) -> None:
    write_run(tmp_path, "r1", [Row("a", "one", "one")])
    part = tmp_path / "recordings" / "run=r1" / "part-0.parquet"
    pq.write_table(pa.table({"recording_id": ["a"]}), part)
    with pytest.raises(ConfigurationError, match=r"part-0\.parquet lacks channel"):
        evaluate.run(arguments(str(tmp_path)))
    part.write_bytes(b"not Parquet")
    with pytest.raises(ConfigurationError, match=r"cannot read .*part-0\.parquet"):
        evaluate.run(arguments(str(tmp_path)))


def test_any_filesystem_of_fsspec(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_run(tmp_path, "r1", [Row("a", "one", "one")])
    memory = fsspec.filesystem("memory")
    memory.put(str(tmp_path), "/evaluate-test", recursive=True)
    try:
        assert evaluate_json(capsys, "memory://evaluate-test")["wer"] == 0.0
    finally:
        memory.rm("/evaluate-test", recursive=True)


def test_help_needs_no_heavy_import() -> None:
    heavy = "{'jiwer', 'rich', 'pyarrow', 'torch', 'apache_beam'}"
    code = f"import sys, pipeline.evaluate; sys.exit(bool({heavy} & sys.modules.keys()))"
    root = Path(__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0
