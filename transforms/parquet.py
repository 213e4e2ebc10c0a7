"""Ledger entries into Parquet, committed as one run.

The protocol, on any store that fsspec can write:

1. Workers write whole files under fresh names in `_staging/run=<run_id>/<table>/`. A bundle that is
   retried writes other names; only those of the bundle that counted are passed on.
2. One last step moves the files passed on to `<table>/run=<run_id>/`, each by a rename or, where a
   store has none, by a copy of a whole object.
3. It writes `runs/<run_id>.json` last, naming every file: this commits the run. What is left in
   staging is then removed.

A reader that honours `runs/` sees a run whole or not at all, and names beginning with `_` are
passed over by dataset readers. Step 2 may be repeated.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import apache_beam as beam
import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.windowed_value import WindowedValue

from transforms.errors import OutputError
from transforms.records import STATUSES, LedgerEntry
from transforms.redact import redacted
from transforms.schema import (
    RECORDINGS,
    TRANSCRIPTS,
    Row,
    RunStamp,
    ledger_row,
    transcript_rows,
)
from transforms.store import Stores

ROWS_PER_FILE = 50_000


@dataclass(frozen=True)
class RunOutput:
    """Where a run writes, and what its commit says besides totals and files."""

    directory: str
    stamp: RunStamp
    started_at: datetime
    configuration: Mapping[str, Any]
    versions: Mapping[str, str]
    stores: Stores = field(default_factory=Stores)

    @property
    def staging(self) -> str:
        return f"{self.directory}/_staging/run={self.stamp.run_id}"

    @property
    def commit_file(self) -> str:
        return f"{self.directory}/runs/{self.stamp.run_id}.json"

    def table(self, name: str) -> str:
        return f"{self.directory}/{name}/run={self.stamp.run_id}"


@dataclass(frozen=True)
class StagedFiles:
    """Names of staged files by table, and the totals of the ledger rows among them."""

    names: tuple[tuple[str, str], ...]
    totals: Mapping[str, float] = field(default_factory=dict)


def totals_of(rows: Iterable[Row]) -> dict[str, float]:
    """What a run's summary adds up over ledger rows: counts by status, words, seconds."""
    return _sum(
        {
            "recordings": 1,
            row["status"]: 1,
            "words": row["num_words"],
            "segments": row["num_segments"],
            "audio_s": row["duration"] or 0.0,
            "speech_s": row["speech_duration"] or 0.0,
        }
        for row in rows
    )


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
            _write_table(f"{output.staging}/{table}/{name}", rows, schema, output.stores)
            names.append((table, name))
    return StagedFiles(tuple(names), totals_of(ledger))


def commit_run(staged: Iterable[StagedFiles], output: RunOutput) -> dict[str, Any]:
    """Move what was staged into place and write the run's file last. Raises `OutputError`."""
    staged = list(staged)
    totals = _sum(files.totals for files in staged)
    names = [name for files in staged for name in files.names]
    filesystem, staging = output.stores.locate(output.staging)
    try:
        for table, name in sorted(names):
            source = f"{staging}/{table}/{name}"
            _, target = _make_room(f"{output.table(table)}/{name}", output.stores)
            if filesystem.exists(source) or not filesystem.exists(target):
                filesystem.mv(source, target)
        finished_at = datetime.now(UTC)
        commit = {
            "run_id": output.stamp.run_id,
            "started_at": output.started_at.isoformat(),
            "finished_at": finished_at.isoformat(),
            "wall_s": (finished_at - output.started_at).total_seconds(),
            "configuration": dict(output.configuration),
            "versions": dict(output.versions),
            "model_fingerprint": output.stamp.model_fingerprint,
            "config_fingerprint": output.stamp.config_fingerprint,
            "totals": {name: _rounded(value) for name, value in sorted(totals.items())},
            "files": [f"{table}/run={output.stamp.run_id}/{name}" for table, name in sorted(names)],
        }
        text = json.dumps(commit, indent=2, ensure_ascii=False) + "\n"
        write_whole(output.commit_file, redacted(text), output.stores)
        if filesystem.exists(staging):
            filesystem.rm(staging, recursive=True)
    except OSError as error:
        raise OutputError(f"the run cannot be committed to {output.directory}: {error}") from error
    return commit


def write_whole(uri: str, text: str, stores: Stores) -> None:
    """Write a small file so that a reader sees all of it or none."""
    filesystem, path = _make_room(uri, stores)
    partial = f"{path}.{uuid.uuid4().hex}.partial"
    with filesystem.open(partial, "w", encoding="utf-8") as file:
        file.write(text)
    filesystem.mv(partial, path)


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


def _make_room(uri: str, stores: Stores) -> tuple[fsspec.AbstractFileSystem, str]:
    """The filesystem and path of a file to be written; its folder exists."""
    filesystem, path = stores.locate(uri)
    filesystem.makedirs(filesystem._parent(path), exist_ok=True)
    return filesystem, path


def _write_table(uri: str, rows: list[Row], schema: pa.Schema, stores: Stores) -> None:
    try:
        filesystem, path = _make_room(uri, stores)
        with filesystem.open(path, "wb") as file:
            pq.write_table(pa.Table.from_pylist(rows, schema=schema), file, compression="zstd")
    except OSError as error:
        raise OutputError(f"cannot write {uri}: {error}") from error


def _sum(parts: Iterable[Mapping[str, float]]) -> dict[str, float]:
    totals: dict[str, float] = dict.fromkeys(("recordings", *STATUSES, "segments", "words"), 0)
    totals |= {"audio_s": 0.0, "speech_s": 0.0}
    for part in parts:
        for name, value in part.items():
            totals[name] += value
    return totals


def _rounded(value: float) -> float:
    return round(value, 3) if isinstance(value, float) else value
