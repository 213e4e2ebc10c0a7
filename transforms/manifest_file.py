"""A manifest's file: which of the formats it is in, whether it is gzipped, and its rows."""

from __future__ import annotations

import gzip
import io
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from typing import IO, BinaryIO

from transforms.errors import ManifestError
from transforms.manifest_lines import Row, read_json_array, read_json_lines, read_list
from transforms.manifest_parquet import read_parquet
from transforms.manifest_table import looks_like_table, read_table
from transforms.store import Stores
from transforms.uris import without_query

LINES_SUFFIXES = (".jsonl", ".ndjson")
TABLE_SUFFIXES = (".csv", ".tsv")
LIST_SUFFIXES = (".txt", ".lst", ".list")
MANIFEST_SUFFIXES = (*LINES_SUFFIXES, ".json", *TABLE_SUFFIXES, *LIST_SUFFIXES, ".parquet", ".pq")
STDIN = "-"
HEAD_BYTES = 1 << 16
GZIP = b"\x1f\x8b"
PARQUET = b"PAR1"
MISTAKEN = {
    b"\xff\xfe": "is UTF-16 text; save the manifest as UTF-8",
    b"\xfe\xff": "is UTF-16 text; save the manifest as UTF-8",
    b"BZh": "is compressed with bzip2; gzip is the compression that can be read",
    b"\xfd7zXZ": "is compressed with xz; gzip is the compression that can be read",
    b"\x28\xb5\x2f\xfd": "is compressed with Zstandard; gzip is the compression that can be read",
    b"PK\x03\x04": "is a zip archive or a workbook; save the manifest as CSV",
}

_ARRAY = re.compile(r"\[\s*[{\]]")
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1f]")

Reader = Callable[[BinaryIO, str], Iterator[Row]]


def read_rows(source: str, stores: Stores) -> Iterator[Row]:
    """The rows of the manifest at `source`, `-` for standard input; few are held at a time.

    The format is told by the content, and by the name where the content could be several. Raises
    `ManifestError` for what is no manifest, and what its store raises.
    """
    with _open(source, stores) as (stream, name):
        reader = _reader(stream.peek(HEAD_BYTES), name, source)
        if reader is None:
            raise ManifestError(f"{source} is no manifest")
        yield from reader(stream, source)


def holds_manifest(source: str, stores: Stores) -> bool:
    """Whether a file whose name says nothing is a manifest; if not, it may be audio.

    Raises `ManifestError` for text that is no manifest.
    """
    with _open(source, stores) as (stream, name):
        head = stream.peek(HEAD_BYTES)
        if _reader(head, name, source) is not None:
            return True
    if _CONTROL.search(head) is None:
        raise ManifestError(
            f"{source} is neither a manifest nor audio; a list of paths is called "
            f"{', '.join(f'*{suffix}' for suffix in LIST_SUFFIXES)}"
        )
    return False


def is_manifest_name(path: str) -> bool:
    return path.lower().removesuffix(".gz").endswith(MANIFEST_SUFFIXES)


@cache
def copy_of_stdin() -> IO[bytes]:
    """Standard input as a file, which can be read more than once; deleted with the process."""
    file = tempfile.NamedTemporaryFile(prefix="beamscribe-stdin-")  # noqa: SIM115
    shutil.copyfileobj(sys.stdin.buffer, file)
    file.flush()
    return file


@contextmanager
def _open(source: str, stores: Stores) -> Iterator[tuple[io.BufferedReader, str]]:
    """The unzipped content of a file, and the name that says of which format it is."""
    with ExitStack() as stack:
        filesystem, path = stores.locate(copy_of_stdin().name if source == STDIN else source)
        stored = stack.enter_context(filesystem.open(path, "rb"))
        stream = stack.enter_context(io.BufferedReader(stored, HEAD_BYTES))
        if stream.peek(2).startswith(GZIP):
            unzipped = gzip.GzipFile(fileobj=stream)
            stream = stack.enter_context(io.BufferedReader(unzipped, HEAD_BYTES))
        name = STDIN if source == STDIN else without_query(path).lower()
        yield stream, name.removesuffix(".gz")


def _reader(head: bytes, name: str, source: str) -> Reader | None:
    """What reads a file that begins with `head`; None where that is no manifest."""
    for beginning, mistake in MISTAKEN.items():
        if head.startswith(beginning):
            raise ManifestError(f"{source} {mistake}")
    if head.startswith(PARQUET):
        return read_parquet
    text = head.decode("utf-8-sig", errors="replace").lstrip()
    if name.endswith(TABLE_SUFFIXES):
        return read_table
    if name.endswith(LINES_SUFFIXES):
        return read_json_lines
    if _ARRAY.match(text):
        return read_json_array
    if text.startswith("{") or name.endswith(".json"):
        return read_json_lines
    if looks_like_table(text.partition("\n")[0]):
        return read_table
    return read_list if name.endswith(LIST_SUFFIXES) or name == STDIN else None
