"""What a job needs is taken from it while it works: its disk, its output, its processes."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.kills import rows_of
from pipeline.cli import DONE, JOB_FAILED, SOME_FAILED
from pipeline.ledger import committed_runs, newest_rows
from tests.pipeline.processes import (
    Archive,
    descendants,
    finish,
    holds,
    is_planned,
    run,
    start,
    wait_for,
    write_manifest,
)
from transforms.store import Stores

pytestmark = pytest.mark.slow

REMOVE = """
import shutil, transforms.commit as room
intend = room._commit
def gone(*arguments):
    shutil.rmtree({0!r})
    return intend(*arguments)
room._commit = gone
"""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a small disk can be mounted by root alone")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return


def test_the_disk_is_full(archive: Archive, small_disk: Path) -> None:
    output = small_disk / "out"
    job = start(archive.manifest, output)
    wait_for(lambda: is_planned(output), job)
    fill(small_disk / "ballast")
    exit_code, said = finish(job)
    assert exit_code == JOB_FAILED
    assert said.startswith("beamscribe: the job failed: cannot write")
    assert "No space left on device" in said
    assert "Traceback" not in said
    assert not any(output.glob("runs/*"))
    (small_disk / "ballast").unlink()
    assert run(archive.manifest, output)[0] == DONE
    assert archive.differing(output) == []


def test_the_output_becomes_a_file(archive: Archive, tmp_path: Path) -> None:
    output = tmp_path / "out"
    job = start(archive.manifest, output)
    wait_for(lambda: is_planned(output), job)
    output.rename(tmp_path / "elsewhere")
    output.write_text("mine")
    exit_code, said = finish(job)
    assert exit_code == JOB_FAILED
    assert said.startswith("beamscribe: the job failed: ")
    assert str(output) in said
    assert "Traceback" not in said
    assert output.read_text() == "mine"
    output.unlink()
    assert run(archive.manifest, output)[0] == DONE
    assert archive.differing(output) == []


def test_the_output_is_removed(archive: Archive, tmp_path: Path) -> None:
    output = tmp_path / "out"
    exit_code, said = finish(start(archive.manifest, output, patch=REMOVE.format(str(output))))
    assert exit_code == JOB_FAILED, said
    assert "cannot be committed" in said
    assert "Traceback" not in said
    assert not any(output.glob("runs/*"))
    assert run(archive.manifest, output)[0] == DONE
    assert archive.differing(output) == []


def test_the_output_goes_away_at_commit(archive: Archive, tmp_path: Path) -> None:
    output = tmp_path / "out"
    job = start(archive.manifest, output)
    wait_for(lambda: is_planned(output), job)
    (output / "transcripts").write_text("in the way")
    exit_code, said = finish(job)
    assert exit_code == JOB_FAILED
    assert said.startswith(f"beamscribe: the job failed: the run cannot be committed to {output}")
    assert not any(output.glob("runs/*"))
    exit_code, said = run(archive.manifest, output)
    assert exit_code == JOB_FAILED, "still in the way"
    assert "a commit that was broken off cannot be finished" in said
    (output / "transcripts").unlink()
    assert run(archive.manifest, output)[0] == DONE
    assert len(list(output.glob("runs/*.json"))) == 1
    assert archive.differing(output) == []


def test_a_decoder_is_killed(archive: Archive, tmp_path: Path) -> None:
    output = tmp_path / "out"
    job = start(archive.manifest, output)

    def decoders() -> list[int]:
        return [pid for pid in descendants(job.pid) if holds(pid, "flashlight")]

    os.kill(wait_for(decoders, job)[0], signal.SIGKILL)
    exit_code, said = finish(job)
    assert "Traceback" not in said
    hurt = archive.differing(output)
    assert len(hurt) <= 1
    assert exit_code == (SOME_FAILED if hurt else DONE)
    failed = [row for row in rows_of(output)["recordings"] if row["status"] == "failed"]
    assert [row["recording_id"] for row in failed] == hurt
    assert all("decoder's process died" in row["error_message"] for row in failed)
    assert run(archive.manifest, output, "--retry-failed")[0] == DONE
    assert archive.differing(output) == []


def test_a_file_that_hangs(archive: Archive, tmp_path: Path) -> None:
    """A pipe into which nobody writes."""
    pipe = tmp_path / "pipe.wav"
    os.mkfifo(pipe)
    output = tmp_path / "out"
    manifest = write_manifest(tmp_path / "manifest.jsonl", pipe)
    exit_code, said = run(manifest, output, "--deadline", "3")
    assert exit_code == SOME_FAILED, said
    (row,) = (row for row in rows_of(output)["recordings"] if row["recording_id"] == "pipe")
    assert row["status"] == "failed"
    assert row["error_type"] == "DeadlineError"
    assert str(pipe) in row["error_message"]
    assert archive.differing(output) == []


def test_two_jobs_on_one_output(archive: Archive, tmp_path: Path) -> None:
    output = tmp_path / "out"
    jobs = [start(archive.manifest, output) for _ in range(2)]
    assert [finish(job)[0] for job in jobs] == [DONE, DONE]
    assert archive.differing(output) == []
    assert run(archive.manifest, output)[0] == DONE
    assert 1 <= len(list(output.glob("runs/*.json"))) <= 2
    assert not any(output.glob("_staging/*"))


def test_the_clock_goes_back(archive: Archive, tmp_path: Path) -> None:
    """The later run counts, whatever it believes the time to be."""
    output = tmp_path / "out"
    assert run(archive.manifest, output)[0] == DONE
    back = (
        "import datetime, pipeline.run, transforms.commit, transforms.parquet\n"
        "class Past(datetime.datetime):\n"
        "    now = classmethod(lambda cls, zone: datetime.datetime(1990, 1, 1, tzinfo=zone))\n"
        "for room in (pipeline.run, transforms.commit, transforms.parquet):\n"
        "    room.datetime = Past\n"
    )
    assert finish(start(archive.manifest, output, "--force", patch=back))[0] == DONE
    first, second = sorted(path.stem for path in output.glob("runs/*.json"))
    assert first.startswith("19900101T")
    assert archive.differing(output) == []
    runs = committed_runs(str(output), Stores())
    assert [run["run_id"] for run in runs] == [second, first]
    rows = newest_rows(str(output), runs, "recordings", ["run_id"], Stores())
    assert set(rows["run_id"].to_pylist()) == {first}
