"""Jobs as processes of their own, watched through their output and /proc."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from benchmarks.kills import Row, command, equal_rows, rows_of
from tests.conftest import DATA

T = TypeVar("T")

SOON_S = 120.0
VOICES = ("librispeech-1089-134691-0000", "austen-0880", "librispeech-1089-134686-0001")


@dataclass(frozen=True)
class Archive:
    """A manifest, and the rows of a job over it that nothing disturbed."""

    manifest: Path
    rows: dict[str, list[Row]] = field(default_factory=dict)

    def differing(self, output: Path) -> list[str]:
        """Recordings that the ledger has not once, as an undisturbed job has them."""
        rows = rows_of(output)
        assert len(rows["recordings"]) == len({row["recording_id"] for row in rows["recordings"]})
        wrong = []
        for row in self.rows["recordings"]:
            name = row["recording_id"]
            wanted = of_recording(self.rows, name)
            if equal_rows(of_recording(rows, name), wanted) != sum(map(len, wanted.values())):
                wrong.append(name)
        return wrong


def of_recording(rows: dict[str, list[Row]], name: str) -> dict[str, list[Row]]:
    return {
        table: [row for row in found if row["recording_id"] == name]
        for table, found in rows.items()
    }


def write_manifest(path: Path, *further: Path) -> Path:
    """Three short recordings, and further files; ids are the names of the files."""
    files = [next((DATA / "audio").glob(f"{name}.*")) for name in VOICES]
    rows = [{"id": file.stem, "audio_filepath": str(file)} for file in (*files, *further)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def start(manifest: Path, output: Path, *flags: str, patch: str = "") -> subprocess.Popen[str]:
    """Start a job. `patch` is Python that its process runs first."""
    job = command([str(manifest)], output, flags)
    if patch:
        program = f"{patch}\nfrom pipeline.cli import command\ncommand()"
        job = [sys.executable, "-c", program, *job[3:]]
    return subprocess.Popen(
        job, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=DATA.parents[1]
    )


def finish(job: subprocess.Popen[str]) -> tuple[int, str]:
    """Its exit code and what it said on stderr; a job that goes on too long is killed."""
    try:
        _, said = job.communicate(timeout=300)
    finally:
        job.kill()
    return job.returncode, said


def run(manifest: Path, output: Path, *flags: str) -> tuple[int, str]:
    return finish(start(manifest, output, *flags))


def wait_for(condition: Callable[[], T], job: subprocess.Popen[str] | None = None) -> T:
    """The first true value. Raises `TimeoutError` where none comes soon, or the job ends before."""
    end = time.monotonic() + SOON_S
    while not (found := condition()):
        if time.monotonic() > end or (job is not None and job.poll() is not None):
            raise TimeoutError(
                f"it did not come to that; the job's exit code is {job and job.poll()}"
            )
        time.sleep(0.02)
    return found


def is_planned(output: Path) -> bool:
    """Whether a job has written what it is going to do."""
    return any(path.is_file() for path in output.glob("_staging/run=*/**/*"))


def descendants(pid: int) -> set[int]:
    """The processes that a process started, and those that these started."""
    parents: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = path.read_text().rsplit(")", 1)[1].split()[:2]
        except (OSError, ValueError):
            continue
        if state != "Z":
            parents[int(path.parent.name)] = int(parent)
    found, grown = {pid}, True
    while grown:
        more = {child for child, parent in parents.items() if parent in found} - found
        found |= more
        grown = bool(more)
    return found - {pid}


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def holds(pid: int, name: str) -> bool:
    """Whether a process has mapped or opened a file with `name` in its path."""
    try:
        if name in Path(f"/proc/{pid}/maps").read_text():
            return True
        return any(name in str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return False
