"""The columns that users' scripts depend on, and what stands in them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pyarrow as pa
import pytest

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
from transforms.schema import RECORDINGS, TRANSCRIPTS, RunStamp, ledger_row, transcript_rows

STAMP = RunStamp("run-1", "hama", "en", "model-print", "config-print")
NOW = datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC)
RECORDING = Recording(
    "r", "r.wav", reference="hama", metadata=(("speaker", "Ann"), ("take", "2"), ("café", "ja"))
)
TRACK = Track(RECORDING, 1, 8000, 2, 20_001, 0, 20_001, "audio-print", 1)
ENTRY = LedgerEntry(
    RECORDING,
    TRACK,
    1,
    OK,
    (
        Transcript(
            (0, 0),
            0.0,
            1.25,
            10_000,
            (TimedWord("ɲa", 0.1, 0.2, 0.5), TimedWord("b", 0.2, 0.3, 1.0)),
        ),
        Transcript((0, 10_000), 1.25, 2.0, 6_000, ()),
        Transcript((1, 16_000), 2.0, 2.5, 4_000, (TimedWord("c", 2.0, 2.5, 0.75),)),
    ),
    2.25,
    None,
    2.25,
    0,
)
UNKNOWN = LedgerEntry(
    Recording("gone", "gone.wav"),
    None,
    None,
    FAILED,
    (),
    0.0,
    Failure(Recording("gone", "gone.wav"), None, "plan", "UnreadableAudioError", "gone.wav: no"),
)


def test_transcripts_columns_are_the_contracts() -> None:
    word = "struct<word: string, start: double, end: double, confidence: float>"
    assert [(field.name, str(field.type)) for field in TRANSCRIPTS] == [
        ("recording_id", "string"),
        ("audio_uri", "string"),
        ("channel", "int32"),
        ("segment_index", "int32"),
        ("start", "double"),
        ("end", "double"),
        ("text", "string"),
        ("confidence", "float"),
        ("language", "string"),
        ("words", f"list<item: {word}>"),
        ("alternatives", "list<item: struct<text: string, score: float>>"),
        ("model", "string"),
        ("run_id", "string"),
        ("metadata", "map<string, string>"),
    ]


def test_recordings_columns_are_the_contracts() -> None:
    assert [(field.name, str(field.type)) for field in RECORDINGS] == [
        ("recording_id", "string"),
        ("audio_uri", "string"),
        ("channel", "int32"),
        ("status", "string"),
        ("error_type", "string"),
        ("error_message", "string"),
        ("error_stage", "string"),
        ("duration", "double"),
        ("sample_rate", "int32"),
        ("num_channels", "int32"),
        ("speech_duration", "double"),
        ("num_segments", "int32"),
        ("num_words", "int32"),
        ("text", "string"),
        ("confidence", "float"),
        ("language", "string"),
        ("model", "string"),
        ("reference", "string"),
        ("audio_fingerprint", "string"),
        ("model_fingerprint", "string"),
        ("config_fingerprint", "string"),
        ("finished_at", "timestamp[us, tz=UTC]"),
        ("run_id", "string"),
        ("metadata", "map<string, string>"),
        ("same_as_channel", "int32"),
    ]


@pytest.mark.parametrize("entry", [ENTRY, UNKNOWN])
def test_rows_name_every_column_in_order(entry: LedgerEntry) -> None:
    assert list(ledger_row(entry, STAMP, NOW)) == RECORDINGS.names
    for row in transcript_rows(entry, STAMP):
        assert list(row) == TRANSCRIPTS.names


def test_a_row_a_segment_in_order() -> None:
    rows = transcript_rows(ENTRY, STAMP)
    assert [row["segment_index"] for row in rows] == [0, 1, 2]
    assert [(row["start"], row["end"]) for row in rows] == [(0.0, 1.25), (1.25, 2.0), (2.0, 2.5)]
    assert [row["text"] for row in rows] == ["ɲa b", "", "c"]
    assert [row["confidence"] for row in rows] == [0.75, None, 0.75]
    assert rows[0]["words"][0] == {"word": "ɲa", "start": 0.1, "end": 0.2, "confidence": 0.5}
    assert rows[1]["words"] == []
    assert all(row["alternatives"] is None for row in rows)
    assert {row["channel"] for row in rows} == {1}
    assert transcript_rows(UNKNOWN, STAMP) == []


def test_a_ledger_row_of_a_transcribed_track() -> None:
    row = ledger_row(ENTRY, STAMP, NOW)
    assert row["text"] == "ɲa b c"
    assert row["confidence"] == pytest.approx(0.75)
    assert (row["num_words"], row["num_segments"]) == (3, 3)
    assert row["duration"] == 2.25
    assert row["speech_duration"] == 2.25
    assert row["same_as_channel"] == 0
    assert (row["sample_rate"], row["num_channels"], row["channel"]) == (8000, 2, 1)
    assert (row["error_type"], row["error_message"], row["error_stage"]) == (None, None, None)
    assert row["audio_fingerprint"] == "audio-print"
    assert row["reference"] == "hama"
    assert (row["model"], row["run_id"]) == ("hama", "run-1")
    assert (row["model_fingerprint"], row["config_fingerprint"]) == ("model-print", "config-print")


def test_a_duration_is_the_headers_unless_decoding_found_another() -> None:
    row = ledger_row(replace(ENTRY, found_duration_s=None), STAMP, NOW)
    assert row["duration"] == 20_001 / 8000


def test_a_ledger_row_of_what_was_never_opened() -> None:
    row = ledger_row(UNKNOWN, STAMP, NOW)
    for name in ("duration", "sample_rate", "num_channels", "speech_duration", "channel"):
        assert row[name] is None
    assert row["audio_fingerprint"] is None
    assert row["confidence"] is None
    assert (row["num_words"], row["num_segments"], row["text"]) == (0, 0, "")
    assert row["status"] == FAILED
    assert row["error_type"] == "UnreadableAudioError"
    assert row["error_message"] == "gone.wav: no"
    assert row["error_stage"] == "plan"


def test_a_recordings_own_language_comes_before_the_runs() -> None:
    own = LedgerEntry(Recording("r", "r.wav", language="en-GB"), TRACK, 1, SILENT, (), 0.0, None)
    assert ledger_row(own, STAMP, NOW)["language"] == "en-GB"
    assert ledger_row(ENTRY, STAMP, NOW)["language"] == "en"


@pytest.mark.parametrize("entry", [ENTRY, UNKNOWN])
def test_arrow_takes_the_rows_as_they_are(entry: LedgerEntry) -> None:
    ledger = pa.Table.from_pylist([ledger_row(entry, STAMP, NOW)], schema=RECORDINGS)
    ledger.validate(full=True)
    (row,) = ledger.to_pylist()
    assert row["finished_at"] == NOW
    assert row["metadata"] == list(entry.recording.metadata)
    segments = pa.Table.from_pylist(transcript_rows(entry, STAMP), schema=TRANSCRIPTS)
    segments.validate(full=True)
    assert segments.num_rows == len(entry.transcripts)
