"""What a command names: manifests, audio files, directories of them, globs."""

from __future__ import annotations

import itertools
import os
import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass

import fsspec
from fsspec.implementations.local import LocalFileSystem
from fsspec.utils import glob_translate

from transforms.errors import ManifestError
from transforms.manifest_file import STDIN, holds_manifest, is_manifest_name, read_rows
from transforms.store import Stores
from transforms.uris import directory_at, glob_of, without_query

AUDIO_SUFFIXES = (
    *(".wav", ".wave", ".w64", ".rf64", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".mp2"),
    *(".aif", ".aiff", ".aifc", ".au", ".snd", ".sph", ".caf"),
    *(".m4a", ".m4b", ".aac", ".mp4", ".m4v", ".mov", ".mkv", ".mka", ".webm", ".avi"),
    *(
        ".amr",
        ".3gp",
        ".wma",
        ".asf",
        ".ac3",
        ".mpg",
        ".mpeg",
        ".flv",
        ".ts",
        ".wv",
        ".ape",
        ".tta",
    ),
)
METADATA_NAMES = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
HTTP = ("http://", "https://")


@dataclass(frozen=True, slots=True)
class AudioFile:
    """One recording, named by its file."""

    id: str
    uri: str


@dataclass(frozen=True, slots=True)
class ManifestFile:
    """A file that names recordings; `prefix` goes before ids that are paths as written."""

    uri: str
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class UnlistedFolder:
    """A folder of a disk that could not be looked into: what it holds is not known."""

    uri: str
    reason: str


Found = AudioFile | ManifestFile | UnlistedFolder


def find_files(source: str, stores: Stores) -> Iterator[Found]:
    """The manifests and audio files that `source` names, in order.

    In a directory, and where a glob does not end in a suffix, these are the files with a suffix of
    audio; hidden ones are passed over. A directory with the metadata of Hugging Face's AudioFolder
    is what these say. Raises `ManifestError` where there is no such source, and what its store
    raises.
    """
    if source == STDIN:
        yield ManifestFile(STDIN)
        return
    filesystem, path = stores.locate(source)
    name = without_query(path).lower()
    kind = _kind(filesystem, path, named=name.endswith(AUDIO_SUFFIXES) or is_manifest_name(name))
    if kind is None:
        yield from _find_matches(source, stores)
    elif kind == "directory":
        yield from _find_in_directory(source, filesystem, path, stores)
    elif name.endswith(AUDIO_SUFFIXES):
        yield AudioFile(source, source)
    elif is_manifest_name(name) or holds_manifest(source, stores):
        yield ManifestFile(source)
    else:
        yield AudioFile(source, source)


def _kind(filesystem: fsspec.AbstractFileSystem, path: str, named: bool) -> str | None:
    """`file`, `directory`, or None where there is nothing.

    Every HTTP URL that answers is a file to fsspec; one without a file's name is a directory if it
    ends in a slash.
    """
    if path.startswith(HTTP) and not named and without_query(path).endswith("/"):
        return "directory"
    try:
        return str(filesystem.info(path)["type"])
    except FileNotFoundError:
        return None


def _find_matches(source: str, stores: Stores) -> Iterator[Found]:
    glob = glob_of(source)
    if glob is None:
        raise ManifestError(
            f"{source} does not exist; name a manifest, an audio file, a directory or a glob"
        )
    filesystem, root = stores.locate(glob.root)
    depth = None if "**" in glob.pattern else glob.pattern.count("/") + 1
    matches = re.compile(glob_translate(glob.pattern)).match
    suffix = re.search(r"\.[^./*?\[\]]+$", glob.pattern)
    shows_hidden = "/." in f"/{glob.pattern}"
    for folder, names in _walk(filesystem, root, depth):
        if isinstance(names, OSError):
            yield UnlistedFolder(f"{glob.head}{folder}{glob.tail}", _unlisted(names))
            continue
        for name in names:
            relative = f"{folder}{name}"
            if not matches(relative) or (_is_hidden(relative) and not shows_hidden):
                continue
            uri = f"{glob.head}{relative}{glob.tail}"
            if suffix and is_manifest_name(glob.pattern):
                yield ManifestFile(uri)
            elif suffix or name.lower().endswith(AUDIO_SUFFIXES):
                yield AudioFile(uri, uri)


def _find_in_directory(
    source: str, filesystem: fsspec.AbstractFileSystem, path: str, stores: Stores
) -> Iterator[Found]:
    directory = directory_at(source)
    described: set[str] = set()
    for folder, names in _walk(filesystem, path, None):
        if described and _is_below(folder, described):
            continue
        if isinstance(names, OSError):
            yield UnlistedFolder(directory.join(folder), _unlisted(names))
            continue
        metadata = next((name for name in METADATA_NAMES if name in names), None)
        if metadata is not None:
            uri = directory.join(folder + metadata)
            if _names_files(uri, stores):
                described.add(folder)
                yield ManifestFile(uri, prefix=folder)
                continue
        for name in names:
            if name.lower().endswith(AUDIO_SUFFIXES) and not _is_hidden(folder + name):
                yield AudioFile(folder + name, directory.join(folder + name))


def _names_files(uri: str, stores: Stores) -> bool:
    """Whether a file called metadata is an AudioFolder's: others use that name as well."""
    try:
        first = next(read_rows(uri, stores), None)
    except ManifestError:
        return False
    return first is not None and isinstance(first[1], dict) and "file_name" in first[1]


Listing = tuple[str, list[str] | OSError]


def _walk(filesystem: fsspec.AbstractFileSystem, path: str, depth: int | None) -> Iterator[Listing]:
    """Folders below `path` (`""`, `"sub/"`), parents first, each with the names of its files.

    A disk is walked a folder at a time; an object store lists a whole prefix at once, in pages of a
    thousand, which is much faster than folder by folder.
    """
    if isinstance(filesystem, LocalFileSystem):
        yield from _walk_disk(path, depth)
        return
    # Some stores begin their paths with a slash, and not all of these everywhere.
    top = f"/{path.lstrip('/')}"
    found = (
        posixpath.relpath(f"/{name.lstrip('/')}", top) for name in _list(filesystem, path, depth)
    )
    for folder, names in itertools.groupby(
        sorted((posixpath.split(name) for name in found), key=lambda parts: parts[0].split("/")),
        key=lambda parts: parts[0],
    ):
        yield f"{folder}/" if folder else "", sorted(name for _, name in names)


def _list(filesystem: fsspec.AbstractFileSystem, path: str, depth: int | None) -> list[str]:
    found: list[str] = filesystem.find(path, maxdepth=depth)
    return found


def _walk_disk(path: str, depth: int | None) -> Iterator[Listing]:
    """Links to folders are followed, but not into a folder that they lie in."""
    unlisted: list[OSError] = []
    for at, folders, names in os.walk(path, followlinks=True, onerror=unlisted.append):
        relative = os.path.relpath(at, path)
        level = 0 if relative == os.curdir else relative.count("/") + 1
        here = os.path.realpath(at)
        folders[:] = sorted(
            folder
            for folder in folders
            if (depth is None or level + 1 < depth)
            and not f"{here}/".startswith(os.path.realpath(os.path.join(at, folder)) + "/")
        )
        yield f"{relative}/" if level else "", sorted(names)
    for error in unlisted:
        if error.filename == path:
            raise error
        yield f"{os.path.relpath(error.filename, path)}/", error


def _unlisted(error: OSError) -> str:
    return f"the folder cannot be listed: {error.strerror or error}"


def _is_below(folder: str, others: set[str]) -> bool:
    return any(folder.startswith(other) for other in others)


def _is_hidden(relative: str) -> bool:
    return relative.startswith(".") or "/." in relative
