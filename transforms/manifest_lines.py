"""Manifests of text, one row a line: JSON lines, plain lists; and arrays of JSON."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from typing import Any, BinaryIO

from transforms.errors import ManifestError, ManifestLineError

LONGEST_BYTES = 16 << 20
CHUNK_BYTES = 1 << 18

Row = tuple[str, dict[str, Any] | ManifestLineError]
"""Where a row stands (`m.jsonl:7`), and its fields or why it has none."""


def read_lines(stream: BinaryIO) -> Iterator[tuple[int, str | ManifestLineError]]:
    """Lines with their numbers and ends, or why one is no text.

    A line beyond `LONGEST_BYTES` is passed over without being held.
    """
    number = 0
    while raw := stream.readline(LONGEST_BYTES):
        number += 1
        if len(raw) == LONGEST_BYTES and not raw.endswith(b"\n"):
            while (rest := stream.readline(LONGEST_BYTES)) and not rest.endswith(b"\n"):
                pass
            yield number, ManifestLineError(f"is longer than {LONGEST_BYTES >> 20} MiB")
            continue
        try:
            yield number, raw.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            yield number, ManifestLineError(_not_utf8(error))


def read_json_lines(stream: BinaryIO, source: str) -> Iterator[Row]:
    """One object a line; blank lines are passed over."""
    rows = 0
    for number, line in read_lines(stream):
        if isinstance(line, ManifestLineError):
            yield f"{source}:{number}", line
        elif text := line.strip():
            if not rows and text == "{":
                raise ManifestError(
                    f"{source} holds JSON that is spread over lines; write one object a line "
                    "(`jq -c .`), or one array of objects"
                )
            yield f"{source}:{number}", _load_object(text)
        else:
            continue
        rows += 1


def read_list(stream: BinaryIO, source: str) -> Iterator[Row]:
    """One path or URI a line; blank lines and lines that begin with `#` are passed over."""
    for number, line in read_lines(stream):
        if isinstance(line, ManifestLineError):
            yield f"{source}:{number}", line
        elif (written := line.strip()) and not written.startswith("#"):
            yield f"{source}:{number}", {"audio_filepath": written}


def read_json_array(stream: BinaryIO, source: str) -> Iterator[Row]:
    """The objects of one array, each with the line that it begins in.

    Raises `ManifestError` where the array is broken: what follows cannot be told from the rest.
    """
    scanner = _Scanner(stream, source)
    scanner.take("[")
    while (following := scanner.next_character()) != "]":
        place = f"{source}:{scanner.line}"
        value = scanner.take_value()
        yield place, value if isinstance(value, dict) else _not_an_object()
        following = scanner.next_character()
        if following != "]":
            scanner.take(",")
    scanner.take("]")
    if scanner.next_character():
        raise ManifestError(f"{source}:{scanner.line}: there is more after the end of the array")


def _load_object(text: str) -> dict[str, Any] | ManifestLineError:
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError) as error:
        return ManifestLineError(f"is not JSON: {error}")
    return fields if isinstance(fields, dict) else _not_an_object()


def _not_an_object() -> ManifestLineError:
    return ManifestLineError("is not a JSON object")


def _not_utf8(error: UnicodeDecodeError) -> str:
    return (
        f"is not UTF-8 (byte 0x{error.object[error.start]:02x} at {error.start + 1}); "
        "save the manifest as UTF-8"
    )


class _Scanner:
    """JSON values one after another, from text of which only one need be held."""

    def __init__(self, stream: BinaryIO, source: str) -> None:
        self.line = 1
        self._stream = stream
        self._source = source
        self._decode = codecs.getincrementaldecoder("utf-8-sig")().decode
        self._values = json.JSONDecoder()
        self._text = ""
        self._at = 0
        self._ended = False

    def next_character(self) -> str:
        """The next one that is no white space; empty at the end."""
        while True:
            while self._at < len(self._text):
                character = self._text[self._at]
                if character not in " \t\r\n":
                    return character
                self.line += character == "\n"
                self._at += 1
            if not self._read():
                return ""

    def take(self, character: str) -> None:
        found = self.next_character()
        if found != character:
            before = repr(found) if found else "the end"
            raise self._broken(f"{character!r} is missing before {before}")
        self._at += 1

    def take_value(self) -> Any:
        while True:
            try:
                value, end = self._values.raw_decode(self._text, self._at)
            except (ValueError, RecursionError) as error:
                if len(self._text) - self._at > LONGEST_BYTES or not self._read():
                    raise self._broken(str(error)) from error
                continue
            # What ends where the text ends may go on in the next chunk: a number.
            if end < len(self._text) or not self._read():
                self.line += self._text.count("\n", self._at, end)
                self._at = end
                return value

    def _read(self) -> bool:
        if self._ended:
            return False
        chunk = self._stream.read(CHUNK_BYTES)
        self._ended = not chunk
        try:
            more = self._decode(chunk, self._ended)
        except UnicodeDecodeError as error:
            raise self._broken(f"it {_not_utf8(error)}") from error
        self._text = self._text[self._at :] + more
        self._at = 0
        return not self._ended

    def _broken(self, reason: str) -> ManifestError:
        return ManifestError(
            f"{self._source} is not a JSON array: after line {self.line}: {reason}"
        )
