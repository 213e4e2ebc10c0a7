"""Logs on stderr: lines for people, or one JSON object each for machines."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime

from transforms.redact import RedactingFormatter, redacted

FORMATS = TEXT, JSON = "text", "json"
LOGGER = "beamscribe"
FIELDS = (
    *("recording_id", "audio_uri", "channel", "status"),
    *("stage", "error_type"),
)
"""What a record that is about a recording has besides, given as `extra`."""


class JsonFormatter(logging.Formatter):
    """One JSON object a record, without credentials.

    Keys: `time` (ISO 8601, UTC), `level`, `logger`, `message`; of `FIELDS` those that the record
    has; `trace` where there was an exception.
    """

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC)
        fields: dict[str, object] = {
            "time": moment.isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": redacted(record.getMessage()),
        }
        for name in FIELDS:
            value = getattr(record, name, None)
            if value is not None:
                fields[name] = redacted(value) if isinstance(value, str) else value
        if record.exc_info:
            fields["trace"] = redacted(self.formatException(record.exc_info))
        return json.dumps(fields, ensure_ascii=False, default=str)


def configure(form: str, verbose: bool) -> None:
    """What is shown: errors; failed recordings too with JSON; everything with `verbose`."""
    handler = logging.StreamHandler(sys.stderr)
    text = RedactingFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
    handler.setFormatter(JsonFormatter() if form == JSON else text)
    logging.basicConfig(handlers=[handler], level=logging.INFO if verbose else logging.ERROR)
    logging.captureWarnings(form == JSON)
    failed_only = form == JSON and not verbose
    logging.getLogger(LOGGER).setLevel(logging.WARNING if failed_only else logging.NOTSET)
    # It logs every error that it then raises.
    logging.getLogger("gcsfs").setLevel(logging.NOTSET if verbose else logging.CRITICAL)
    # Beam logs the trace of every error that it then raises.
    logging.getLogger("apache_beam").setLevel(logging.NOTSET if verbose else logging.CRITICAL)


def complaint(text: str, form: str) -> str:
    """The line that says why a command ends."""
    if form == JSON:
        record = logging.LogRecord(LOGGER, logging.ERROR, __file__, 0, text, None, None)
        return JsonFormatter().format(record)
    return f"beamscribe: {redacted(text)}"
