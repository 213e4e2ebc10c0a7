"""A filesystem across a network, made steady: one patience, one kind of error for all of them."""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import IO, Any, TypeVar

from fsspec import AbstractFileSystem
from fsspec.asyn import AsyncFileSystem

from transforms.errors import StoreError
from transforms.redact import redacted
from transforms.retry import Conceal, Patience, steadily
from transforms.spool import spooled
from transforms.stored_file import RangedBytes, Stat, StoredBytes, StoredFile, stat_of

T = TypeVar("T")

SLOWEST_UPLOAD_BYTES_S = 128 * 1024


class RemoteFileSystem(AbstractFileSystem):
    """Another filesystem, with retries, timeouts and clean errors.

    Files are read by ranges (see `RangedBytes`), or spooled to a temporary file where a server has
    none. A file that is written is uploaded whole when it is closed, and not at all when its block
    raised. `has_folders`: folders must be made, and files can be renamed. Raises
    `FileNotFoundError`, `PermissionError`, `StoreError` or another `OSError`.
    """

    cachable = False

    def __init__(
        self,
        inner: AbstractFileSystem,
        patience: Patience,
        largest_spool_bytes: int,
        has_folders: bool,
        conceal: Conceal = redacted,
    ) -> None:
        super().__init__()
        self.inner = inner
        self.protocol = inner.protocol
        self.root_marker = inner.root_marker
        self._patience = patience
        self._largest_spool_bytes = largest_spool_bytes
        self._has_folders = has_folders
        self._conceal = conceal

    def __reduce__(self) -> tuple[object, ...]:
        given = (self._patience, self._largest_spool_bytes, self._has_folders, self._conceal)
        return type(self), (self.inner, *given)

    def _strip_protocol(self, path: str) -> str:
        stripped: str = self.inner._strip_protocol(path)
        return stripped

    def _parent(self, path: str) -> str:
        parent: str = self.inner._parent(path)
        return parent

    def info(self, path: str) -> dict[str, Any]:
        found: dict[str, Any] = self._ask(path, partial(self._call("info"), path))
        return found

    def exists(self, path: str) -> bool:
        try:
            self.info(path)
        except FileNotFoundError:
            return False
        return True

    def isdir(self, path: str) -> bool:
        try:
            return bool(self.info(path)["type"] == "directory")
        except FileNotFoundError:
            return False

    def isfile(self, path: str) -> bool:
        return self.exists(path) and not self.isdir(path)

    def ls(self, path: str, detail: bool = True) -> Any:
        return self._ask(path, partial(self._call("ls"), path, detail=detail))

    def find(
        self, path: str, maxdepth: int | None = None, withdirs: bool = False, detail: bool = False
    ) -> Any:
        find = self._call("find")
        return self._ask(
            path, partial(find, path, maxdepth=maxdepth, withdirs=withdirs, detail=detail)
        )

    def glob(self, path: str, maxdepth: int | None = None, detail: bool = False) -> Any:
        glob = self._call("glob")
        return self._ask(path, partial(glob, path, maxdepth=maxdepth, detail=detail))

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        """Nothing in object stores: they have no folders, and a missing bucket is a mistake."""
        if self._has_folders:
            self._ask(path, partial(self._call("makedirs"), path, exist_ok=exist_ok))

    def mkdir(self, path: str, create_parents: bool = True) -> None:
        """As `makedirs`."""
        self.makedirs(path, exist_ok=True)

    def cp_file(self, path1: str, path2: str) -> None:
        self._ask(path1, partial(self._call("cp_file"), path1, path2))

    def rm_file(self, path: str) -> None:
        # `rm` of one name, because not every store's `rm_file` can be called without a loop.
        self._ask(path, partial(self._call("rm"), path))

    def rm(self, path: str, recursive: bool = False, maxdepth: int | None = None) -> None:
        rm = self._call("rm")
        self._ask(path, partial(rm, path, recursive=recursive, maxdepth=maxdepth))

    def mv(self, path1: str, path2: str, recursive: bool = False) -> None:
        """A rename where there are folders; else a copy and a removal, which may be repeated."""
        if recursive:
            raise NotImplementedError("only single files are moved")
        if self._has_folders:
            self._ask(path1, partial(self._call("mv"), path1, path2))
            return
        self.cp_file(path1, path2)
        # An earlier attempt may have removed it, and its answer was lost.
        with contextlib.suppress(FileNotFoundError):
            self.rm_file(path1)

    def cat_file(self, path: str, start: int | None = None, end: int | None = None) -> bytes:
        cat = self._call("cat_file")
        data: bytes = self._ask(path, partial(cat, path, start=start, end=end))
        return data

    def put_file(self, lpath: str, rpath: str) -> None:
        put = self._call("put_file", os.path.getsize(lpath) / SLOWEST_UPLOAD_BYTES_S)
        self._ask(rpath, partial(put, lpath, rpath))

    def open(self, path: str, mode: str = "rb", encoding: str | None = None) -> Any:
        """A `StoredFile` to read, or a file that is uploaded when it is closed."""
        match mode:
            case "rb":
                return self.open_stored(path)
            case "r" | "rt":
                return io.TextIOWrapper(self.open_stored(path), encoding=encoding or "utf-8")
            case "wb":
                return _Upload(self, path)
            case "w" | "wt":
                return _TextUpload(_Upload(self, path), encoding or "utf-8")
            case _:
                raise ValueError(f"files in stores are read or written whole, not opened {mode!r}")

    def open_stored(self, path: str) -> StoredFile:
        """A file to read, positioned at its start."""
        info = self.info(path)
        stat = stat_of(self._name(path), info)
        if stat.size is None or info.get("partial") is False:
            return StoredFile(self._spooled(path, stat), stat)
        size = stat.size

        def fetch(start: int, end: int) -> bytes:
            return self._fetch(path, start, end)

        return StoredFile(RangedBytes(fetch, size), stat)

    def _fetch(self, path: str, start: int, end: int) -> bytes:
        cat = self._call("cat_file")

        def once() -> bytes:
            data: bytes = cat(path, start=start, end=end)
            if len(data) != end - start:
                raise ConnectionError(f"{len(data)} bytes came where {end - start} were asked for")
            return data

        return self._ask(path, once)

    def _spooled(self, path: str, stat: Stat) -> StoredBytes:
        name, largest = self._name(path), self._largest_spool_bytes

        def download(file: IO[bytes]) -> None:
            def once() -> bool:
                file.seek(0)
                file.truncate()
                return bool(self.inner.spool(path, file, largest))

            if not self._ask(path, once):
                raise StoreError(
                    f"{name} is larger than {largest / 2**20:.0f} MiB and its server does not "
                    "serve ranges; copy it to a store that does"
                )

        file = spooled(path, stat.size, stat.version, largest, download)

        def fetch(start: int, end: int) -> bytes:
            return os.pread(file.fileno(), end - start, start)

        return RangedBytes(fetch, os.fstat(file.fileno()).st_size)

    def _ask(self, path: str, call: Callable[[], T]) -> T:
        return steadily(call, self._name(path), self._patience, self._conceal)

    def _call(self, method: str, extra_s: float = 0.0) -> Callable[..., Any]:
        bound: Callable[..., Any] = getattr(self.inner, method)
        if not isinstance(self.inner, AsyncFileSystem):
            return bound
        # fsspec takes `timeout` off what it passes on, and cancels what takes longer.
        return partial(bound, timeout=self._patience.attempt_s + extra_s)

    def _name(self, path: str) -> str:
        return self._conceal(self.inner.unstrip_protocol(path))


class _Upload(io.BufferedRandom):
    """A temporary file that becomes a stored one when it is closed after all went well."""

    def __init__(self, filesystem: RemoteFileSystem, path: str) -> None:
        self._target: str | None = None
        with contextlib.ExitStack() as until_open:
            local = until_open.enter_context(tempfile.NamedTemporaryFile())
            super().__init__(io.FileIO(local.name, "r+b"))
            self._local = until_open.pop_all()
        self._name = local.name
        self._filesystem = filesystem
        self._target = path

    def abandon(self) -> None:
        """Upload nothing."""
        self._target = None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:
            self.abandon()
        self.close()

    def __del__(self) -> None:
        self.abandon()
        self.close()

    def close(self) -> None:
        if self.closed:
            return
        super().close()
        with self._local:
            if self._target is not None:
                self._filesystem.put_file(self._name, self._target)


class _TextUpload(io.TextIOWrapper):
    def __init__(self, upload: _Upload, encoding: str) -> None:
        super().__init__(upload, encoding=encoding)
        self._upload = upload

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:
            self._upload.abandon()
        self.close()
