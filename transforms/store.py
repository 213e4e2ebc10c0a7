"""Where files lie, and how they are reached: any filesystem that fsspec knows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import fsspec
from fsspec.core import split_protocol


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
