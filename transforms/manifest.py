"""What to transcribe: the recordings that manifests, files, directories and globs name.

A row that cannot be used is a failure with its file and line number; it stops nothing.
"""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Iterable, Iterator

from transforms.errors import ManifestError, ManifestLineError
from transforms.manifest_dialect import is_common_voice
from transforms.manifest_file import read_rows
from transforms.manifest_ids import SeenIds
from transforms.manifest_row import failure_at, parse_row, storable
from transforms.reach import screened
from transforms.records import Failure, Recording
from transforms.sources import AudioFile, ManifestFile, UnlistedFolder, find_files
from transforms.store import Stores
from transforms.uris import Folder, folder_of

Placed = tuple[str, Recording | Failure]
"""Where an item stands (`m.jsonl:7`, or the audio file itself), and the item."""


def iterate_sources(sources: Iterable[str], stores: Stores) -> Iterator[Placed]:
    """Everything that `sources` name, in order; memory does not grow with the number.

    Raises `ManifestError`, when it comes to it, where a source does not exist, cannot be read or
    holds nothing, or where an id stands twice (both places are named).
    """
    with SeenIds() as seen:
        for source in sources:
            item = None
            for place, read in _read_source(source, stores):
                item = screened(read, source, stores.reach)
                identity = item.id if isinstance(item, Recording) else item.recording.id
                before = seen.add(identity, place)
                if before is not None:
                    raise ManifestError(
                        f"the id {identity!r} stands twice: {before} and {place}; "
                        "give each recording an `id` of its own"
                    )
                yield place, item
            if item is None:
                raise ManifestError(f"{source} names no recordings")


def read_sources(sources: Iterable[str], stores: Stores) -> list[Recording | Failure]:
    """All of `iterate_sources` at once, for who needs no more than fits in memory."""
    return [item for _, item in iterate_sources(sources, stores)]


def _read_source(source: str, stores: Stores) -> Iterator[Placed]:
    try:
        for file in find_files(source, stores):
            match file:
                case ManifestFile():
                    yield from _read_manifest(file, stores)
                case AudioFile(identity, uri):
                    yield _name_recording(Recording(identity, uri))
                case UnlistedFolder(uri, reason):
                    failure = failure_at(uri, reason)
                    yield failure.recording.id, failure
    except ManifestError:
        raise
    except (OSError, EOFError, zlib.error, ImportError, ValueError) as error:
        raise ManifestError(f"{source} cannot be read: {error}") from error


def _name_recording(recording: Recording) -> Placed:
    try:
        return recording.uri, storable(recording)
    except ManifestLineError as error:
        failure = failure_at(recording.uri, str(error))
        return failure.recording.id, failure


def _read_manifest(file: ManifestFile, stores: Stores) -> Iterator[Placed]:
    folder = folder_of(file.uri)
    rows = read_rows(file.uri, stores)
    for place, row in rows:
        if isinstance(row, dict):
            if is_common_voice(row):
                folder = _clips(folder, str(row["path"]), stores)
            rows = itertools.chain([(place, row)], rows)
            break
        yield place, parse_row(row, place, folder, file.prefix)
    for place, row in rows:
        yield place, parse_row(row, place, folder, file.prefix)


def _clips(folder: Folder, first: str, stores: Stores) -> Folder:
    """Where Common Voice keeps what its tables name: `clips` beside them, if that is there.

    A web server may not say so of a folder, but of the `first` file in it.
    """
    clips = folder.below("clips")
    filesystem, path = stores.locate(clips.head + clips.tail)
    return clips if filesystem.isdir(path) or filesystem.exists(f"{path}/{first}") else folder
