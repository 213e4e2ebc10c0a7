"""Counts of work done: as Beam metrics everywhere, and live where everything is one process."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace

from apache_beam.metrics import Metrics

NAMESPACE = "beamscribe"


@dataclass(frozen=True, slots=True)
class Tally:
    """What this process has planned and done so far."""

    tracks_planned: int = 0
    tracks_done: int = 0
    audio_planned_s: float = 0.0
    audio_done_s: float = 0.0


_lock = threading.Lock()
_tally = Tally()
_audio_ms = Metrics.counter(NAMESPACE, "recognized_audio_ms")
_padded_ms = Metrics.counter(NAMESPACE, "padded_audio_ms")
_batches = Metrics.counter(NAMESPACE, "batches")
_segments = Metrics.counter(NAMESPACE, "segments")
_store_retries = Metrics.counter(NAMESPACE, "store_retries")


def current() -> Tally:
    return _tally


def reset() -> None:
    global _tally
    with _lock:
        _tally = Tally()


def planned(audio_s: float) -> None:
    global _tally
    with _lock:
        _tally = replace(
            _tally,
            tracks_planned=_tally.tracks_planned + 1,
            audio_planned_s=_tally.audio_planned_s + audio_s,
        )


def batched(audio_s: float, padded_s: float) -> None:
    _batches.inc()
    _audio_ms.inc(round(1000 * audio_s))
    _padded_ms.inc(round(1000 * padded_s))


def count(name: str, amount: int = 1) -> None:
    """Add to the Beam counter of that name."""
    Metrics.counter(NAMESPACE, name).inc(amount)


def retried() -> None:
    """A store was asked again."""
    _store_retries.inc()


def transcribed(audio_s: float, closes_track: bool) -> None:
    global _tally
    _segments.inc()
    with _lock:
        _tally = replace(
            _tally,
            tracks_done=_tally.tracks_done + closes_track,
            audio_done_s=_tally.audio_done_s + audio_s,
        )
