"""A run is seen whole or not at all, whoever is killed on the way."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.implementations.local import LocalFileSystem

from tests.transforms.test_parquet import (
    NOTHING,
    STARTED,
    committed,
    failed,
    files,
    output,
    silent,
    spoken,
)
from transforms.commit import (
    StagedFiles,
    commit_run,
    roll_forward,
    tidy_staging,
    write_whole,
)
from transforms.errors import OutputError
from transforms.parquet import stage_entries
from transforms.store import Stores


class Breaking(LocalFileSystem):
    """A disk that is gone from its `last`-th change on."""

    protocol = "breaking"
    cachable = False
    changes = 0
    last = 10**9

    @classmethod
    def _count(cls) -> None:
        cls.changes += 1
        if cls.changes > cls.last:
            raise OSError(5, "the store went away")

    def mv(self, *args: Any, **kwargs: Any) -> None:
        self._count()
        super().mv(*args, **kwargs)

    def rm(self, *args: Any, **kwargs: Any) -> None:
        self._count()
        super().rm(*args, **kwargs)

    def _open(self, path: str, mode: str = "rb", **kwargs: Any) -> Any:
        if "w" in mode:
            self._count()
        return super()._open(path, mode, **kwargs)


class Copying(LocalFileSystem):
    """A store without a rename, as object stores are."""

    protocol = "copying"
    cachable = False

    def mv(self, path1: str, path2: str, **kwargs: Any) -> None:
        self.cp_file(path1, path2)
        self.rm_file(path1)


@pytest.fixture(autouse=True)
def stores() -> Iterator[None]:
    fsspec.register_implementation("breaking", Breaking, clobber=True)
    fsspec.register_implementation("copying", Copying, clobber=True)
    Breaking.changes, Breaking.last = 0, 10**9
    yield


def test_a_commit_lists_what_it_holds_and_leaves_no_staging(tmp_path: Path) -> None:
    parts = [
        stage_entries([spoken("a"), silent("b")], output(tmp_path)),
        stage_entries([failed("c"), spoken("d")], output(tmp_path)),
    ]
    commit = commit_run(parts, output(tmp_path))
    assert commit == json.loads((tmp_path / "runs" / "run-1.json").read_text(encoding="utf-8"))
    assert len(commit["files"]) == 4
    assert files(tmp_path) == sorted([*commit["files"], "runs/run-1.json"])
    assert all("/run=run-1/" in name for name in commit["files"])
    assert not (tmp_path / "_staging" / "run=run-1").exists()
    assert commit["run_id"] == "run-1"
    assert commit["configuration"] == {"beam_size": 8}
    assert commit["versions"] == {"beamscribe": "0.1"}
    assert commit["started_at"] == STARTED.isoformat()
    assert commit["totals"] == {
        "recordings": 4,
        "ok": 2,
        "silent": 1,
        "partial": 0,
        "failed": 1,
        "words": 4,
        "segments": 4,
        "audio_s": 5.0,
        "speech_s": 3.0,
    }
    assert commit["errors"] == {"UnreadableAudioError": 1}


def test_committing_twice_changes_no_row(tmp_path: Path) -> None:
    parts = [stage_entries([spoken("a")], output(tmp_path))]
    first = commit_run(parts, output(tmp_path))
    before = files(tmp_path)
    second = commit_run(parts, output(tmp_path))
    assert files(tmp_path) == before
    assert second["files"] == first["files"]
    assert second["totals"] == first["totals"]
    assert len(committed(tmp_path, "recordings")) == 1


def test_files_of_a_bundle_that_did_not_count_are_not_committed(tmp_path: Path) -> None:
    counted = stage_entries([spoken("a")], output(tmp_path))
    retried = stage_entries([spoken("a")], output(tmp_path))
    assert not set(counted.names) & set(retried.names)
    commit_run([counted], output(tmp_path))
    assert len(committed(tmp_path, "recordings")) == 1
    assert len(list((tmp_path / "recordings" / "run=run-1").iterdir())) == 1
    assert not set(name for _, name in retried.names) & {Path(n).name for n in files(tmp_path)}


def test_the_commit_is_written_last(tmp_path: Path) -> None:
    """Where a staged file is lost the run stays uncommitted, and says so."""
    staged = stage_entries([spoken("a")], output(tmp_path))
    lost = StagedFiles((*staged.names, ("transcripts", "zz-lost.parquet")), staged.totals)
    with pytest.raises(OutputError, match="cannot be committed"):
        commit_run([lost], output(tmp_path))
    assert not (tmp_path / "runs").exists()
    commit_run([staged], output(tmp_path))
    assert len(committed(tmp_path, "recordings")) == 1


def test_other_runs_staging_is_left_alone(tmp_path: Path) -> None:
    other = tmp_path / "_staging" / "run=run-2" / "recordings" / "part.parquet"
    other.parent.mkdir(parents=True)
    other.write_bytes(b"theirs")
    commit_run([stage_entries([spoken("a")], output(tmp_path))], output(tmp_path))
    assert other.read_bytes() == b"theirs"


def test_a_run_of_nothing_is_committed(tmp_path: Path) -> None:
    commit = commit_run([], output(tmp_path))
    assert (commit["files"], commit["totals"]) == ([], NOTHING)
    assert files(tmp_path) == ["runs/run-1.json"]


def test_a_small_file_is_replaced_whole(tmp_path: Path) -> None:
    uri = str(tmp_path / "deep" / "file.json")
    write_whole(uri, "first, and longer", Stores())
    write_whole(uri, "ɲa", Stores())
    assert Path(uri).read_text(encoding="utf-8") == "ɲa"
    assert files(tmp_path) == ["deep/file.json"]


def test_a_store_that_is_no_disk() -> None:
    directory = "memory://beamscribe-test-parquet"
    commit = commit_run([stage_entries([spoken("a")], output(directory))], output(directory))
    filesystem = fsspec.filesystem("memory")
    found = {
        name.removeprefix("/beamscribe-test-parquet/")
        for name in filesystem.find("/beamscribe-test-parquet")
    }
    assert found == {*commit["files"], "runs/run-1.json"}
    again = commit_run(
        [StagedFiles(tuple((n.split("/")[0], n.split("/")[-1]) for n in commit["files"]))],
        output(directory),
    )
    assert again["files"] == commit["files"]
    filesystem.rm("/beamscribe-test-parquet", recursive=True)


ENTRIES = [spoken("a"), silent("b"), failed("c"), spoken("d", 1)]


def stage(directory: Path, scheme: str = "") -> list[StagedFiles]:
    where = output(f"{scheme}{directory}")
    return [stage_entries(ENTRIES[:2], where), stage_entries(ENTRIES[2:], where)]


def rows(directory: Path) -> list[dict[str, Any]]:
    found = []
    for table in ("transcripts", "recordings"):
        for row in committed(directory, table).to_pylist():
            found.append({**row, "finished_at": None})
    return sorted(found, key=str)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    directory = tmp_path_factory.mktemp("undisturbed")
    commit_run(stage(directory), output(directory))
    return rows(directory)


@pytest.mark.parametrize("last", range(12))
def test_a_store_that_goes_away_at_any_step(
    tmp_path: Path, last: int, undisturbed: list[dict[str, Any]]
) -> None:
    """Broken off at each of its changes, a commit is invisible or whole, and can be finished."""
    staged = stage(tmp_path)
    Breaking.last = last
    broke = False
    try:
        commit_run(staged, output(f"breaking://{tmp_path}"))
    except OutputError:
        broke = True
    assert broke == (Breaking.changes > last)
    if (tmp_path / "runs" / "run-1.json").exists():
        assert rows(tmp_path) == undisturbed
    Breaking.last = 10**9
    intended = (tmp_path / "_staging" / "run=run-1" / "commit.json").exists()
    assert roll_forward(str(tmp_path), Stores()) == (["run-1"] if intended else [])
    if not intended:
        commit_run(staged, output(tmp_path))
    assert rows(tmp_path) == undisturbed
    names = json.loads((tmp_path / "runs" / "run-1.json").read_text())["files"]
    assert [name for name in files(tmp_path) if not name.startswith("_staging")] == sorted(
        [*names, "runs/run-1.json"]
    )


def test_an_attempt_that_restarts_keeps_what_the_first_intended(
    tmp_path: Path, undisturbed: list[dict[str, Any]]
) -> None:
    """An engine that loses a worker during the commit runs the whole job anew."""
    Breaking.last = 3
    with pytest.raises(OutputError):
        commit_run(stage(tmp_path), output(f"breaking://{tmp_path}"))
    commit = commit_run(stage(tmp_path), output(tmp_path))
    assert rows(tmp_path) == undisturbed
    assert files(tmp_path) == sorted([*commit["files"], "runs/run-1.json"])


def test_an_attempt_that_restarts_after_the_commit_adds_nothing(
    tmp_path: Path, undisturbed: list[dict[str, Any]]
) -> None:
    first = commit_run(stage(tmp_path), output(tmp_path))
    again = commit_run(stage(tmp_path), output(tmp_path))
    assert again == first
    assert rows(tmp_path) == undisturbed
    assert files(tmp_path) == sorted([*first["files"], "runs/run-1.json"])


def test_a_store_without_a_rename(tmp_path: Path, undisturbed: list[dict[str, Any]]) -> None:
    commit = commit_run(stage(tmp_path, "copying://"), output(f"copying://{tmp_path}"))
    assert rows(tmp_path) == undisturbed
    assert files(tmp_path) == sorted([*commit["files"], "runs/run-1.json"])


def test_a_commit_whose_file_was_taken_away_says_how_to_give_it_up(tmp_path: Path) -> None:
    Breaking.last = 2
    with pytest.raises(OutputError):
        commit_run(stage(tmp_path), output(f"breaking://{tmp_path}"))
    shutil.rmtree(tmp_path / "_staging" / "run=run-1" / "recordings")
    with pytest.raises(OutputError, match=r"removing .*_staging/run=run-1"):
        roll_forward(str(tmp_path), Stores())


def test_staging_is_removed_a_day_after_its_last_change(tmp_path: Path) -> None:
    stage(tmp_path)
    now = datetime.now(UTC)
    tidy_staging(str(tmp_path), Stores(), now + timedelta(hours=23))
    assert (tmp_path / "_staging" / "run=run-1").exists()
    tidy_staging(str(tmp_path), Stores(), now + timedelta(hours=25))
    assert not (tmp_path / "_staging" / "run=run-1").exists()


def test_a_clock_that_jumps_back_gives_no_negative_time(tmp_path: Path) -> None:
    late = output(tmp_path)
    object.__setattr__(late, "started_at", datetime.now(UTC) + timedelta(days=400))
    assert commit_run(stage(tmp_path), late)["wall_s"] == 0.0
