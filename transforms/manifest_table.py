"""Manifests that are tables of text: CSV, TSV, and what else a delimiter parts."""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Iterator, Sequence
from typing import BinaryIO

from transforms.errors import ManifestError, ManifestLineError
from transforms.manifest_dialect import AUDIO_COLUMNS, is_common_voice
from transforms.manifest_lines import Row, read_lines

DELIMITERS = ",;\t|"
MOST_LINES_A_ROW = 100

Line = tuple[int, str | ManifestLineError]


def read_table(stream: BinaryIO, source: str) -> Iterator[Row]:
    """A row for each record, named by the header; empty fields are left out.

    Quotes as in RFC 4180; Common Voice knows none. After a record that cannot be read, as where a
    quote is never closed, reading goes on with the line after the one that it began in.
    Raises `ManifestError` for a header that names no audio.
    """
    lines = _Lines(read_lines(stream))
    header = _read_header(lines, source)
    if header is None:
        return
    names, delimiter = header
    quoted = not is_common_voice(dict.fromkeys(names))
    records = csv.reader(
        lines,
        delimiter=delimiter,
        quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE,
        strict=True,
    )
    while True:
        lines.taken.clear()
        try:
            record = next(records)
        except StopIteration:
            return
        except (csv.Error, ManifestLineError) as error:
            number = lines.taken[0][0]
            lines.give_back(1)
            reason = str(error) if isinstance(error, ManifestLineError) else f"is no CSV: {error}"
            yield f"{source}:{number}", ManifestLineError(reason)
            continue
        if any(record):
            yield f"{source}:{lines.taken[0][0]}", _name_fields(names, record)


def looks_like_table(line: str) -> bool:
    """Whether a first line is a header with a column of audio."""
    try:
        names = _split(line, _delimiter(line))
    except csv.Error:
        return False
    return any(name in AUDIO_COLUMNS for name in names)


def check_columns(names: Sequence[str], source: str) -> None:
    """Raises `ManifestError` where no column can name audio, or two have one name."""
    named = [name for name in names if name]
    if len(set(named)) < len(named):
        twice = next(name for name in named if named.count(name) > 1)
        raise ManifestError(f"{source} has two columns {twice!r}; rename one")
    if not any(name in AUDIO_COLUMNS for name in named):
        columns = ", ".join(repr(name) for name in named[:12]) or "nothing"
        raise ManifestError(
            f"{source} has no column that names audio: its header names {columns}; "
            f"one must be called {', '.join(AUDIO_COLUMNS[:4])} or {AUDIO_COLUMNS[4]}"
        )


def _read_header(lines: _Lines, source: str) -> tuple[list[str], str] | None:
    """Names and delimiter, from the first line that is not blank."""
    try:
        line = next((line for line in lines if line.strip()), None)
        if line is None:
            return None
        if "\0" in line:
            raise ManifestLineError("is not UTF-8 but perhaps UTF-16; save the manifest as UTF-8")
        delimiter = _delimiter(line)
        names = _split(line, delimiter)
    except (csv.Error, ManifestLineError) as error:
        number = lines.taken[-1][0]
        raise ManifestError(f"{source}:{number}: the header {error}") from error
    check_columns(names, source)
    return names, delimiter


def _delimiter(line: str) -> str:
    """What parts most names; a comma where nothing does."""
    bare = re.sub(r'"[^"]*"', "", line)
    return max(DELIMITERS, key=bare.count)


def _split(line: str, delimiter: str) -> list[str]:
    return [name.strip() for name in next(csv.reader([line], delimiter=delimiter), [])]


def _name_fields(names: list[str], record: list[str]) -> dict[str, str] | ManifestLineError:
    if len(record) != len(names):
        return ManifestLineError(f"has {len(record)} fields; the header has {len(names)}")
    return {name: field for name, field in zip(names, record, strict=True) if name and field}


class _Lines(Iterator[str]):
    """Lines for `csv.reader`, which may be taken back; `taken` are those of the current record."""

    def __init__(self, lines: Iterator[Line]) -> None:
        self.taken: list[Line] = []
        self._lines = lines
        self._returned: deque[Line] = deque()

    def __next__(self) -> str:
        if len(self.taken) >= MOST_LINES_A_ROW:
            raise ManifestLineError(f"has a quote that {MOST_LINES_A_ROW} lines do not close")
        line = self._returned.popleft() if self._returned else next(self._lines)
        self.taken.append(line)
        if isinstance(line[1], ManifestLineError):
            raise line[1]
        return line[1]

    def give_back(self, keep: int) -> None:
        """Let all but the first `keep` lines of the current record be read again."""
        self._returned.extendleft(reversed(self.taken[keep:]))
        self.taken.clear()
