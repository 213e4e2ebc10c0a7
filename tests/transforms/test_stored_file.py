"""Bytes that are fetched range by range are the file's."""

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.stored_file import (
    FIRST_FETCH_BYTES,
    LARGEST_FETCH_BYTES,
    FileBytes,
    RangedBytes,
    Stat,
    StoredFile,
    stat_of,
)

CONTENT = bytes(index * index % 251 for index in range(3_000_000))


class Source:
    def __init__(self, content: bytes) -> None:
        self.content = content
        self.ranges: list[tuple[int, int]] = []

    def fetch(self, start: int, end: int) -> bytes:
        assert 0 <= start < end <= len(self.content)
        self.ranges.append((start, end))
        return self.content[start:end]

    def open(self) -> StoredFile:
        size = len(self.content)
        return StoredFile(RangedBytes(self.fetch, size), Stat(size, None))

    @property
    def fetched(self) -> int:
        return sum(end - start for start, end in self.ranges)


@given(st.lists(st.tuples(st.integers(0, len(CONTENT) + 10), st.integers(0, 200_000)), max_size=12))
def test_any_reads_anywhere_are_those_of_the_file(reads: list[tuple[int, int]]) -> None:
    file, whole = Source(CONTENT).open(), io.BytesIO(CONTENT)
    for position, size in reads:
        assert file.seek(position) == whole.seek(position)
        assert file.read(size) == whole.read(size)
        assert file.tell() == whole.tell()


def test_a_header_costs_one_small_fetch() -> None:
    source = Source(CONTENT)
    source.open().read(44)
    assert source.ranges == [(0, FIRST_FETCH_BYTES)]


def test_a_stretch_costs_few_requests_and_little_more_than_itself() -> None:
    source = Source(CONTENT * 8)
    file = source.open()
    file.seek(1_000_000)
    for _ in range(1_000):
        file.read(8_192)
    assert source.fetched < 8_192_000 + LARGEST_FETCH_BYTES + FIRST_FETCH_BYTES
    assert len(source.ranges) < 15


def test_what_was_fetched_lately_is_not_fetched_again() -> None:
    source = Source(CONTENT)
    file = source.open()
    for position in (0, 2_000_000, 10, 2_000_010, 20):
        file.seek(position)
        file.read(100)
    assert len(source.ranges) == 2


def test_positions_before_the_file_are_refused() -> None:
    file = Source(CONTENT).open()
    with pytest.raises(ValueError, match="seek"):
        file.seek(-1)
    assert file.seek(0, io.SEEK_END) == len(CONTENT)
    assert file.read(1) == b""


def test_the_first_failure_is_kept() -> None:
    def fetch(start: int, end: int) -> bytes:
        raise OSError(f"failure at {start}")

    raising = StoredFile(RangedBytes(fetch, 10_000_000), Stat(10_000_000, None))
    with pytest.raises(OSError, match="failure at 0"):
        raising.read(1)
    raising.seek(5_000_000)
    with pytest.raises(OSError, match="failure at 5000000"):
        raising.read(1)
    with pytest.raises(OSError, match="failure at 0"):
        raising.check()

    deferring = StoredFile(RangedBytes(fetch, 10_000_000), Stat(10_000_000, None))
    deferring.defer_errors()
    assert deferring.read(1) == b""
    assert str(deferring.failure) == "failure at 0"


def test_a_seek_to_where_no_file_reaches(tmp_path: Path) -> None:
    """Callbacks from C print the trace of an error; a damaged header is no reason to."""
    path = tmp_path / "a"
    path.write_bytes(b"0123456789")
    for stored in (FileBytes(path.open("rb")), RangedBytes(lambda first, end: b"0" * 10, 10)):
        with StoredFile(stored, Stat(10, None)) as file:
            file.seek(4)
            with pytest.raises((OSError, ValueError)):
                file.seek(-5)
            file.defer_errors()
            assert file.seek(-5) == file.seek(-20, 2) == -1
            assert file.tell() == 4
            file.check()


def test_what_a_store_says_of_a_file() -> None:
    assert stat_of("a", {"size": 3, "ETag": '"x"', "mtime": 4.0}) == Stat(3, '"x"')
    assert stat_of("a", {"size": None}) == Stat(None, None)
    with pytest.raises(IsADirectoryError, match="a is a directory"):
        stat_of("a", {"type": "directory", "size": 0})
