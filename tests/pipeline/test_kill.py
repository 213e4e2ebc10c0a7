"""A job that is killed, or told to stop, ends after one more call as if nothing had been."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from pipeline.cli import INTERRUPTED
from tests.pipeline.processes import (
    Archive,
    descendants,
    finish,
    holds,
    is_planned,
    is_running,
    run,
    start,
    wait_for,
)

pytestmark = pytest.mark.slow

KILL_AT = "import os, signal, {0} as room\nroom.{1} = lambda *_: os.kill(os.getpid(), 9)"


def commits(output: Path) -> list[Path]:
    return list(output.glob("runs/*.json"))


def test_a_kill_while_it_works(archive: Archive, tmp_path: Path) -> None:
    output = tmp_path / "out"
    job = start(archive.manifest, output)
    wait_for(lambda: is_planned(output), job)
    job.kill()
    assert finish(job)[0] == -signal.SIGKILL
    assert run(archive.manifest, output)[0] == 0
    assert archive.differing(output) == []
    assert not any(output.glob("_journal/*/*"))


def test_a_kill_when_all_is_staged(archive: Archive, tmp_path: Path) -> None:
    """Nothing is intended yet: the rerun takes the words from the journal."""
    output = tmp_path / "out"
    job = start(archive.manifest, output, patch=KILL_AT.format("transforms.commit", "_commit"))
    assert finish(job)[0] == -signal.SIGKILL
    assert any(output.glob("_staging/*/recordings/*.parquet"))
    assert any(output.glob("_journal/*/*/*.jsonl"))
    assert run(archive.manifest, output)[0] == 0
    assert archive.differing(output) == []
    assert not any(output.glob("_journal/*/*"))


@pytest.mark.parametrize("step", ["_move", "redacted"])
def test_a_kill_while_it_commits(archive: Archive, tmp_path: Path, step: str) -> None:
    """Before the first file is moved, and after the last, before the run's own is written."""
    output = tmp_path / "out"
    job = start(archive.manifest, output, patch=KILL_AT.format("transforms.commit", step))
    assert finish(job)[0] == -signal.SIGKILL
    assert not commits(output)
    assert any(output.glob("_staging/*/commit.json"))
    assert run(archive.manifest, output)[0] == 0
    assert len(commits(output)) == 1, "the rerun did again what was done"
    assert archive.differing(output) == []
    assert not any(output.glob("_staging/*"))


@pytest.mark.parametrize(("number", "early"), [(signal.SIGINT, False), (signal.SIGTERM, True)])
def test_a_signal(archive: Archive, tmp_path: Path, number: int, early: bool) -> None:
    output = tmp_path / "out"
    job = start(archive.manifest, output)

    def is_time() -> bool:
        if early:
            return is_planned(output)
        return any(holds(pid, "flashlight") for pid in descendants(job.pid))

    wait_for(is_time, job)
    children = descendants(job.pid)
    job.send_signal(number)
    exit_code, said = finish(job)
    assert exit_code == INTERRUPTED
    assert said.strip() == "beamscribe: interrupted; what was done is kept, call again to go on"
    wait_for(lambda: not any(map(is_running, children)))
    assert run(archive.manifest, output)[0] == 0
    assert archive.differing(output) == []
