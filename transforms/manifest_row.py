"""One row of a manifest as the recording that it asks for."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from transforms.errors import ManifestLineError, failure_of
from transforms.manifest_dialect import URI_FIELDS, first_of, in_our_words
from transforms.records import EACH, MIX, Failure, Recording
from transforms.uris import Folder

ID_FIELDS = ("id", "recording_id", "utt_id")
LANGUAGE_FIELDS = ("language", "lang")
KNOWN_FIELDS = frozenset(
    {
        *URI_FIELDS,
        *ID_FIELDS,
        *LANGUAGE_FIELDS,
        "offset",
        "duration",
        "channel",
        "text",
        "hotwords",
    }
)
LONGEST_S = 1e9
_NUMBER = re.compile(r"\+?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)


def parse_row(
    row: Mapping[str, Any] | ManifestLineError, place: str, folder: Folder, prefix: str = ""
) -> Recording | Failure:
    """The recording that a row names, or why there is none; `place` is the row's file and line.

    Relative paths lie in `folder`. `prefix` goes before an id that is the path as written: the
    folder of a manifest that was found below a directory.
    """
    try:
        if isinstance(row, ManifestLineError):
            raise row
        return storable(_parse_fields(in_our_words(row), folder, prefix))
    except ManifestLineError as error:
        return failure_at(place, str(error))


def failure_at(place: str, reason: str) -> Failure:
    """The ledger's word on a row that names no recording: its id is its place."""
    shown = place.encode(errors="backslashreplace").decode()
    said = reason.encode(errors="backslashreplace").decode()
    error = ManifestLineError(f"{shown}: {said}")
    return failure_of(error, Recording(id=shown, uri=""), None, "manifest")


def storable(recording: Recording) -> Recording:
    """The recording itself, if Parquet and filesystems can hold its text.

    JSON may hold half a surrogate pair, and a file's name any bytes. Raises `ManifestLineError`.
    """
    texts = (
        *(recording.id, recording.uri, recording.language or "", recording.reference or ""),
        *recording.hotwords,
        *(part for pair in recording.metadata for part in pair),
    )
    try:
        "".join(texts).encode()
    except UnicodeEncodeError:
        raise ManifestLineError("holds text that is not Unicode, and cannot be stored") from None
    if "\0" in recording.uri:
        raise ManifestLineError("names audio with a NUL in it, which no file can be called")
    return recording


def _parse_fields(fields: Mapping[str, Any], folder: Folder, prefix: str) -> Recording:
    written = first_of(fields, URI_FIELDS)
    if written is None:
        raise ManifestLineError("names no audio; it needs `audio_filepath`")
    if not isinstance(written, str):
        raise ManifestLineError(f"`audio_filepath` is {_shown(written)}, not one path or URI")
    identity = _text(first_of(fields, ID_FIELDS), "id")
    return Recording(
        id=prefix + written if identity is None else identity,
        uri=folder.join(written),
        channel=_channel(fields.get("channel")),
        offset_s=_seconds(fields.get("offset"), "offset") or 0.0,
        duration_s=_seconds(fields.get("duration"), "duration"),
        language=_text(first_of(fields, LANGUAGE_FIELDS), "language"),
        reference=_text(fields.get("text"), "text"),
        hotwords=_hotwords(fields.get("hotwords")),
        metadata=tuple(
            (str(name), _as_metadata(value))
            for name, value in fields.items()
            if name not in KNOWN_FIELDS and value is not None
        ),
    )


def _as_metadata(value: object) -> str:
    if isinstance(value, bool | int | float | list | dict):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


def _text(value: object, name: str) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    raise ManifestLineError(f"`{name}` is {_shown(value)}, not text")


def _seconds(value: object, name: str) -> float | None:
    """A number of seconds; tables and some JSON hold it as text."""
    if value is None:
        return None
    number = value
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        number = float(value)
    if isinstance(number, int | float | Decimal) and not isinstance(number, bool):
        try:
            seconds = float(number)
        except (OverflowError, ValueError):
            seconds = math.inf
        if 0 <= seconds < LONGEST_S:
            return seconds
    hint = "; write it with a point" if isinstance(value, str) and "," in value else ""
    raise ManifestLineError(f"`{name}` is {_shown(value)}, not a number of seconds{hint}")


def _channel(value: object) -> str | int:
    if value is None:
        return MIX
    if value in (MIX, EACH):
        return str(value)
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 10:
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1e9:
        return value
    raise ManifestLineError(f"`channel` is {_shown(value)}, not `mix`, `each` or a number")


def _hotwords(value: object) -> tuple[str, ...]:
    """Words and phrases, each once, in order; one text holds them between `|`, else commas."""
    if value is None:
        return ()
    if isinstance(value, str):
        value = value.split("|" if "|" in value else ",")
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        raise ManifestLineError(
            f"`hotwords` is {_shown(value)}, not a list of words or phrases; "
            "as one text, commas or `|` stand between them"
        )
    words = (" ".join(word.split()) for word in value)
    return tuple(dict.fromkeys(word for word in words if word))


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
