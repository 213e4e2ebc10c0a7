"""A run is seen whole or not at all, and what was written is what is read."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import apache_beam as beam
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from apache_beam.testing.test_pipeline import TestPipeline as Pipeline
from apache_beam.testing.util import assert_that

from transforms.commit import RunOutput, commit_run
from transforms.errors import OutputError
from transforms.parquet import WriteRun, stage_entries
from transforms.records import (
    FAILED,
    OK,
    SILENT,
    Failure,
    LedgerEntry,
    Recording,
    TimedWord,
    Track,
    Transcript,
)
from transforms.schema import RECORDINGS, TRANSCRIPTS, RunStamp, ledger_row, totals_of

STAMP = RunStamp("run-1", "hama", "en", "model-print", "config-print")
STARTED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
NOTHING = dict.fromkeys(
    ("recordings", "ok", "silent", "partial", "failed", "segments", "words", "audio_s", "speech_s"),
    0,
)


def output(directory: Path | str) -> RunOutput:
    return RunOutput(str(directory), STAMP, STARTED, {"beam_size": 8}, {"beamscribe": "0.1"})


def spoken(identity: str, channel: int | None = None) -> LedgerEntry:
    recording = Recording(
        identity, f"{identity}.wav", reference="ɲa", metadata=(("speaker", "Ann"), ("é", "[1, 2]"))
    )
    track = Track(recording, channel, 8000, 2, 16_000, 0, 16_000, "print", 1)
    words = (TimedWord("ɲa", 0.125, 0.25, 0.5), TimedWord("hama", 0.5, 1.0, 1.0))
    transcripts = (
        Transcript((0, 0), 0.0, 1.0, 8_000, words),
        Transcript((0, 8_000), 1.0, 2.0, 8_000, ()),
    )
    return LedgerEntry(recording, track, channel, OK, transcripts, 1.5, None, 2.0)


def silent(identity: str) -> LedgerEntry:
    recording = Recording(identity, f"{identity}.wav")
    track = Track(recording, None, 8000, 1, 8000, 0, 8000, "print", 1)
    return LedgerEntry(recording, track, None, SILENT, (), 0.0, None, 1.0)


def failed(identity: str) -> LedgerEntry:
    recording = Recording(identity, f"{identity}.wav")
    failure = Failure(recording, None, "plan", "UnreadableAudioError", f"{identity}.wav is gone")
    return LedgerEntry(recording, None, None, FAILED, (), 0.0, failure)


def files(directory: Path) -> list[str]:
    return sorted(
        str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file()
    )


def committed(directory: Path, table: str) -> pa.Table:
    commit = json.loads((directory / "runs" / "run-1.json").read_text(encoding="utf-8"))
    parts = [pq.read_table(directory / name) for name in commit["files"] if name.startswith(table)]
    return pa.concat_tables(parts)


def read_schema(path: Path) -> pa.Schema:
    with path.open("rb") as file:
        return pq.read_schema(file)


def test_staged_files_read_back_with_the_schemas(tmp_path: Path) -> None:
    staged = stage_entries([spoken("b", 1), failed("a"), silent("c")], output(tmp_path))
    folder = tmp_path / "_staging" / "run=run-1"
    (transcripts,) = (folder / "transcripts").iterdir()
    (recordings,) = (folder / "recordings").iterdir()
    assert set(staged.names) == {
        ("transcripts", transcripts.name),
        ("recordings", recordings.name),
    }
    assert read_schema(transcripts).remove_metadata().equals(TRANSCRIPTS)
    assert read_schema(recordings).remove_metadata().equals(RECORDINGS)
    assert not (tmp_path / "runs").exists()


def test_rows_read_back_as_they_were(tmp_path: Path) -> None:
    commit_run([stage_entries([spoken("b", 1), failed("a")], output(tmp_path))], output(tmp_path))
    first, second = committed(tmp_path, "transcripts").to_pylist()
    assert first == {
        "recording_id": "b",
        "audio_uri": "b.wav",
        "channel": 1,
        "segment_index": 0,
        "start": 0.0,
        "end": 1.0,
        "text": "ɲa hama",
        "confidence": 0.75,
        "language": "en",
        "words": [
            {"word": "ɲa", "start": 0.125, "end": 0.25, "confidence": 0.5},
            {"word": "hama", "start": 0.5, "end": 1.0, "confidence": 1.0},
        ],
        "alternatives": None,
        "model": "hama",
        "run_id": "run-1",
        "metadata": [("speaker", "Ann"), ("é", "[1, 2]")],
    }
    assert (second["segment_index"], second["words"], second["confidence"]) == (1, [], None)

    gone, heard = committed(tmp_path, "recordings").to_pylist()
    for row, entry in ((gone, failed("a")), (heard, spoken("b", 1))):
        finished_at = row["finished_at"]
        assert finished_at.utcoffset().total_seconds() == 0
        assert finished_at > STARTED
        assert row == ledger_row(entry, STAMP, finished_at)


def test_a_mixed_channel_is_null(tmp_path: Path) -> None:
    commit_run([stage_entries([spoken("a")], output(tmp_path))], output(tmp_path))
    for table in ("transcripts", "recordings"):
        assert committed(tmp_path, table)["channel"].null_count == len(committed(tmp_path, table))


def test_entries_without_segments_stage_no_transcripts(tmp_path: Path) -> None:
    staged = stage_entries([silent("a"), failed("b")], output(tmp_path))
    assert [table for table, _ in staged.names] == ["recordings"]


def test_rows_stand_in_order_of_recording_and_channel(tmp_path: Path) -> None:
    entries = [spoken("b", 1), spoken("c"), spoken("b", 0), failed("a")]
    commit_run([stage_entries(entries, output(tmp_path))], output(tmp_path))
    table = committed(tmp_path, "recordings")
    assert table["recording_id"].to_pylist() == ["a", "b", "b", "c"]
    assert table["channel"].to_pylist() == [None, 0, 1, None]


def test_totals_of_rows() -> None:
    rows = [ledger_row(entry, STAMP, STARTED) for entry in (spoken("a"), failed("b"))]
    totals = totals_of(rows)
    assert (totals["recordings"], totals["ok"], totals["failed"], totals["silent"]) == (2, 1, 1, 0)
    assert (totals["words"], totals["audio_s"], totals["speech_s"]) == (2, 2.0, 1.5)
    assert totals_of([]) == NOTHING


def test_an_output_that_cannot_be_written(tmp_path: Path) -> None:
    occupied = tmp_path / "file"
    occupied.write_text("in the way")
    with pytest.raises(OutputError, match="file"):
        stage_entries([spoken("a")], output(occupied))
    with pytest.raises(OutputError, match="file"):
        commit_run([], output(occupied))


@pytest.mark.parametrize("count", [0, 30])
def test_the_transform_commits_every_entry_once(tmp_path: Path, count: int) -> None:
    makers = (spoken, silent, failed)
    entries = [makers[index % 3](f"r{index:02}") for index in range(count)]

    def check(commits: list[dict[str, object]]) -> None:
        if len(commits) != 1:
            raise AssertionError(commits)

    with Pipeline(runner="FnApiRunner") as pipeline:
        assert_that(pipeline | beam.Create(entries) | WriteRun(output(tmp_path)), check)

    commit = json.loads((tmp_path / "runs" / "run-1.json").read_text(encoding="utf-8"))
    assert files(tmp_path) == sorted([*commit["files"], "runs/run-1.json"])
    assert commit["totals"]["recordings"] == count
    if count:
        table = committed(tmp_path, "recordings")
        ids = sorted(table["recording_id"].to_pylist())
        assert ids == [entry.recording.id for entry in entries]
        assert table.schema.remove_metadata().equals(RECORDINGS)
