"""A stored file that is being read."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, Any

BUFFER_BYTES = 64 * 1024
VERSION_FIELDS = ("ETag", "etag", "md5Hash", "mtime", "LastModified", "last_modified")


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
        """From now on a read that meets an error ends the file there, and `check` raises it."""
        self._stored.deferring = True


class LocalBytes(StoredBytes):
    """Bytes of an open file."""

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


def stat_of(uri: str, info: Mapping[str, Any]) -> Stat:
    """The size and version in what fsspec says of a file. Raises `IsADirectoryError`."""
    if info.get("type") == "directory":
        raise IsADirectoryError(f"{uri} is a directory, not a file")
    version = next((str(info[name]) for name in VERSION_FIELDS if info.get(name)), None)
    return Stat(info.get("size"), version)
