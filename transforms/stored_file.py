"""A stored file that is being read."""

from __future__ import annotations

import io
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import IO, Any

BUFFER_BYTES = 16 * 1024
FIRST_FETCH_BYTES = 32 * 1024
LARGEST_FETCH_BYTES = 1024 * 1024
WINDOWS_KEPT = 12
VERSION_FIELDS = (
    *("ETag", "etag", "md5Hash", "mtime", "LastModified", "last_modified", "Last-Modified"),
    "created",
)


@dataclass(frozen=True, slots=True)
class Stat:
    """What a store says of a file: its size in bytes, None where unknown, and its version.

    `version` is the entity tag or else the time of the last change, as text, and None where the
    store gives neither. The same bytes keep it; other bytes under the same name change it.
    """

    size: int | None
    version: str | None


class StoredBytes(io.RawIOBase):
    """The unbuffered side of a `StoredFile`; remembers the first error of a read."""

    failure: OSError | None = None
    deferring: bool = False

    def fill(self, buffer: memoryview) -> int:
        """Fill the buffer from the current position; fewer bytes at the end of the file only."""
        raise NotImplementedError

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            return self.fill(memoryview(buffer))
        except OSError as error:
            self.failure = self.failure or error
            if self.deferring:
                return 0
            raise


class StoredFile(io.BufferedReader):
    """A file in a store, open for reading: seekable, binary, buffered.

    C libraries that read through callbacks (libsndfile, FFmpeg) take an error in one for the end
    of the file, so that a lost connection looks like a truncated recording. The first error is
    therefore remembered: call `check` after each read that went through such a library, and before
    a short read is believed. `defer_errors` spares stderr the traces that cffi prints of errors
    that its callbacks cannot raise.
    """

    def __init__(self, stored: StoredBytes, stat: Stat) -> None:
        super().__init__(stored, BUFFER_BYTES)
        self.stat = stat
        self._stored = stored

    @property
    def failure(self) -> OSError | None:
        """The first error that a read met, whether it was raised or deferred."""
        return self._stored.failure

    def check(self) -> None:
        """Raise the first error that a read met; return when there was none."""
        if self._stored.failure is not None:
            raise self._stored.failure

    def defer_errors(self) -> None:
        """From now on a read that meets an error ends the file there, and `check` raises it.

        A seek to where no file reaches, as damaged headers have libraries do, then moves nothing
        and returns -1, which C takes for an error.
        """
        self._stored.deferring = True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        try:
            return super().seek(offset, whence)
        except (OSError, ValueError):
            if not self._stored.deferring or self.closed:
                raise
            return -1


class FileBytes(StoredBytes):
    """Bytes of an open file, which is closed with it."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__()
        self._file = file

    def fill(self, buffer: memoryview) -> int:
        data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


class RangedBytes(StoredBytes):
    """Bytes of a file of a known size that are fetched range by range, as they are needed.

    A fetch at a new place is small, for headers and searches; each one that goes on where another
    ended is twice as large, up to a limit, so that a long stretch takes few requests and little
    more than its own bytes. fsspec's caches fetch blocks of one size.
    """

    def __init__(self, fetch: Callable[[int, int], bytes], size: int) -> None:
        super().__init__()
        self._fetch = fetch
        self._size = size
        self._position = 0
        self._windows: OrderedDict[int, bytes] = OrderedDict()

    def fill(self, buffer: memoryview) -> int:
        filled = 0
        wanted = min(len(buffer), max(0, self._size - self._position))
        while filled < wanted:
            start, window = self._window(self._position, wanted - filled)
            offset = self._position - start
            part = window[offset : offset + wanted - filled]
            buffer[filled : filled + len(part)] = part
            filled += len(part)
            self._position += len(part)
        return filled

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if origin + offset < 0:
            raise ValueError(f"cannot seek to {origin + offset}")
        self._position = origin + offset
        return self._position

    def tell(self) -> int:
        return self._position

    def _window(self, position: int, wanted: int) -> tuple[int, bytes]:
        """Kept bytes that hold `position`, and where they start."""
        grown, limit = FIRST_FETCH_BYTES, self._size
        for start, window in self._windows.items():
            if start <= position < start + len(window):
                self._windows.move_to_end(start)
                return start, window
            if start + len(window) == position:
                grown = min(2 * len(window), LARGEST_FETCH_BYTES)
            if start > position:
                limit = min(limit, start)
        end = min(limit, position + max(grown, min(wanted, LARGEST_FETCH_BYTES)))
        window = self._fetch(position, end)
        self._windows[position] = window
        if len(self._windows) > WINDOWS_KEPT:
            self._windows.popitem(last=False)
        return position, window


def stat_of(uri: str, info: Mapping[str, Any]) -> Stat:
    """The size and version in what fsspec says of a file. Raises `IsADirectoryError`."""
    if info.get("type") == "directory":
        raise IsADirectoryError(f"{uri} is a directory, not a file")
    version = next((str(info[name]) for name in VERSION_FIELDS if info.get(name)), None)
    return Stat(info.get("size"), version)
