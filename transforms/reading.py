"""Audio files read in processes of their own, which a recording may hang or crash."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from fsspec.core import split_protocol

from transforms.audio_plan import AudioPlan, plan_tracks
from transforms.errors import CrashError, DeadlineError
from transforms.isolation import Isolated
from transforms.records import Recording, Reel, Track
from transforms.reel import DecodedSpan, decode_reel, with_gains

Request = tuple[Recording | Reel, AudioPlan]
Answer = list[Track] | DecodedSpan

_idle: list[Isolated[Request, Answer]] = []
_lock = threading.Lock()


def read_tracks(recording: Recording, plan: AudioPlan) -> list[Track]:
    """`plan_tracks`, with gains. Raises its errors, `CrashError` and `DeadlineError`."""
    tracks: list[Track] = []
    with _reader(recording.uri) as read:
        for answer in read((recording, plan), plan.deadline_s):
            if isinstance(answer, list):
                tracks = answer
    return tracks


def read_reel(reel: Reel, plan: AudioPlan) -> Iterator[DecodedSpan]:
    """`decode_reel`. Raises its errors, `CrashError` and `DeadlineError`."""
    with _reader(reel.spans[0].tracks[0].recording.uri) as read:
        for answer in read((reel, plan), plan.deadline_s):
            if isinstance(answer, DecodedSpan):
                yield answer


def warm() -> None:
    """Start a process that the first reader will find running."""
    reader = Isolated(answer_request)
    reader.start()
    with _lock:
        _idle.append(reader)


def answer_request(request: Request) -> Iterator[Answer]:
    """What a child does: the tracks of a recording, or the spans of a reel."""
    wanted, plan = request
    if isinstance(wanted, Reel):
        yield from decode_reel(wanted, plan)
    else:
        yield with_gains(plan_tracks(wanted, plan), plan)


Read = Callable[[Request, float], Iterator[Answer]]


@contextmanager
def _reader(uri: str) -> Iterator[Read]:
    """A reader that nobody else uses meanwhile; all threads of a worker share those there are."""
    if split_protocol(uri)[0] == "memory":
        # What lies in the memory of this process can be read by no other.
        yield lambda request, _: answer_request(request)
        return
    with _lock:
        reader = _idle.pop() if _idle else Isolated(answer_request)
    try:
        yield reader
    except (CrashError, DeadlineError) as error:
        raise type(error)(f"{uri}: {error}") from error
    finally:
        with _lock:
            _idle.append(reader)
