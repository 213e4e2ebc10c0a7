"""Where files lie, and how they are reached: any filesystem that fsspec knows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import fsspec
from fsspec.core import split_protocol

from transforms.stored_file import LocalBytes, Stat, StoredFile, stat_of


@dataclass(frozen=True)
class Stores:
    """The filesystems of one job, on whichever worker they are asked for.

    `options` are fsspec's storage options by protocol. They may hold credentials, and are neither
    shown nor compared.
    """

    options: Mapping[str, Mapping[str, Any]] = field(
        default_factory=dict, repr=False, compare=False
    )

    def locate(self, uri: str) -> tuple[fsspec.AbstractFileSystem, str]:
        """The filesystem of `uri` and the path in it.

        Raises `ImportError` where its package is missing, `ValueError` for an unknown protocol.
        """
        protocol = split_protocol(uri)[0] or "file"
        filesystem, path = fsspec.core.url_to_fs(uri, **self.options.get(protocol, {}))
        return filesystem, path

    def stat(self, uri: str) -> Stat:
        """Size and version of what is stored there. Raises as `open` does."""
        filesystem, path = self.locate(uri)
        return stat_of(uri, filesystem.info(path))

    @contextmanager
    def open(self, uri: str) -> Iterator[StoredFile]:
        """A binary file to read, positioned at its start; see `StoredFile`.

        Raises `FileNotFoundError`, `PermissionError`, `IsADirectoryError` or another `OSError`;
        `ImportError` and `ValueError` as `locate` does.
        """
        filesystem, path = self.locate(uri)
        stat = stat_of(uri, filesystem.info(path))
        with filesystem.open(path, "rb") as stored, StoredFile(LocalBytes(stored), stat) as file:
            yield file
