"""What a job would find: every recording's header, read without decoding anything."""

from __future__ import annotations

import random
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from pipeline.config import TranscriptionConfig
from transforms.audio_plan import AudioPlan, plan_tracks
from transforms.batch import BatchBudget, pack_lengths
from transforms.errors import RecordingError, failure_of
from transforms.manifest import iterate_sources
from transforms.records import Failure, Recording, Track
from transforms.segment import QUIET, Segmentation
from transforms.window import plan_windows

HEADER_THREADS = 16
HEADERS_AHEAD = 4 * HEADER_THREADS
SAMPLE_SIZE = 32
EXAMPLES = 3
MOST_REASONS = 50
OTHER_REASONS = "other reasons"
GOLDEN_RATIO = 0.618034

Done = Callable[[Track], bool]
"""Whether an earlier run has the rows of a track, so that a job would pass it over."""


@dataclass(slots=True)
class Share:
    """So many recordings, and the seconds of their tracks."""

    recordings: int = 0
    audio_s: float = 0.0

    def add(self, audio_s: float) -> None:
        self.recordings += 1
        self.audio_s += audio_s


@dataclass(slots=True)
class Fault:
    """Recordings that cannot be read for one reason, with the first messages in full."""

    error_type: str
    reason: str
    count: int = 0
    examples: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Batches:
    """The batches of a job, if its recordings were all speech and came in this order."""

    count: int = 0
    segments: int = 0
    audio_s: float = 0.0
    padded_s: float = 0.0

    @property
    def padding(self) -> float:
        """The share of padded seconds that is padding, 0..1."""
        return 1 - self.audio_s / self.padded_s if self.padded_s else 0.0


@dataclass(slots=True)
class Survey:
    """Counts of everything that the sources name. `tracks` are channels, or mixes of them."""

    recordings: int = 0
    tracks: int = 0
    audio_s: float = 0.0
    tracks_done: int = 0
    audio_done_s: float = 0.0
    formats: dict[str, Share] = field(default_factory=dict)
    sample_rates_hz: dict[int, Share] = field(default_factory=dict)
    channels: dict[int, Share] = field(default_factory=dict)
    languages: dict[str, Share] = field(default_factory=dict)
    faults: dict[tuple[str, str], Fault] = field(default_factory=dict)
    batches: Batches = field(default_factory=Batches)
    sample: list[list[Track]] = field(default_factory=list)

    @property
    def unreadable(self) -> int:
        return sum(fault.count for fault in self.faults.values())

    @property
    def audio_to_do_s(self) -> float:
        return self.audio_s - self.audio_done_s


def survey_sources(config: TranscriptionConfig, done: Done, seen: Callable[[int], None]) -> Survey:
    """`survey_items` of everything that a job names. Raises `ManifestError`."""
    items = (item for _, item in iterate_sources(config.sources, config.stores))
    return survey_items(items, config, done, seen)


def survey_items(
    items: Iterable[Recording | Failure],
    config: TranscriptionConfig,
    done: Done = lambda track: False,
    seen: Callable[[int], None] = lambda count: None,
) -> Survey:
    """Read every header, and tell `seen` how many were. Memory does not grow with their number.

    `sample` are the tracks of recordings that are still to do, each of these as likely as any
    other.
    """
    survey = Survey()
    packer = _Packer(config.batch_budget, config.segmentation, config.audio_plan)
    chance = random.Random(0)
    recordings_to_do = 0
    for recording, tracks in read_headers(items, config.audio_plan):
        survey.recordings += 1
        seen(survey.recordings)
        if isinstance(tracks, Failure):
            _count_fault(survey.faults, tracks)
            continue
        _count_tracks(survey, recording, tracks, config.card.language)
        to_do = []
        for track in tracks:
            if done(track):
                survey.tracks_done += 1
                survey.audio_done_s += asked_s(track)
            else:
                to_do.append(track)
                packer.add(track)
        if to_do:
            recordings_to_do += 1
            place = chance.randrange(recordings_to_do)
            if len(survey.sample) < SAMPLE_SIZE:
                survey.sample.append(to_do)
            elif place < SAMPLE_SIZE:
                survey.sample[place] = to_do
    survey.batches = packer.finish()
    return survey


def read_headers(
    items: Iterable[Recording | Failure], plan: AudioPlan
) -> Iterator[tuple[Recording, list[Track] | Failure]]:
    """Each recording with its tracks or its fault, in order, some headers read ahead."""
    with ThreadPoolExecutor(HEADER_THREADS) as threads:
        ahead: deque[Future[tuple[Recording, list[Track] | Failure]]] = deque()
        try:
            for item in items:
                ahead.append(threads.submit(_read_header, item, plan))
                if len(ahead) >= HEADERS_AHEAD:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            threads.shutdown(wait=True, cancel_futures=True)


def asked_s(track: Track) -> float:
    """The seconds of a track that were asked for and are there."""
    return (track.end_sample - track.start_sample) / track.sample_rate_hz


def _read_header(
    item: Recording | Failure, plan: AudioPlan
) -> tuple[Recording, list[Track] | Failure]:
    if isinstance(item, Failure):
        return item.recording, item
    try:
        return item, plan_tracks(item, plan)
    except RecordingError as error:
        return item, failure_of(error, item, None, "plan")


def _count_tracks(survey: Survey, recording: Recording, tracks: list[Track], language: str) -> None:
    audio_s = sum(map(asked_s, tracks))
    survey.tracks += len(tracks)
    survey.audio_s += audio_s
    survey.formats.setdefault(tracks[0].container, Share()).add(audio_s)
    survey.sample_rates_hz.setdefault(tracks[0].sample_rate_hz, Share()).add(audio_s)
    survey.channels.setdefault(tracks[0].num_channels, Share()).add(audio_s)
    survey.languages.setdefault(recording.language or language, Share()).add(audio_s)


def _count_fault(faults: dict[tuple[str, str], Fault], failure: Failure) -> None:
    """One more of its kind: messages of one kind differ in names and numbers alone."""
    reason = failure.message.removeprefix(failure.recording.uri or failure.recording.id)
    reason = re.sub(r"\d+(\.\d+)?", "N", reason).strip(": ")
    key = (failure.error_type, reason)
    if key not in faults and len(faults) >= MOST_REASONS:
        key = (failure.error_type, OTHER_REASONS)
    fault = faults.setdefault(key, Fault(*key))
    fault.count += 1
    if len(fault.examples) < EXAMPLES:
        fault.examples.append(failure.message)


class _Packer:
    """Batches as `BatchSegments` would fill them, from lengths alone."""

    def __init__(self, budget: BatchBudget, segmentation: Segmentation, plan: AudioPlan) -> None:
        self.budget = budget
        self.segmentation = segmentation
        self.rate_hz = plan.model_rate_hz
        self._lengths: list[int] = []
        self._buffered_s = 0.0
        self._batches = Batches()

    def add(self, track: Track) -> None:
        for length_s in segment_lengths_s(asked_s(track), self.segmentation):
            self._lengths.append(round(length_s * self.rate_hz))
            self._buffered_s += length_s
            if self._buffered_s >= self.budget.buffer_s:
                self._drain()

    def finish(self) -> Batches:
        self._drain()
        return self._batches

    def _drain(self) -> None:
        packed = pack_lengths(self._lengths, round(self.budget.batch_s * self.rate_hz))
        self._batches.count += len(packed)
        self._batches.segments += len(self._lengths)
        self._batches.audio_s += self._buffered_s
        self._batches.padded_s += (
            sum(len(batch) * self._lengths[batch[0]] for batch in packed) / self.rate_hz
        )
        self._lengths, self._buffered_s = [], 0.0


def segment_lengths_s(audio_s: float, segmentation: Segmentation) -> list[float]:
    """Lengths that a recording may be cut into, were it all sound.

    Windows that overlap are as the job will cut them, but for what quiet places move. Without
    overlap a cut lies in the later half of the window: what the audio decides is spread evenly.
    """
    if segmentation.method != QUIET:
        frame_s = segmentation.frame_samples / segmentation.rate_hz
        frames = max(1, round(audio_s / frame_s))
        windows = plan_windows(0, frames, segmentation.reach, (0, frames), int)
        return [(window.end - window.start) * frame_s for window in windows]
    lengths: list[float] = []
    while audio_s > segmentation.longest_s:
        piece_s = segmentation.longest_s * (1 - len(lengths) * GOLDEN_RATIO % 1 / 2)
        lengths.append(min(piece_s, audio_s - segmentation.shortest_s))
        audio_s -= lengths[-1]
    return [*lengths, audio_s]
