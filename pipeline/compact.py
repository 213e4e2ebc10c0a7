"""`beamscribe compact`: the committed runs of an output merged into one."""

from __future__ import annotations

import argparse
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version

import pyarrow as pa

from pipeline.errors import ConfigurationError
from pipeline.ledger import Commit, Newest, committed_runs, iterate_rows
from pipeline.storage import stores_of
from transforms.commit import (
    RunOutput,
    StagedFiles,
    commit_run,
    new_run_id,
    roll_forward,
    tidy_staging,
)
from transforms.errors import OutputError
from transforms.parquet import write_table
from transforms.schema import TABLES, RunStamp, errors_of, totals_of
from transforms.store import Stores

ROWS_PER_FILE = 200_000


@dataclass(frozen=True)
class Compaction:
    """What was merged: `rows` ledger rows are left of `rows_before` in `runs` runs."""

    run_id: str
    runs: int
    rows: int
    rows_before: int


def compact(directory: str, stores: Stores) -> Compaction | None:
    """Merge every committed run into a new one and remove them; None where there is only one.

    The new run holds of each recording and channel the rows that count, unchanged: their `run_id`
    still names the run that made them. It is committed like any run, and only then do the old ones
    go, their `runs/*.json` first. Killed before the commit, nothing has changed; killed later,
    superseded runs remain, which readers pass over and the next call removes. Its sequence number
    is that of the last run it replaces, so that the rows of a job that runs meanwhile stay newer.

    Raises `ConfigurationError` for an output that cannot be read, `OutputError` for one that cannot
    be written.
    """
    directory = directory.rstrip("/")
    roll_forward(directory, stores)
    tidy_staging(directory, stores, datetime.now(UTC))
    commits = committed_runs(directory, stores)
    if not commits:
        raise ConfigurationError(f"{directory} holds no committed run; there is nothing to compact")
    replaced = {run_id for commit in commits for run_id in commit.get("replaces", ())}
    _remove(directory, sorted(replaced), stores)
    commits = [commit for commit in commits if commit["run_id"] not in replaced]
    if len(commits) == 1:
        return None
    output = _output(directory, commits, stores)
    staged = [*_stage(directory, commits, output)]
    commit_run(staged, output)
    _remove(directory, output.replaces, stores)
    return Compaction(
        run_id=output.stamp.run_id,
        runs=len(commits),
        rows=int(sum(files.totals.get("recordings", 0) for files in staged)),
        rows_before=sum(int(commit["totals"]["recordings"]) for commit in commits),
    )


def _stage(directory: str, commits: Sequence[Commit], output: RunOutput) -> Iterator[StagedFiles]:
    """The rows that count, a file's worth in memory at a time."""
    newest = Newest(directory, commits, output.stores)
    for table, schema in TABLES.items():
        kept: list[pa.Table] = []
        for run, commit in enumerate(commits):
            for part in iterate_rows(directory, commit, table, schema.names, output.stores):
                kept.append(newest.among(part, run))
                if sum(len(rows) for rows in kept) >= ROWS_PER_FILE:
                    yield _write(table, kept, output)
                    kept = []
        if kept:
            yield _write(table, kept, output)


def _write(table: str, parts: Sequence[pa.Table], output: RunOutput) -> StagedFiles:
    rows = pa.concat_tables(parts)
    name = f"part-{uuid.uuid4().hex}.parquet"
    write_table(f"{output.staging}/{table}/{name}", rows, output.stores)
    if table != "recordings":
        return StagedFiles(((table, name),))
    columns = ["status", "error_type", "num_words", "num_segments", "duration", "speech_duration"]
    ledger = rows.select(columns).to_pylist()
    return StagedFiles(((table, name),), totals_of(ledger), errors_of(ledger))


def _remove(directory: str, run_ids: Iterable[str], stores: Stores) -> None:
    filesystem, root = stores.locate(directory)
    for run_id in run_ids:
        parts = ("runs/{}.json", "transcripts/run={}", "recordings/run={}")
        for path in (f"{root}/{part.format(run_id)}" for part in parts):
            try:
                if filesystem.exists(path):
                    filesystem.rm(path, recursive=True)
            except FileNotFoundError:
                continue  # another compaction removes the same run
            except OSError as error:
                raise OutputError(f"cannot remove {path}: {error}") from error


def _output(directory: str, commits: Sequence[Commit], stores: Stores) -> RunOutput:
    started_at = datetime.now(UTC)
    return RunOutput(
        directory=directory,
        stamp=RunStamp(new_run_id(started_at), "", "", "", ""),
        started_at=started_at,
        configuration={"command": "compact"},
        versions={"beamscribe": version("beamscribe")},
        sequence=max(commit["sequence"] for commit in commits),
        replaces=tuple(commit["run_id"] for commit in commits),
        stores=stores,
    )


def run(args: argparse.Namespace) -> int:
    """Prints what was merged; raises as `compact` does."""
    done = compact(args.directory, stores_of(args, [args.directory]))
    if done is None:
        print(f"{args.directory} is one run already")
    else:
        print(
            f"{done.runs} runs became one, {done.run_id}: {done.rows_before} rows in the ledger "
            f"became {done.rows}"
        )
    return 0
