"""Counts of work done: as Beam metrics where Beam runs, and live where everything is one process.

Beam is not imported from here, so that a process that only decodes audio starts at once; what is
counted there, or on a thread that no bundle runs on, is in that process's own counts alone.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import wraps
from typing import Any, ParamSpec, TypeVar

NAMESPACE = "beamscribe"
STAGE_US = "stage_us."

T = TypeVar("T")
P = ParamSpec("P")


@dataclass(frozen=True, slots=True)
class Tally:
    """What this process has planned and done so far."""

    tracks_planned: int = 0
    tracks_done: int = 0
    audio_planned_s: float = 0.0
    audio_done_s: float = 0.0


_lock = threading.Lock()
_tally = Tally()
_counts: Counter[str] = Counter()
_beam_counters: dict[str, Any] = {}


def current() -> Tally:
    return _tally


def counts() -> dict[str, int]:
    """What `count` was told in this process since the last `reset`, by name."""
    with _lock:
        return dict(_counts)


def drain() -> dict[str, int]:
    """`counts`, which begin again: for a process that hands its own to another."""
    with _lock:
        drained = dict(_counts)
        _counts.clear()
    return drained


def reset() -> None:
    global _tally
    with _lock:
        _tally = Tally()
        _counts.clear()


def count(name: str, amount: int = 1) -> None:
    """Add to this process's own count, and to Beam's counter of that name where Beam is loaded."""
    with _lock:
        _counts[name] += amount
    counter = _beam_counters.get(name)
    if counter is None:
        metrics = getattr(sys.modules.get("apache_beam.metrics"), "Metrics", None)
        if metrics is None:
            return
        counter = _beam_counters[name] = metrics.counter(NAMESPACE, name)
    counter.inc(amount)


@contextmanager
def spent(stage: str) -> Iterator[None]:
    """Add the time that the block takes to what the stage has taken; also decorates a function."""
    began_ns = time.perf_counter_ns()
    try:
        yield
    finally:
        # Microseconds: a header takes less than a millisecond, and counters are integers.
        count(STAGE_US + stage, (time.perf_counter_ns() - began_ns) // 1000)


def timed(stage: str, items: Iterable[T]) -> Iterator[T]:
    """The items; what it takes to make each is added to what the stage has taken.

    While an item is out nothing is added: stages that Beam has fused with this one run then.
    """
    source = iter(items)
    while True:
        with spent(stage):
            try:
                item = next(source)
            except StopIteration:
                return
        yield item


def timed_as(stage: str) -> Callable[[Callable[P, Iterator[T]]], Callable[P, Iterator[T]]]:
    """`timed` for a DoFn's `process` or `finish_bundle` that yields."""

    def decorate(process: Callable[P, Iterator[T]]) -> Callable[P, Iterator[T]]:
        @wraps(process)
        def timed_process(*args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
            return timed(stage, process(*args, **kwargs))

        return timed_process

    return decorate


def planned(audio_s: float) -> None:
    global _tally
    count("tracks_planned")
    with _lock:
        _tally = replace(
            _tally,
            tracks_planned=_tally.tracks_planned + 1,
            audio_planned_s=_tally.audio_planned_s + audio_s,
        )


def batched(audio_s: float, padded_s: float) -> None:
    count("batches")
    count("recognized_audio_ms", round(1000 * audio_s))
    count("padded_audio_ms", round(1000 * padded_s))


def retried() -> None:
    """A store was asked again."""
    count("store_retries")


def transcribed(audio_s: float, closes_track: bool) -> None:
    global _tally
    count("segments")
    with _lock:
        _tally = replace(
            _tally,
            tracks_done=_tally.tracks_done + closes_track,
            audio_done_s=_tally.audio_done_s + audio_s,
        )
