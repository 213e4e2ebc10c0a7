"""Ledger entries into staged Parquet."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import apache_beam as beam
import pyarrow as pa
import pyarrow.parquet as pq
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.windowed_value import WindowedValue

from transforms import tally
from transforms.commit import RunOutput, StagedFiles, commit_run, make_room
from transforms.errors import OutputError
from transforms.records import LedgerEntry
from transforms.schema import (
    RECORDINGS,
    TRANSCRIPTS,
    errors_of,
    ledger_row,
    totals_of,
    transcript_rows,
)
from transforms.store import Stores

ROWS_PER_FILE = 50_000


@tally.spent("write")
def stage_entries(entries: Iterable[LedgerEntry], output: RunOutput) -> StagedFiles:
    """Write both tables of some entries under fresh names. Raises `OutputError`."""
    ordered = sorted(entries, key=lambda entry: (entry.recording.id, entry.channel or 0))
    transcripts = [row for entry in ordered for row in transcript_rows(entry, output.stamp)]
    finished_at = datetime.now(UTC)
    ledger = [ledger_row(entry, output.stamp, finished_at) for entry in ordered]
    name = f"part-{uuid.uuid4().hex}.parquet"
    names = []
    for table, rows, schema in (
        ("transcripts", transcripts, TRANSCRIPTS),
        ("recordings", ledger, RECORDINGS),
    ):
        if rows:
            columns = pa.Table.from_pylist(rows, schema=schema)
            write_table(f"{output.staging}/{table}/{name}", columns, output.stores)
            names.append((table, name))
    return StagedFiles(tuple(names), totals_of(ledger), errors_of(ledger))


class WriteRun(beam.PTransform):
    """Ledger entries into a committed run; its one element is the commit."""

    def __init__(self, output: RunOutput) -> None:
        super().__init__()
        self.output = output

    def expand(self, entries: beam.PCollection) -> beam.PCollection:
        staged = entries | "Stage" >> beam.ParDo(_StageEntries(self.output))
        return (
            staged.pipeline
            | "One commit" >> beam.Create([None])
            | "Commit" >> beam.Map(_commit, beam.pvalue.AsList(staged), self.output)
        )


class _StageEntries(beam.DoFn):
    def __init__(self, output: RunOutput) -> None:
        self.output = output
        self._entries: list[LedgerEntry] = []
        self._rows = 0

    def start_bundle(self) -> None:
        self._entries, self._rows = [], 0

    def process(self, entry: LedgerEntry) -> Iterator[StagedFiles]:
        self._entries.append(entry)
        self._rows += 1 + len(entry.transcripts)
        if self._rows >= ROWS_PER_FILE:
            yield stage_entries(self._entries, self.output)
            self._entries, self._rows = [], 0

    def finish_bundle(self) -> Iterator[WindowedValue]:
        if self._entries:
            window = GlobalWindow()
            yield WindowedValue(
                stage_entries(self._entries, self.output), window.max_timestamp(), [window]
            )
            self._entries, self._rows = [], 0


def _commit(_: None, staged: list[StagedFiles], output: RunOutput) -> dict[str, Any]:
    return commit_run(staged, output)


def write_table(uri: str, rows: pa.Table, stores: Stores) -> None:
    """Write a Parquet file and the folder it lies in. Raises `OutputError`."""
    try:
        filesystem, path = make_room(uri, stores)
        with filesystem.open(path, "wb") as file:
            pq.write_table(rows, file, compression="zstd")
    except OSError as error:
        raise OutputError(f"cannot write {uri}: {error}") from error
