"""What is done: the committed runs of an output directory."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.errors import ConfigurationError
from transforms.store import Stores

if TYPE_CHECKING:
    import fsspec
    import pyarrow as pa
    from numpy.typing import NDArray

MOST_CHANNELS = 1 << 16
"""More than any file has."""

Commit = Mapping[str, Any]
"""The content of a `runs/<run_id>.json`."""


def committed_runs(directory: str, stores: Stores) -> list[Commit]:
    """Every commit in an output directory, the last one last; none where there is no directory.

    Raises `ConfigurationError` for a store that cannot be reached and a commit that is damaged.
    """
    try:
        filesystem, root = stores.locate(directory.rstrip("/"))
        filesystem.invalidate_cache()
        runs = f"{root}/runs"
        if not filesystem.isdir(runs):
            return []
        paths = [path for path in filesystem.find(runs, maxdepth=1) if path.endswith(".json")]
        # One call for all: stores that answer slowly are asked for many files at once.
        contents = filesystem.cat(paths, on_error="omit") if paths else {}
        commits: list[Commit] = [
            {"sequence": 0, **json.loads(content), "run_id": _run_id(path)}
            for path, content in contents.items()
        ]
        return sorted(commits, key=lambda commit: (commit["sequence"], commit["run_id"]))
    except (ImportError, OSError, ValueError, TypeError) as error:
        raise ConfigurationError(f"cannot read the runs in {directory}: {error}") from error


def read_rows(
    directory: str, commit: Commit, table: str, columns: Sequence[str], stores: Stores
) -> pa.Table:
    """Some columns of a table, `recordings` or `transcripts`, of one committed run.

    Raises `ConfigurationError` naming a file that cannot be read or lacks one of the columns.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    filesystem, root = stores.locate(directory.rstrip("/"))
    schema = schema_of(table, columns)
    parts = [schema.empty_table()]
    for name in _files(filesystem, root, commit, table):
        path = f"{root}/{name}"
        try:
            with filesystem.open(path, "rb") as file:
                part = pq.ParquetFile(file).read(columns=list(columns))
        except (OSError, pa.ArrowInvalid) as error:
            raise ConfigurationError(f"cannot read {path}: {error}") from error
        missing = sorted(set(columns) - set(part.column_names))
        if missing:
            raise ConfigurationError(f"{path} lacks {', '.join(missing)}")
        parts.append(part.select(list(columns)).cast(schema))
    return pa.concat_tables(parts)


def newest_rows(
    directory: str,
    commits: Sequence[Commit],
    table: str,
    columns: Sequence[str],
    stores: Stores,
) -> pa.Table:
    """Of every recording and channel the rows of the last run that took it up.

    Older ones are superseded, by a failure too. A file that cannot be opened has one row without a
    channel, whatever channels it holds: so rows with channels and rows without supersede each
    other as well. Errors are those of `read_rows`.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if not commits:
        return schema_of(table, columns).empty_table()
    keys = ("recording_id", "channel")

    def read(name: str, wanted: Sequence[str]) -> tuple[pa.Table, NDArray[np.int64]]:
        """The rows of all runs, and of each row the place of its run."""
        parts = [read_rows(directory, commit, name, wanted, stores) for commit in commits]
        return pa.concat_tables(parts), np.repeat(np.arange(len(parts)), [len(p) for p in parts])

    ledger, run = read("recordings", keys)
    ids = pc.unique(ledger["recording_id"])

    def places(rows: pa.Table) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Of each row its recording's place in `ids`, and that with its channel in one number."""
        place = pc.index_in(rows["recording_id"], value_set=ids).to_numpy().astype(np.int64)
        channel = pc.fill_null(rows["channel"], -1).to_numpy().astype(np.int64)
        return place, place * MOST_CHANNELS + channel + 1

    place, track = places(ledger)
    tracks, inverse = np.unique(track, return_inverse=True)
    last = np.full(len(tracks), -1)
    np.maximum.at(last, inverse, run)
    mixed = track % MOST_CHANNELS == 0
    last_of_kind = np.full((2, len(ids)), -1)
    np.maximum.at(last_of_kind, (mixed.astype(np.int64), place), run)

    rows, run = read(table, list(dict.fromkeys([*keys, *columns])))
    place, track = places(rows)
    mixed = track % MOST_CHANNELS == 0
    newest = run == last[np.searchsorted(tracks, track)]
    newest &= run > last_of_kind[1 - mixed.astype(np.int64), place]
    return rows.filter(pa.array(newest)).select(list(columns))


def schema_of(table: str, columns: Sequence[str]) -> pa.Schema:
    import pyarrow as pa

    from transforms.schema import TABLES

    return pa.schema([TABLES[table].field(name) for name in columns])


def _files(
    filesystem: fsspec.AbstractFileSystem, root: str, commit: Commit, table: str
) -> list[str]:
    if "files" in commit:
        return [name for name in commit["files"] if name.startswith(f"{table}/run=")]
    found = filesystem.find(f"{root}/{table}/run={commit['run_id']}", maxdepth=1)
    return [path.removeprefix(f"{root}/") for path in found if path.endswith(".parquet")]


def _run_id(path: str) -> str:
    return path.rsplit("/", 1)[-1].removesuffix(".json")
