"""Where files lie, and how they are reached: any filesystem that fsspec knows."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import fsspec
from fsspec.core import url_to_fs

from transforms.reach import FAMILIES, LOCAL, STORES, Reach, schemes_of
from transforms.redact import redacted, secrets_in
from transforms.remote import RemoteFileSystem
from transforms.retry import Patience, steadily
from transforms.stored_file import FileBytes, Stat, StoredFile, stat_of

EXTRAS = {"s3": "s3", "gs": "gcs", "abfs": "azure", "http": "http"}
LARGEST_SPOOL_BYTES = 2**31


@dataclass(frozen=True)
class Stores:
    """The filesystems of one job, on whichever worker they are asked for.

    `options` are fsspec's storage options by protocol; the names of one family (`s3` and `s3a`,
    `http` and `https`, ...) share them. They may hold credentials, and are neither shown nor
    compared. `largest_spool_bytes` bounds a file whose server does not serve ranges.
    """

    options: Mapping[str, Mapping[str, Any]] = field(
        default_factory=dict, repr=False, compare=False
    )
    reach: Reach = field(default_factory=Reach)
    patience: Patience = field(default_factory=Patience)
    largest_spool_bytes: int = LARGEST_SPOOL_BYTES

    def locate(self, uri: str) -> tuple[fsspec.AbstractFileSystem, str]:
        """The filesystem of `uri` and the path in it.

        Across a network it is a `RemoteFileSystem`: patient, and with `OSError`s only. Raises
        `ImportError` naming what to install where a package is missing, and `ValueError` for an
        unknown protocol or options that do not fit.
        """
        schemes = schemes_of(uri)
        scheme = schemes[0]
        try:
            if len(schemes) > 1:
                chained = {name: dict(options) for name, options in self.options.items()}
                filesystem, path = url_to_fs(uri, **chained)
                return filesystem, path
            kind = _kind(scheme)
        except ImportError as error:
            raise ImportError(_advice(scheme, error)) from error
        path = kind._strip_protocol(uri)
        options = {**kind._get_kwargs_from_urls(uri), **self._options(scheme)}
        if scheme in LOCAL or scheme == "memory":
            return kind(**options), path
        conceal = _Conceal(secrets_in(self.options))
        try:
            inner = steadily(
                lambda: _connected(scheme, kind(**options)), conceal(uri), self.patience, conceal
            )
        except TypeError as error:
            raise ValueError(f"the storage options of {scheme} do not fit: {error}") from error
        _leave_retries_to_us(scheme, inner)
        remote = RemoteFileSystem(
            inner,
            self.patience,
            self.largest_spool_bytes,
            has_folders=scheme not in STORES,
            conceal=conceal,
        )
        return remote, path

    def prove_writable(self, directory: str) -> None:
        """Write a small file in `directory` and remove it. Raises as `open` does."""
        filesystem, path = self.locate(f"{directory}/.{uuid.uuid4().hex}")
        with filesystem.open(path, "wb") as file:
            file.write(b"beamscribe was here\n")
        filesystem.rm_file(path)

    def stat(self, uri: str) -> Stat:
        """Size and version of what is stored there. Raises as `open` does."""
        filesystem, path = self.locate(uri)
        return stat_of(uri, filesystem.info(path))

    @contextmanager
    def open(self, uri: str) -> Iterator[StoredFile]:
        """A binary file to read, positioned at its start; see `StoredFile`.

        Raises `FileNotFoundError`, `PermissionError`, `IsADirectoryError`, `StoreError` where the
        store did not recover, or another `OSError`; `ImportError` and `ValueError` as `locate`
        does.
        """
        filesystem, path = self.locate(uri)
        if isinstance(filesystem, RemoteFileSystem):
            with filesystem.open_stored(path) as file:
                yield file
            return
        stat = stat_of(uri, filesystem.info(path))
        with StoredFile(FileBytes(filesystem.open(path, "rb")), stat) as file:
            yield file

    def _options(self, scheme: str) -> dict[str, Any]:
        family = next((family for family in FAMILIES if scheme in family), frozenset({scheme}))
        given: dict[str, Any] = {}
        for name in sorted(family - {scheme}):
            given |= self.options.get(name, {})
        given |= self.options.get(scheme, {})
        if scheme in LOCAL or scheme == "memory":
            return given
        if scheme in STORES:
            # A listing from before would hide what has changed since.
            given.setdefault("use_listings_cache", False)
        if scheme in ("http", "https"):
            from transforms.web import GuardedClient

            given["get_client"] = GuardedClient(self.reach, self.patience.attempt_s)
        elif scheme in ("s3", "s3a"):
            config = {"retries": {"total_max_attempts": 1}, "read_timeout": self.patience.attempt_s}
            given["config_kwargs"] = {**config, **given.get("config_kwargs", {})}
        return given


def _connected(scheme: str, filesystem: fsspec.AbstractFileSystem) -> fsspec.AbstractFileSystem:
    """Amazon's client takes any option until it connects; Google's connects when it is made."""
    if scheme in ("s3", "s3a"):
        filesystem.connect()
    return filesystem


def _leave_retries_to_us(scheme: str, filesystem: fsspec.AbstractFileSystem) -> None:
    """Where a client can be told not to: Azure's waits 15 s before it tries again."""
    if scheme in ("s3", "s3a"):
        filesystem.retries = 1
    elif scheme in ("abfs", "abfss", "az"):
        filesystem.service_client._config.retry_policy.total_retries = 0


def _kind(scheme: str) -> type[fsspec.AbstractFileSystem]:
    if scheme in ("http", "https"):
        from transforms.web import WebFileSystem

        return WebFileSystem
    if scheme in ("gs", "gcs"):
        # The class that fsspec knows asks a second service, over gRPC, what kind each bucket is.
        from gcsfs import core

        google: type[fsspec.AbstractFileSystem] = core.GCSFileSystem
        return google
    kind: type[fsspec.AbstractFileSystem] = fsspec.get_filesystem_class(scheme)
    return kind


@dataclass(frozen=True, slots=True)
class _Conceal:
    secrets: tuple[str, ...] = field(repr=False)

    def __call__(self, text: str) -> str:
        return redacted(text, self.secrets)


def _advice(scheme: str, error: ImportError) -> str:
    family = next((family for family in FAMILIES if scheme in family), frozenset())
    extra = next((EXTRAS[name] for name in sorted(family) if name in EXTRAS), None)
    if extra is None:
        return f"{scheme}:// needs a package that is not installed: {error}"
    return f"{scheme}:// needs a package that is not installed: pip install 'beamscribe[{extra}]'"
