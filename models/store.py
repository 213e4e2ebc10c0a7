"""Checkpoints on this machine: a local file as it is, a remote one in a cache."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import IO

import fsspec

from models.errors import CheckpointError

CACHE_VARIABLE = "BEAMSCRIBE_CACHE"


def cache_folder() -> Path:
    """`$BEAMSCRIBE_CACHE`, or `beamscribe` in `$XDG_CACHE_HOME` or `~/.cache`."""
    named = os.environ.get(CACHE_VARIABLE)
    if named:
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "beamscribe"


def is_local(uri: str) -> bool:
    return "://" not in uri or uri.startswith("file://")


def local_path(uri: str) -> Path:
    """Where a checkpoint lies, or would lie once fetched: its address decides, not its content."""
    if is_local(uri):
        return Path(uri.removeprefix("file://")).expanduser()
    address = hashlib.sha256(uri.encode()).hexdigest()[:16]
    return cache_folder() / "models" / address / (uri.rstrip("/").rpartition("/")[2] or "model")


def fetch(uri: str, sha256: str | None = None) -> Path:
    """The checkpoint at a path or any fsspec URL, as a file on this machine.

    A remote one is downloaded once, beside its place, and moved there when it is whole and, where
    `sha256` is given, the one that was meant: no other process sees half of it. Raises
    `CheckpointError` where it cannot be had or is another.
    """
    path = local_path(uri)
    if is_local(uri):
        if not path.is_file():
            raise CheckpointError(f"there is no checkpoint at {path}")
        _check(path, sha256, uri)
        return path
    if path.is_file():
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix="partial-")
    except OSError as error:
        raise CheckpointError(
            f"the cache {path.parent} cannot be written: {error}; name another folder in "
            f"{CACHE_VARIABLE}"
        ) from error
    partial = Path(name)
    try:
        with os.fdopen(handle, "wb") as target:
            _download(uri, target)
        _check(partial, sha256, uri)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return path


def _download(uri: str, target: IO[bytes]) -> None:
    # The HTTP filesystem lets the errors of its client through.
    from aiohttp import ClientError

    try:
        with fsspec.open(uri, "rb") as source:
            shutil.copyfileobj(source, target, 1 << 20)
    except (OSError, ImportError, ValueError, ClientError) as error:
        raise CheckpointError(
            f"the checkpoint {uri} cannot be fetched: {type(error).__name__}: {error}; fetch it "
            "by other means and name its path"
        ) from error


def _check(path: Path, sha256: str | None, uri: str) -> None:
    if sha256 is None:
        return
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256.lower():
        raise CheckpointError(
            f"{uri} is not the checkpoint that was meant: its SHA-256 is {found}, not {sha256}"
        )
