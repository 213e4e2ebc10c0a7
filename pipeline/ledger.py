"""What is done: the committed runs of an output directory."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
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

    parts = list(iterate_rows(directory, commit, table, columns, stores))
    return pa.concat_tables([schema_of(table, columns).empty_table(), *parts])


def iterate_rows(
    directory: str, commit: Commit, table: str, columns: Sequence[str], stores: Stores
) -> Iterator[pa.Table]:
    """The same file by file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    filesystem, root = stores.locate(directory.rstrip("/"))
    schema = schema_of(table, columns)
    for name in _files(filesystem, root, commit, table):
        path = f"{root}/{name}"
        try:
            with filesystem.open(path, "rb") as file:
                part = pq.ParquetFile(file).read(columns=list(columns))
        except FileNotFoundError as error:
            raise ConfigurationError(
                f"{path} is gone; if a compaction removed it just now, call this again"
            ) from error
        except (OSError, pa.ArrowInvalid) as error:
            raise ConfigurationError(f"cannot read {path}: {error}") from error
        missing = sorted(set(columns) - set(part.column_names))
        if missing:
            raise ConfigurationError(f"{path} lacks {', '.join(missing)}")
        yield part.select(list(columns)).cast(schema)


class Newest:
    """Which rows count: of every recording and channel those of the last run that took it up.

    Older ones are superseded, by a failure too. A file that cannot be opened has one row without a
    channel, whatever channels it holds: so rows with channels and rows without supersede each
    other as well.
    """

    KEYS = ("recording_id", "channel")

    def __init__(self, directory: str, commits: Sequence[Commit], stores: Stores) -> None:
        """Reads the keys of the whole ledger. Errors are those of `read_rows`."""
        import pyarrow as pa
        import pyarrow.compute as pc

        parts = [
            read_rows(directory, commit, "recordings", self.KEYS, stores) for commit in commits
        ]
        ledger = pa.concat_tables([schema_of("recordings", self.KEYS).empty_table(), *parts])
        run = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
        self._ids = pc.unique(ledger["recording_id"])
        place, track = self._places(ledger)
        self._tracks, inverse = np.unique(track, return_inverse=True)
        self._last = np.full(len(self._tracks), -1)
        np.maximum.at(self._last, inverse, run)
        self._last_of_kind = np.full((2, len(self._ids)), -1)
        np.maximum.at(self._last_of_kind, (self._mixed(track), place), run)

    def among(self, rows: pa.Table, run: int) -> pa.Table:
        """Those of `rows`, which hold `KEYS` and stem from the run at that place, that count."""
        import pyarrow as pa

        place, track = self._places(rows)
        counts = self._last[np.searchsorted(self._tracks, track)] == run
        counts &= self._last_of_kind[1 - self._mixed(track), place] < run
        return rows.filter(pa.array(counts, pa.bool_()))

    def _places(self, rows: pa.Table) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Of each row its recording's place in `_ids`, and that with its channel in one number."""
        import pyarrow.compute as pc

        place = pc.index_in(rows["recording_id"], value_set=self._ids).to_numpy().astype(np.int64)
        channel = pc.fill_null(rows["channel"], -1).to_numpy().astype(np.int64)
        return place, place * MOST_CHANNELS + channel + 1

    def _mixed(self, track: NDArray[np.int64]) -> NDArray[np.int64]:
        mixed: NDArray[np.int64] = (track % MOST_CHANNELS == 0).astype(np.int64)
        return mixed


def newest_rows(
    directory: str,
    commits: Sequence[Commit],
    table: str,
    columns: Sequence[str],
    stores: Stores,
) -> pa.Table:
    """Some columns of the rows that count. Errors are those of `read_rows`."""
    import pyarrow as pa

    newest = Newest(directory, commits, stores)
    wanted = list(dict.fromkeys([*Newest.KEYS, *columns]))
    parts = [
        newest.among(read_rows(directory, commit, table, wanted, stores), run)
        for run, commit in enumerate(commits)
    ]
    empty = schema_of(table, wanted).empty_table()
    return pa.concat_tables([empty, *parts]).select(list(columns))


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
