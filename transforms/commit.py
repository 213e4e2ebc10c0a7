"""How a run becomes visible: whole, once, and whoever is killed on the way.

The protocol, on any store that fsspec can write, with or without a rename:

1. Stage. Workers write whole files under fresh names in `_staging/run=<run_id>/<table>/`. A bundle
   that is retried, or runs twice at once, writes other names; only those of the bundle that
   counted are passed on.
2. Intend. One last step writes `_staging/run=<run_id>/commit.json`: the content of the run's file,
   naming every staged file that counts.
3. Move. Each of them goes to `<table>/run=<run_id>/`, by a rename or, where a store has none, by a
   copy of a whole object. Whatever else lies there under the run's name is removed.
4. Commit. `runs/<run_id>.json` is written: from here on readers see the run.
5. Tidy. The run's staging and what it needs no more of the journal are removed.

A reader that honours `runs/` sees a run whole or not at all; names that begin with `_` are passed
over by dataset readers, so one that ignores `runs/` never sees a torn file either.

Killed before 2, a run leaves staging that nobody reads and that `tidy_staging` removes once it is a
day old; what had been recognised is in the journal (`transforms/journal.py`) and is taken up by the
next job. Killed later, `roll_forward`, which every job calls at its start, finishes the commit.
All steps may be repeated, and by several at once: an engine that restarts a job from its beginning
finds the first attempt's intention or commit, keeps it, and drops what it staged itself. So rows
never double.

Runs are ordered by `sequence`, one more than the highest that was committed when the run began, not
by clocks, which jump. For a recording the rows of the last run that took it up count.
"""

from __future__ import annotations

import json
import secrets
import uuid
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import fsspec

from transforms.errors import OutputError
from transforms.redact import redacted
from transforms.schema import SCHEMA_VERSION, RunStamp, add_totals
from transforms.store import Stores

STALE_AFTER_S = 86_400.0


@dataclass(frozen=True)
class RunOutput:
    """Where a run writes, and what its commit says besides totals and files.

    `replaces` are runs whose rows it repeats (`pipeline/compact.py`), `journals` the folders under
    `directory` of which nothing is needed once it is committed.
    """

    directory: str
    stamp: RunStamp
    started_at: datetime
    configuration: Mapping[str, Any]
    versions: Mapping[str, str]
    sequence: int = 1
    replaces: tuple[str, ...] = ()
    journals: tuple[str, ...] = ()
    stores: Stores = field(default_factory=Stores)

    @property
    def staging(self) -> str:
        return f"{self.directory}/_staging/run={self.stamp.run_id}"

    @property
    def commit_file(self) -> str:
        return f"{self.directory}/runs/{self.stamp.run_id}.json"


@dataclass(frozen=True)
class StagedFiles:
    """Names of staged files by table, and totals and errors of the ledger rows among them."""

    names: tuple[tuple[str, str], ...]
    totals: Mapping[str, float] = field(default_factory=dict)
    errors: Mapping[str, int] = field(default_factory=dict)


def commit_run(staged: Iterable[StagedFiles], output: RunOutput) -> dict[str, Any]:
    """Steps 2 to 5: the commit, which is that of an earlier attempt where there was one.

    Raises `OutputError` where the store fails or a staged file is gone.
    """
    try:
        filesystem, directory = output.stores.locate(output.directory)
        staging = f"{directory}/_staging/run={output.stamp.run_id}"
        intention = f"{staging}/commit.json"
        if not filesystem.exists(f"{directory}/runs/{output.stamp.run_id}.json"):
            if not filesystem.exists(intention):
                commit = _commit(list(staged), output)
                for name in commit["files"]:
                    table, _, file = name.split("/")
                    if not filesystem.exists(f"{staging}/{table}/{file}"):
                        raise FileNotFoundError(f"the staged file {staging}/{table}/{file} is gone")
                text = json.dumps(commit, indent=2, ensure_ascii=False) + "\n"
                write_whole(f"{output.staging}/commit.json", text, output.stores)
            _complete(filesystem, directory, output.stamp.run_id)
        elif filesystem.exists(staging):
            filesystem.rm(staging, recursive=True)
        return _read_json(filesystem, f"{directory}/runs/{output.stamp.run_id}.json")
    except (OSError, ValueError) as error:
        raise OutputError(f"the run cannot be committed to {output.directory}: {error}") from error


def roll_forward(directory: str, stores: Stores) -> list[str]:
    """Finish every commit in `directory` that was broken off; the ids of those runs.

    Raises `OutputError` where the store fails.
    """
    finished: list[str] = []
    folder = directory
    try:
        filesystem, root = stores.locate(directory)
        for folder in _folders(filesystem, f"{root}/_staging"):
            run_id = folder.rsplit("run=", 1)[-1]
            if filesystem.exists(f"{folder}/commit.json"):
                _complete(filesystem, root, run_id)
                finished.append(run_id)
    except (OSError, ValueError) as error:
        raise OutputError(
            f"a commit that was broken off cannot be finished: {error}; mend the store, or give "
            f"that run up by removing {folder}"
        ) from error
    return finished


def tidy_staging(directory: str, stores: Stores, now: datetime) -> None:
    """Remove the staging of runs in which nothing was written for a day."""
    filesystem, root = stores.locate(directory)
    for folder in _folders(filesystem, f"{root}/_staging"):
        try:
            written = [filesystem.modified(path) for path in filesystem.find(folder)]
            newest = max((_aware(moment) for moment in written), default=now)
            if (now - newest).total_seconds() > STALE_AFTER_S:
                filesystem.rm(folder, recursive=True)
        except (FileNotFoundError, NotImplementedError):
            # Another job was faster, or the store does not tell when.
            continue


def new_run_id(started_at: datetime) -> str:
    """A name that no other run has; it begins with the time, for people to read."""
    return f"{started_at:%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"


def write_whole(uri: str, text: str, stores: Stores) -> None:
    """Write a small file so that a reader sees all of it or none."""
    filesystem, path = make_room(uri, stores)
    partial = f"{path}.{uuid.uuid4().hex}.partial"
    with filesystem.open(partial, "w", encoding="utf-8") as file:
        file.write(text)
    filesystem.mv(partial, path)


def make_room(uri: str, stores: Stores) -> tuple[fsspec.AbstractFileSystem, str]:
    """The filesystem and path of a file to be written; its folder exists."""
    filesystem, path = stores.locate(uri)
    filesystem.makedirs(filesystem._parent(path), exist_ok=True)
    return filesystem, path


def _commit(staged: list[StagedFiles], output: RunOutput) -> dict[str, Any]:
    run_id = output.stamp.run_id
    finished_at = datetime.now(UTC)
    names = sorted(name for files in staged for name in files.names)
    totals = add_totals(files.totals for files in staged)
    errors = sum((Counter(files.errors) for files in staged), Counter[str]())
    return {
        "run_id": run_id,
        "sequence": output.sequence,
        **({"replaces": list(output.replaces)} if output.replaces else {}),
        **({"journals": list(output.journals)} if output.journals else {}),
        "schema_version": SCHEMA_VERSION,
        "started_at": output.started_at.isoformat(),
        "finished_at": finished_at.isoformat(),
        "wall_s": max(0.0, (finished_at - output.started_at).total_seconds()),
        "configuration": dict(output.configuration),
        "versions": dict(output.versions),
        "model_fingerprint": output.stamp.model_fingerprint,
        "config_fingerprint": output.stamp.config_fingerprint,
        "totals": {name: _rounded(value) for name, value in sorted(totals.items())},
        "errors": dict(sorted(errors.items())),
        "files": [f"{table}/run={run_id}/{name}" for table, name in names],
    }


def _complete(filesystem: fsspec.AbstractFileSystem, root: str, run_id: str) -> None:
    """Steps 3 to 5, from the intention that stands in the run's staging."""
    staging = f"{root}/_staging/run={run_id}"
    try:
        intention = _read_json(filesystem, f"{staging}/commit.json")
    except FileNotFoundError:
        if filesystem.exists(f"{root}/runs/{run_id}.json"):
            return  # another job has just finished it
        raise
    wanted = set()
    for name in intention["files"]:
        table, _, file = name.split("/")
        wanted.add(name)
        _move(filesystem, f"{staging}/{table}/{file}", f"{root}/{name}")
    for table in ("transcripts", "recordings"):
        folder = f"{root}/{table}/run={run_id}"
        for path in filesystem.find(folder) if filesystem.exists(folder) else ():
            if f"{table}/run={run_id}/{path.rsplit('/', 1)[-1]}" not in wanted:
                filesystem.rm(path)
    committed = f"{root}/runs/{run_id}.json"
    partial = f"{staging}/{uuid.uuid4().hex}.partial"
    filesystem.makedirs(f"{root}/runs", exist_ok=True)
    with filesystem.open(partial, "w", encoding="utf-8") as file:
        file.write(redacted(json.dumps(intention, indent=2, ensure_ascii=False)) + "\n")
    filesystem.mv(partial, committed)
    for folder in (*(f"{root}/{name}" for name in intention.get("journals", ())), staging):
        if filesystem.exists(folder):
            filesystem.rm(folder, recursive=True)


def _move(filesystem: fsspec.AbstractFileSystem, source: str, target: str) -> None:
    filesystem.makedirs(filesystem._parent(target), exist_ok=True)
    try:
        if filesystem.exists(source):
            filesystem.mv(source, target)
            return
    except FileNotFoundError:
        pass  # another job finishes the same commit; what counts is that the target is there
    if not filesystem.exists(target):
        raise FileNotFoundError(f"the staged file {source} is gone")


def _folders(filesystem: fsspec.AbstractFileSystem, path: str) -> list[str]:
    if not filesystem.exists(path):
        return []
    return sorted(
        entry["name"].rstrip("/")
        for entry in filesystem.ls(path, detail=True)
        if entry["type"] == "directory"
    )


def _read_json(filesystem: fsspec.AbstractFileSystem, path: str) -> dict[str, Any]:
    with filesystem.open(path, "r", encoding="utf-8") as file:
        fields: dict[str, Any] = json.load(file)
    return fields


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _rounded(value: float) -> float:
    return round(value, 3) if isinstance(value, float) else value
