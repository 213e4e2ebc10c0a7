"""What to transcribe: JSON-lines manifests, audio files and directories of them.

A line that cannot be used is a failure with its file and line number; it stops nothing.
"""

from __future__ import annotations

import gzip
import json
import os
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

import fsspec

from transforms.errors import ManifestError, ManifestLineError, failure_of
from transforms.reach import screened
from transforms.records import EACH, MIX, Failure, Recording
from transforms.store import Stores

AUDIO_SUFFIXES = (
    *(".wav", ".wave", ".w64", ".rf64", ".flac", ".ogg", ".oga", ".opus", ".mp3"),
    *(".aif", ".aiff", ".aifc", ".au", ".snd", ".sph", ".caf"),
)
MANIFEST_SUFFIXES = (".jsonl", ".json", ".ndjson", ".jsonl.gz", ".json.gz", ".ndjson.gz")
URI_FIELDS = ("audio_filepath", "audio_uri", "uri", "path")
ID_FIELDS = ("id", "recording_id", "utt_id")
LANGUAGE_FIELDS = ("language", "lang")
KNOWN_FIELDS = {
    *URI_FIELDS,
    *ID_FIELDS,
    *LANGUAGE_FIELDS,
    "offset",
    "duration",
    "channel",
    "text",
}


def read_sources(sources: Iterable[str], stores: Stores) -> list[Recording | Failure]:
    """Everything that `sources` name, in order.

    Raises `ManifestError` where a source does not exist or holds nothing, or where an id stands
    twice (both places are named).
    """
    found: list[Recording | Failure] = []
    places: dict[str, str] = {}
    for source in sources:
        before = len(found)
        for place, read in _read_source(source, stores):
            item = screened(read, source, stores.reach)
            identity = item.id if isinstance(item, Recording) else item.recording.id
            if identity in places:
                raise ManifestError(
                    f"the id {identity!r} stands twice: {places[identity]} and {place}; "
                    "give each recording an `id` of its own"
                )
            places[identity] = place
            found.append(item)
        if len(found) == before:
            raise ManifestError(f"{source} names no recordings")
    return found


def parse_line(line: str, place: str, folder: str) -> Recording | Failure:
    """One line of a JSON-lines manifest; relative paths are relative to `folder`."""
    try:
        return _parse_fields(_load_object(line, place), place, folder)
    except ManifestLineError as error:
        return failure_of(error, Recording(id=place, uri=""), None, "manifest")


def _read_source(source: str, stores: Stores) -> Iterator[tuple[str, Recording | Failure]]:
    try:
        filesystem, path = stores.locate(source)
        if filesystem.isdir(path):
            yield from _read_directory(source, filesystem, path)
        elif not filesystem.exists(path):
            raise ManifestError(
                f"{source} does not exist; name a manifest, an audio file or a directory"
            )
        elif path.lower().endswith(MANIFEST_SUFFIXES):
            yield from _read_json_lines(source, filesystem, path)
        elif path.lower().endswith(AUDIO_SUFFIXES):
            yield source, Recording(id=source, uri=source)
        else:
            raise ManifestError(
                f"{source} is neither a JSON-lines manifest ({', '.join(MANIFEST_SUFFIXES)}) "
                f"nor a known kind of audio file ({', '.join(AUDIO_SUFFIXES)})"
            )
    except ManifestError:
        raise
    except (OSError, EOFError, zlib.error, ImportError, ValueError) as error:
        raise ManifestError(f"{source} cannot be read: {error}") from error


def _read_directory(
    source: str, filesystem: fsspec.AbstractFileSystem, path: str
) -> Iterator[tuple[str, Recording | Failure]]:
    base = source.rstrip("/")
    for name in sorted(filesystem.find(path)):
        if name.lower().endswith(AUDIO_SUFFIXES):
            relative = os.path.relpath(name, path)
            place = f"{base}/{relative}"
            yield place, _name_recording(relative, place)


def _name_recording(relative: str, place: str) -> Recording | Failure:
    try:
        place.encode()
    except UnicodeEncodeError:
        shown = place.encode(errors="backslashreplace").decode()
        error = ManifestLineError(f"{shown}: the file's name is not UTF-8")
        return failure_of(error, Recording(id=shown, uri=""), None, "manifest")
    return Recording(id=relative, uri=place)


def _read_json_lines(
    source: str, filesystem: fsspec.AbstractFileSystem, path: str
) -> Iterator[tuple[str, Recording | Failure]]:
    folder = source.rpartition("/")[0] if "/" in source else "."
    with filesystem.open(path, "rb") as stored:
        lines = gzip.GzipFile(fileobj=stored) if path.lower().endswith(".gz") else stored
        for number, raw in enumerate(lines, start=1):
            line = raw.decode("utf-8-sig" if number == 1 else "utf-8", errors="replace").strip()
            if line:
                place = f"{source}:{number}"
                yield place, parse_line(line, place, folder)


def _load_object(line: str, place: str) -> dict[str, Any]:
    try:
        fields = json.loads(line)
        # Half a surrogate pair is valid JSON, and is text that nothing can store.
        json.dumps(fields, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise ManifestLineError(f"{place} is not JSON: {error}") from error
    if not isinstance(fields, dict):
        raise ManifestLineError(f"{place} is not a JSON object")
    return fields


def _parse_fields(fields: dict[str, Any], place: str, folder: str) -> Recording:
    written = _first(fields, URI_FIELDS)
    if not isinstance(written, str) or not written:
        raise ManifestLineError(f"{place} names no audio; it needs `audio_filepath`")
    identity = _first(fields, ID_FIELDS)
    language = _first(fields, LANGUAGE_FIELDS)
    reference = fields.get("text")
    return Recording(
        id=written if identity is None else str(identity),
        uri=_resolve(written, folder),
        channel=_channel(fields.get("channel"), place),
        offset_s=_seconds(fields.get("offset"), "offset", place) or 0.0,
        duration_s=_seconds(fields.get("duration"), "duration", place),
        language=None if language is None else str(language),
        reference=None if reference is None else str(reference),
        metadata=tuple(
            (str(name), value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
            for name, value in fields.items()
            if name not in KNOWN_FIELDS and value is not None
        ),
    )


def _first(fields: dict[str, Any], names: tuple[str, ...]) -> Any:
    return next((fields[name] for name in names if fields.get(name) not in (None, "")), None)


def _resolve(written: str, folder: str) -> str:
    if "://" in written or os.path.isabs(written):
        return written
    return f"{folder}/{written}"


def _seconds(value: Any, name: str, place: str) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e9:
        raise ManifestLineError(f"{place}: `{name}` is {value!r}, not a number of seconds")
    return float(value)


def _channel(value: Any, place: str) -> str | int:
    if value is None:
        return MIX
    if value in (MIX, EACH):
        return str(value)
    if isinstance(value, str) and value.isdecimal() and len(value) < 10:
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1e9:
        return value
    raise ManifestLineError(f"{place}: `channel` is {value!r}, not `mix`, `each` or a number")
