"""What hangs or crashes costs itself and nothing else."""

from __future__ import annotations

import ctypes
import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from transforms import tally
from transforms.errors import CrashError, DeadlineError, EmptyAudioError
from transforms.isolation import Isolated


def work(request: str) -> Iterator[object]:
    """Yields what the request says, or does it."""
    yield request
    match request:
        case "crash":
            ctypes.string_at(0)
        case "exit":
            os._exit(3)
        case "hang":
            time.sleep(600)
        case "refuse":
            raise EmptyAudioError("a.wav is empty")
        case "fault":
            raise KeyError("a mistake")
        case "large":
            yield np.arange(3_000_000, dtype=np.float32)
        case "pid":
            yield os.getpid()
        case "stream":
            yield from range(1000)
        case "count":
            tally.count("store_retries", 2)
            logging.getLogger("transforms.retry").warning("%s: attempt %d", "a.wav", 1)
            raise EmptyAudioError("a.wav is empty")


def load_slowly() -> Callable[[str], Iterator[object]]:
    if multiprocessing.parent_process() is not None:
        time.sleep(4)
    return work


class SlowToLoad:
    """`work`, which takes its time to arrive in a child."""

    def __call__(self, request: str) -> Iterator[object]:
        return work(request)

    def __reduce__(self) -> tuple[Callable[[], object], tuple[()]]:
        return load_slowly, ()


@pytest.fixture
def isolated() -> Iterator[Isolated[str, object]]:
    each = Isolated(work)
    yield each
    each.close()


def test_answers_come_as_they_are_made(isolated: Isolated[str, object]) -> None:
    assert list(isolated("stream", 20.0)) == ["stream", *range(1000)]
    _, large = isolated("large", 20.0)
    np.testing.assert_array_equal(large, np.arange(3_000_000, dtype=np.float32))


def test_what_the_child_counts_and_logs_is_counted_and_logged_here(
    isolated: Isolated[str, object], caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture
) -> None:
    tally.reset()
    for _ in range(2):
        with pytest.raises(EmptyAudioError):
            list(isolated("count", 20.0))
    list(isolated("stream", 20.0))
    assert tally.counts() == {"store_retries": 4}
    assert caplog.record_tuples == [("transforms.retry", logging.WARNING, "a.wav: attempt 1")] * 2
    isolated.close()
    assert capfd.readouterr().err == ""


def test_one_child_serves_request_after_request(isolated: Isolated[str, object]) -> None:
    assert list(isolated("pid", 20.0)) == list(isolated("pid", 20.0))
    assert list(isolated("pid", 20.0))[1] != os.getpid()


@pytest.mark.parametrize(("request_", "cause"), [("crash", "SIGSEGV"), ("exit", "exit code 3")])
def test_a_crash_is_an_error_of_its_recording(
    isolated: Isolated[str, object], request_: str, cause: str
) -> None:
    answers = isolated(request_, 20.0)
    assert next(answers) == request_
    with pytest.raises(CrashError, match=cause):
        next(answers)
    assert list(isolated("next", 20.0)) == ["next"]


def test_a_hang_is_given_up() -> None:
    isolated = Isolated(work)
    assert list(isolated("first", 20.0)) == ["first"]
    _, child = isolated("pid", 20.0)
    answers = isolated("hang", 3.0)
    assert next(answers) == "hang"
    with pytest.raises(DeadlineError, match="within 3 s"):
        next(answers)
    assert child not in {process.pid for process in multiprocessing.active_children()}
    assert list(isolated("next", 20.0)) == ["next"]
    isolated.close()


def test_errors_cross_over(isolated: Isolated[str, object]) -> None:
    with pytest.raises(EmptyAudioError, match=r"a\.wav is empty"):
        list(isolated("refuse", 20.0))
    with pytest.raises(RuntimeError, match="a mistake"):
        list(isolated("fault", 20.0))
    assert list(isolated("next", 20.0)) == ["next"]


def test_a_caller_that_stops_early_leaves_nothing_behind(isolated: Isolated[str, object]) -> None:
    for answer in isolated("stream", 20.0):
        if answer == 3:
            break
    assert list(isolated("next", 20.0)) == ["next"]


def test_the_start_is_not_counted_in() -> None:
    isolated: Isolated[str, object] = Isolated(SlowToLoad())
    assert list(isolated("next", 3.0)) == ["next"]
    isolated.close()


def test_a_parent_that_is_killed_takes_its_child_along(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(
        "from tests.transforms.test_isolation import Isolated, work\n"
        "if __name__ == '__main__':\n"
        "    isolated = Isolated(work)\n"
        "    print(list(isolated('pid', 20.0))[1], flush=True)\n"
        "    list(isolated('hang', 600.0))\n"
    )
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    with subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, text=True, env=environment, cwd=root
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        os.kill(child, 0)
        parent.send_signal(signal.SIGKILL)
    for _ in range(200):
        try:
            os.kill(child, 0)
        except ProcessLookupError:
            return
        if Path(f"/proc/{child}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z":
            return
        time.sleep(0.05)
    pytest.fail("the child lives on")
