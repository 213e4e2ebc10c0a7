"""Log lines that a machine reads, and what is in none of them."""

from __future__ import annotations

import json
import logging
import sys
from datetime import datetime, timedelta

import pytest

from pipeline.logs import JSON, TEXT, JsonFormatter, complaint
from transforms.join import fail_recording, logged
from transforms.records import Failure, LedgerEntry, Recording

SIGNED = "https://me:secret@host/a.wav?X-Amz-Signature=abcdef"
HIDDEN = "https://***@host/a.wav?X-Amz-Signature=***"


def lines(records: list[logging.LogRecord]) -> list[dict[str, object]]:
    written = [JsonFormatter().format(record) for record in records]
    assert not any("\n" in line for line in written)
    return [json.loads(line) for line in written]


def test_a_failed_recording_is_named_once(caplog: pytest.LogCaptureFixture) -> None:
    failure = Failure(Recording("a", SIGNED), 1, "decode", "CorruptAudioError", f"{SIGNED} \x00\n")
    entry = fail_recording(failure)
    assert logged(entry) is entry
    (line,) = lines(caplog.records)
    moment = datetime.fromisoformat(str(line.pop("time")))
    assert moment.utcoffset() == timedelta(0)
    assert line == {
        "level": "WARNING",
        "logger": "beamscribe",
        "message": f"failed: CorruptAudioError: {HIDDEN} \x00\n",
        "recording_id": "a",
        "audio_uri": HIDDEN,
        "channel": 1,
        "status": "failed",
        "stage": "decode",
        "error_type": "CorruptAudioError",
    }


def test_a_good_recording_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    logged(LedgerEntry(Recording("a", "a.wav"), None, None, "ok", (), 1.0, None))
    assert caplog.records == []


def test_traces_are_one_line_without_credentials() -> None:
    try:
        raise ValueError(SIGNED)
    except ValueError:
        record = logging.LogRecord("x", 40, "x.py", 1, "broke at %s", (SIGNED,), sys.exc_info())
    (line,) = lines([record])
    assert line["message"] == f"broke at {HIDDEN}"
    assert str(line["trace"]).endswith(f"ValueError: {HIDDEN}")
    assert "secret" not in json.dumps(line)


def test_why_a_command_ends() -> None:
    assert complaint(f"no {SIGNED}", TEXT) == f"beamscribe: no {HIDDEN}"
    line = json.loads(complaint(f"no {SIGNED}", JSON))
    assert (line["level"], line["message"]) == ("ERROR", f"no {HIDDEN}")
