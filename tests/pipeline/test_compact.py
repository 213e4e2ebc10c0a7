"""A compaction changes no row that counts, wherever it is killed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli import main
from pipeline.compact import compact
from pipeline.errors import ConfigurationError
from pipeline.ledger import committed_runs, newest_rows
from tests.transforms.test_commit import Breaking, stores
from tests.transforms.test_parquet import failed, silent, spoken
from transforms.commit import RunOutput, commit_run
from transforms.errors import OutputError
from transforms.parquet import stage_entries
from transforms.records import LedgerEntry
from transforms.schema import TABLES, RunStamp
from transforms.store import Stores

breaking_store = stores
NOW = datetime(2026, 1, 2, tzinfo=UTC)


def write_run(directory: Path, sequence: int, *entries: LedgerEntry) -> None:
    stamp = RunStamp(f"run-{sequence}", "hama", "en", "m", "c")
    where = RunOutput(str(directory), stamp, NOW, {}, {}, sequence)
    commit_run([stage_entries(entries, where)], where)


def counting(directory: Path) -> list[dict[str, Any]]:
    commits = committed_runs(str(directory), Stores())
    rows: list[dict[str, Any]] = []
    for table, schema in TABLES.items():
        rows += newest_rows(str(directory), commits, table, schema.names, Stores()).to_pylist()
    return sorted(rows, key=str)


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Path]:
    """Three runs: `a` is redone, `b` fails at last, `c` loses its channels, `d` gains one."""
    directory = tmp_path / "out"
    write_run(directory, 1, spoken("a"), spoken("b"), spoken("c", 0), spoken("c", 1), silent("e"))
    write_run(directory, 2, spoken("a"), failed("b"), failed("c"), spoken("d", 0))
    write_run(directory, 3, spoken("d", 1))
    yield directory


def test_rows_that_count_stay_as_they_are(archive: Path) -> None:
    before = counting(archive)
    made_by = {(row["recording_id"], row["channel"]): row["run_id"] for row in before}
    assert made_by == {
        ("a", None): "run-2",
        ("b", None): "run-2",
        ("c", None): "run-2",
        ("d", 0): "run-2",
        ("d", 1): "run-3",
        ("e", None): "run-1",
    }
    done = compact(str(archive), Stores())
    assert done is not None
    assert (done.runs, done.rows, done.rows_before) == (3, 6, 10)
    assert counting(archive) == before
    (commit,) = committed_runs(str(archive), Stores())
    assert commit["totals"]["recordings"] == 6
    assert sorted(p.name for p in (archive / "recordings").iterdir()) == [f"run={done.run_id}"]
    assert sorted(p.name for p in (archive / "transcripts").iterdir()) == [f"run={done.run_id}"]
    assert compact(str(archive), Stores()) is None
    assert counting(archive) == before


@pytest.mark.parametrize("last", range(16))
def test_killed_at_any_step(tmp_path: Path, archive: Path, last: int) -> None:
    before = counting(archive)
    Breaking.changes, Breaking.last = 0, last
    try:
        compact(f"breaking://{archive}", Stores())
    except OutputError:
        assert Breaking.changes > last
    Breaking.last = 10**9
    assert counting(archive) == before
    compact(str(archive), Stores())
    assert counting(archive) == before
    assert len(committed_runs(str(archive), Stores())) == 1
    for table in TABLES:
        assert len(list((archive / table).iterdir())) == 1


def test_a_job_that_ends_meanwhile_stays_newer(archive: Path) -> None:
    """It began before the compaction, so that both took the same view of what was there."""
    compact(str(archive), Stores())
    write_run(archive, 4, failed("a"))
    statuses = {row["recording_id"]: row.get("status") for row in counting(archive)}
    assert statuses["a"] == "failed"
    assert compact(str(archive), Stores()) is not None
    assert {row["recording_id"]: row.get("status") for row in counting(archive)} == statuses


def test_two_at_once_lose_nothing(tmp_path: Path, archive: Path) -> None:
    """Both commit before either removes."""
    before = counting(archive)
    other = tmp_path / "other"
    shutil.copytree(archive, other)
    compact(str(other), Stores())
    shutil.copytree(other, archive, dirs_exist_ok=True)
    assert len(committed_runs(str(archive), Stores())) == 4
    assert counting(archive) == before
    compact(str(archive), Stores())
    assert counting(archive) == before


def test_the_command_says_what_it_did(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compact", str(archive)]) == 0
    assert "3 runs became one" in capsys.readouterr().out
    assert main(["compact", str(archive)]) == 0
    assert "one run already" in capsys.readouterr().out


def test_nothing_to_compact(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ConfigurationError, match="no committed run"):
        compact(str(tmp_path), Stores())
    assert main(["compact", str(tmp_path / "absent")]) == 2
    assert "no committed run" in capsys.readouterr().err
