"""Whole copies of stored files on this machine's disk, for servers that do not serve ranges."""

from __future__ import annotations

import os
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import IO

_lock = threading.Lock()
_kept: OrderedDict[tuple[str, int | None, str], IO[bytes]] = OrderedDict()


def spooled(
    name: str,
    size: int | None,
    version: str | None,
    largest_bytes: int,
    download: Callable[[IO[bytes]], None],
) -> IO[bytes]:
    """An unnamed temporary file that holds what `download` wrote.

    It is kept for the next spans of the same recording, while all that is kept takes no more than
    `largest_bytes`; what has no version is not kept. Read it with `os.pread`: it may be shared.
    """
    key = (name, size, version or "")
    with _lock:
        if key in _kept:
            _kept.move_to_end(key)
            return _kept[key]
    file = tempfile.TemporaryFile()  # noqa: SIM115 it is closed with its last user
    download(file)
    file.flush()
    if version is not None:
        with _lock:
            _kept[key] = file
            while len(_kept) > 1 and sum(map(_size, _kept.values())) > largest_bytes:
                _kept.popitem(last=False)
    return file


def _size(file: IO[bytes]) -> int:
    return os.fstat(file.fileno()).st_size
