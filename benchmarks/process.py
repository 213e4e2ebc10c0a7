"""A command in a process of its own: how long it took, how much memory it held.

Linux counts the memory of whoever starts a process as that process's own until it becomes another
program, and a benchmark holds torch. So a small process stands between: this module, which
imports nothing large, run as `python -m benchmarks.process COMMAND...`.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass

MAXRSS_BYTES = 1 if sys.platform == "darwin" else 1024


@dataclass(frozen=True, slots=True)
class FinishedProcess:
    """`wall_s` from start to end, imports included.

    `peak_rss_bytes` is the most that any single process of the command held: the command or one of
    the children that it waited for, whichever was larger; they are not added up.
    """

    wall_s: float
    peak_rss_bytes: int


def run_alone(command: Sequence[str]) -> FinishedProcess:
    """Run `command`; its stdout is dropped. Raises `RuntimeError` with its stderr if it fails."""
    finished = subprocess.run(
        [sys.executable, "-m", "benchmarks.process", *command],
        capture_output=True,
        text=True,
        check=False,
    )
    if finished.returncode != 0:
        raise RuntimeError(
            f"{' '.join(command)} ended with {finished.returncode}:\n{finished.stderr[-4000:]}"
        )
    return FinishedProcess(**json.loads(finished.stdout))


def main(command: Sequence[str]) -> int:
    started = time.perf_counter()
    code = subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode
    wall_s = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * MAXRSS_BYTES
    print(json.dumps(asdict(FinishedProcess(wall_s=wall_s, peak_rss_bytes=peak))))
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
