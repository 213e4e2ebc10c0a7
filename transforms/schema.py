"""The columns of the two Parquet tables, and ledger entries as their rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa

from transforms.fingerprint import audio_fingerprint
from transforms.records import STATUSES, LedgerEntry, Recording, Transcript
from transforms.redact import redacted

SCHEMA_VERSION = 2

TRANSCRIPTS = pa.schema(
    [
        ("recording_id", pa.string()),
        ("audio_uri", pa.string()),
        ("channel", pa.int32()),
        ("segment_index", pa.int32()),
        ("start", pa.float64()),
        ("end", pa.float64()),
        ("text", pa.string()),
        ("confidence", pa.float32()),
        ("language", pa.string()),
        (
            "words",
            pa.list_(
                pa.struct(
                    [
                        ("word", pa.string()),
                        ("start", pa.float64()),
                        ("end", pa.float64()),
                        ("confidence", pa.float32()),
                    ]
                )
            ),
        ),
        ("alternatives", pa.list_(pa.struct([("text", pa.string()), ("score", pa.float32())]))),
        ("model", pa.string()),
        ("run_id", pa.string()),
        ("metadata", pa.map_(pa.string(), pa.string())),
    ]
)

RECORDINGS = pa.schema(
    [
        ("recording_id", pa.string()),
        ("audio_uri", pa.string()),
        ("channel", pa.int32()),
        ("status", pa.string()),
        ("error_type", pa.string()),
        ("error_message", pa.string()),
        ("error_stage", pa.string()),
        ("duration", pa.float64()),
        ("sample_rate", pa.int32()),
        ("num_channels", pa.int32()),
        ("speech_duration", pa.float64()),
        ("num_segments", pa.int32()),
        ("num_words", pa.int32()),
        ("text", pa.string()),
        ("confidence", pa.float32()),
        ("language", pa.string()),
        ("model", pa.string()),
        ("reference", pa.string()),
        ("audio_fingerprint", pa.string()),
        ("model_fingerprint", pa.string()),
        ("config_fingerprint", pa.string()),
        ("finished_at", pa.timestamp("us", tz="UTC")),
        ("run_id", pa.string()),
        ("metadata", pa.map_(pa.string(), pa.string())),
        ("same_as_channel", pa.int32()),
    ]
)

TABLES = {"transcripts": TRANSCRIPTS, "recordings": RECORDINGS}

Row = dict[str, Any]


@dataclass(frozen=True)
class RunStamp:
    """What every row of a run says of the run."""

    run_id: str
    model: str
    language: str
    model_fingerprint: str
    config_fingerprint: str


def totals_of(rows: Iterable[Row]) -> dict[str, float]:
    """What a run's summary adds up over ledger rows: counts by status, words, seconds."""
    return add_totals(
        {
            "recordings": 1,
            row["status"]: 1,
            "words": row["num_words"],
            "segments": row["num_segments"],
            "audio_s": row["duration"] or 0.0,
            "speech_s": row["speech_duration"] or 0.0,
        }
        for row in rows
    )


def errors_of(rows: Iterable[Row]) -> dict[str, int]:
    """How many ledger rows name each type of error, partial recordings' too."""
    return dict(Counter(row["error_type"] for row in rows if row["error_type"] is not None))


def add_totals(parts: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """The sum of several totals; every name is there, with zero where nothing was counted."""
    totals: dict[str, float] = dict.fromkeys(("recordings", *STATUSES, "segments", "words"), 0)
    totals |= {"audio_s": 0.0, "speech_s": 0.0}
    for part in parts:
        for name, value in part.items():
            totals[name] += value
    return totals


def transcript_rows(entry: LedgerEntry, stamp: RunStamp) -> list[Row]:
    """One row a segment, in order of time; `TRANSCRIPTS` names the columns."""
    return [
        {
            "recording_id": entry.recording.id,
            "audio_uri": redacted(entry.recording.uri),
            "channel": entry.channel,
            "segment_index": index,
            "start": transcript.start_s,
            "end": transcript.end_s,
            "text": _text([transcript]),
            "confidence": _confidence([transcript]),
            "language": entry.recording.language or stamp.language,
            "words": [
                {
                    "word": word.text,
                    "start": word.start_s,
                    "end": word.end_s,
                    "confidence": word.confidence,
                }
                for word in transcript.words
            ],
            "alternatives": None,
            "model": stamp.model,
            "run_id": stamp.run_id,
            "metadata": _metadata(entry.recording),
        }
        for index, transcript in enumerate(entry.transcripts)
    ]


def ledger_row(entry: LedgerEntry, stamp: RunStamp, finished_at: datetime) -> Row:
    """The row of one track; `RECORDINGS` names the columns."""
    track, failure = entry.track, entry.failure
    return {
        "recording_id": entry.recording.id,
        "audio_uri": redacted(entry.recording.uri),
        "channel": entry.channel,
        "status": entry.status,
        "error_type": failure.error_type if failure else None,
        "error_message": redacted(failure.message) if failure else None,
        "error_stage": failure.stage if failure else None,
        "duration": entry.duration_s,
        "sample_rate": track.sample_rate_hz if track else None,
        "num_channels": track.num_channels if track else None,
        "speech_duration": entry.sound_s if track else None,
        "num_segments": len(entry.transcripts),
        "num_words": sum(len(transcript.words) for transcript in entry.transcripts),
        "text": _text(entry.transcripts),
        "confidence": _confidence(entry.transcripts),
        "language": entry.recording.language or stamp.language,
        "model": stamp.model,
        "reference": entry.recording.reference,
        "audio_fingerprint": audio_fingerprint(entry.recording, track.fingerprint)
        if track
        else failure.fingerprint
        if failure
        else None,
        "model_fingerprint": stamp.model_fingerprint,
        "config_fingerprint": stamp.config_fingerprint,
        "finished_at": finished_at,
        "run_id": stamp.run_id,
        "metadata": _metadata(entry.recording),
        "same_as_channel": entry.same_as_channel,
    }


def _metadata(recording: Recording) -> list[tuple[str, str]]:
    return [(name, redacted(value)) for name, value in recording.metadata]


def _text(transcripts: list[Transcript] | tuple[Transcript, ...]) -> str:
    return " ".join(word.text for transcript in transcripts for word in transcript.words)


def _confidence(transcripts: list[Transcript] | tuple[Transcript, ...]) -> float | None:
    """The mean over words; null where there are none."""
    words = [word.confidence for transcript in transcripts for word in transcript.words]
    return sum(words) / len(words) if words else None
