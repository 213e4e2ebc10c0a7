"""Waveforms cut into segments that a model can hear at once."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import apache_beam as beam
import numpy as np
from apache_beam.pvalue import TaggedOutput
from numpy.typing import NDArray

from transforms import tally
from transforms.quiet import is_silent, quietest_sample, sound_regions
from transforms.records import Passage, Segment, SpanOutcome, Waveform
from transforms.speech import SpeechRules, speech_regions
from transforms.window import Reach, Window, plan_passage

METHODS = FIXED, SPEECH, QUIET = "fixed", "speech", "quiet"

Detect = Callable[[NDArray[np.float32]], NDArray[np.float32]]


class DetectorRecipe(Protocol):
    """How a worker comes by a detector: samples in, a probability of speech for each chunk out."""

    def load(self) -> Detect: ...


@dataclass(frozen=True)
class Segmentation:
    """How spans are cut for a model that hears at most `longest_s` at once.

    `fixed`: windows that overlap by twice `context_s`. What the model answers is joined again, at
    the quietest place within `search_s` of where windows of one length would be joined. Where two
    spans meet, both hear the same `seam_s` on either side, and read `overlap_s` beyond the seam.
    `speech`: the same where somebody speaks; elsewhere nothing is heard. `quiet`: pieces that tile,
    cut at the quietest place, each of at least `shortest_s` and heard by itself. `frame_samples`
    lie between two frames of the model's answer.
    """

    method: str
    frame_samples: int
    rate_hz: int
    longest_s: float = 30.0
    shortest_s: float = 1.0
    context_s: float = 1.5
    search_s: float = 1.0
    seam_s: float = 8.0
    overlap_s: float = 2.0
    rules: SpeechRules = field(default_factory=SpeechRules)

    @property
    def reach(self) -> Reach:
        def frames(seconds: float) -> int:
            return round(seconds * self.rate_hz) // self.frame_samples

        return Reach(
            longest=frames(self.longest_s),
            context=frames(self.context_s),
            search=frames(self.search_s),
            seam=frames(self.seam_s),
            overlap=frames(self.overlap_s),
        )

    @property
    def around_span_s(self) -> float:
        """How much a waveform should hold on either side of its span."""
        if self.method == QUIET:
            return 0.0
        return self.seam_s + self.frame_samples / self.rate_hz


def cut_positions(
    samples: NDArray[np.float32], rate_hz: int, segmentation: Segmentation
) -> list[int]:
    """Positions, in samples, that cut `samples` into pieces of at most `longest_s`.

    From 0 to `len(samples)`: the pieces overlap nothing and lose nothing. Each cut is the quietest
    place in the later half of the window.
    """
    longest = round(segmentation.longest_s * rate_hz)
    shortest = round(segmentation.shortest_s * rate_hz)
    positions = [0]
    while len(samples) - positions[-1] > longest:
        earliest = positions[-1] + longest // 2
        latest = min(positions[-1] + longest, len(samples) - shortest)
        positions.append(earliest + quietest_sample(samples[earliest:latest], rate_hz))
    positions.append(len(samples))
    return positions


def cut_segments(
    waveform: Waveform, segmentation: Segmentation, speech: NDArray[np.float32] | None = None
) -> list[Segment]:
    """The segments of a waveform that are worth hearing, with their places in the file.

    `speech` holds the detector's answers, which the method `speech` goes by.
    """
    if segmentation.method == QUIET:
        plans = _quiet_passages(waveform, segmentation)
    else:
        regions = sound_regions(waveform.samples, waveform.sample_rate_hz)
        if speech is not None:
            regions = speech_regions(
                speech,
                regions,
                segmentation.longest_s,
                waveform.sample_rate_hz,
                segmentation.rules,
            )
        plans = _stitched_passages(waveform, regions, segmentation)
    last_span = waveform.span_index + 1 == waveform.tracks[0].num_spans
    segments = []
    for index, plan in enumerate(plans):
        passage = Passage(
            index=index,
            num_segments=len(plan.windows),
            start_samples=plan.start,
            end_samples=plan.end,
            closes_tracks=last_span and index + 1 == len(plans),
        )
        segments += [
            _segment(waveform, passage, number, plan, segmentation.frame_samples)
            for number in range(len(plan.windows))
        ]
    return segments


@dataclass(frozen=True, slots=True)
class _Plan:
    """A passage to be: its own samples of the file, and windows on frames from `origin`.

    Windows end at `last_sample` at the latest; `open_end` where the next span goes on.
    """

    start: int
    end: int
    origin: int
    last_sample: int
    windows: Sequence[Window]
    open_end: bool = False


def _segment(
    waveform: Waveform, passage: Passage, index: int, plan: _Plan, frame_samples: int
) -> Segment:
    window = plan.windows[index]
    start = plan.origin + window.start * frame_samples
    end = min(plan.origin + window.end * frame_samples, plan.last_sample)
    to_the_end = index + 1 == len(plan.windows) and not plan.open_end
    return Segment(
        tracks=waveform.tracks,
        span_index=waveform.span_index,
        passage=passage,
        index=index,
        start_samples=start,
        sample_rate_hz=waveform.sample_rate_hz,
        samples=waveform.samples[start - waveform.start_samples : end - waveform.start_samples],
        kept_start=window.kept_start - window.start,
        kept_end=None if to_the_end else window.kept_end - window.start,
    )


def _quiet_passages(waveform: Waveform, segmentation: Segmentation) -> list[_Plan]:
    """Pieces that tile the span, each one window from its own first sample."""
    core_start, core_end = waveform.core
    samples = waveform.samples[
        core_start - waveform.start_samples : core_end - waveform.start_samples
    ]
    positions = cut_positions(samples, waveform.sample_rate_hz, segmentation)
    plans = []
    for first, last in itertools.pairwise(positions):
        if not is_silent(samples[first:last]):
            start, end = core_start + first, core_start + last
            frames = _ceil(last - first, segmentation.frame_samples)
            plans.append(_Plan(start, end, start, end, [Window(0, frames, 0, frames)]))
    return plans


def _stitched_passages(
    waveform: Waveform, regions: Sequence[tuple[int, int]], segmentation: Segmentation
) -> list[_Plan]:
    """A passage for each region of the span, in as many windows as the model needs to hear it.

    All spans of a track share one grid of frames, and a span that has sound beyond its edge ends on
    the grid: so its neighbour hears the very same window around the edge.
    """
    frame = segmentation.frame_samples
    track = waveform.tracks[0]
    core_start, core_end = waveform.core
    before, after = waveform.start_samples < core_start, core_end < waveform.end_samples
    origin = core_start
    if before:
        origin = track.start_sample * waveform.sample_rate_hz // track.sample_rate_hz
        core_start = origin + (core_start - origin) // frame * frame
    if after:
        core_end = origin + (core_end - origin) // frame * frame
    audible = (
        _ceil(waveform.start_samples - origin, frame),
        _ceil(waveform.end_samples - origin, frame),
    )
    search = segmentation.reach.search

    def settle(cut: int) -> int:
        middle = origin + cut * frame - waveform.start_samples
        nearby = waveform.samples[middle - search * frame : middle + search * frame]
        quietest = quietest_sample(nearby, waveform.sample_rate_hz, step_samples=frame)
        return cut - search + quietest // frame

    plans: list[_Plan] = []
    for first, last in regions:
        region_start = origin + (waveform.start_samples + first - origin) // frame * frame
        region_end = origin + _ceil(waveform.start_samples + last - origin, frame) * frame
        region_end = min(region_end, waveform.end_samples)
        start = max(region_start, core_start, plans[-1].end if plans else core_start)
        end = min(region_end, core_end)
        if start >= end:
            continue
        seams = (before and region_start < core_start == start, after and core_end < region_end)
        windows = plan_passage(
            (start - origin) // frame,
            _ceil(end - origin, frame),
            segmentation.reach,
            audible,
            seams,
            settle,
        )
        plans.append(_Plan(start, end, origin, waveform.end_samples, windows, seams[1]))
    return plans


def _ceil(number: int, step: int) -> int:
    return -(-number // step)


class CutSegments(beam.PTransform):
    """Waveforms into segments. Outputs `segments` and `outcomes`, one of these a span.

    `detector` is asked where the method of segmentation goes by speech.
    """

    def __init__(self, segmentation: Segmentation, detector: DetectorRecipe | None = None) -> None:
        super().__init__()
        self.segmentation = segmentation
        self.detector = detector

    def expand(self, waveforms: beam.PCollection) -> beam.pvalue.DoOutputsTuple:
        return waveforms | beam.ParDo(_CutSegments(self.segmentation, self.detector)).with_outputs(
            "outcomes", main="segments"
        )


class _CutSegments(beam.DoFn):
    def __init__(self, segmentation: Segmentation, detector: DetectorRecipe | None) -> None:
        self.segmentation = segmentation
        self.detector = detector
        self._detect: Detect | None = None

    def setup(self) -> None:
        if self.detector is not None:
            self._detect = self.detector.load()

    @tally.timed_as("segment")
    def process(self, waveform: Waveform) -> Iterator[Segment | TaggedOutput]:
        speech = None
        if self._detect is not None and not is_silent(waveform.samples):
            speech = self._detect(waveform.samples)
        segments = cut_segments(waveform, self.segmentation, speech)
        passages = {segment.passage for segment in segments}
        first = waveform.tracks[0]
        for track in waveform.tracks:
            outcome = SpanOutcome(
                span_index=waveform.span_index,
                sound_samples=sum(each.end_samples - each.start_samples for each in passages),
                sample_rate_hz=waveform.sample_rate_hz,
                same_as_channel=None if track is first else first.channel,
                found_samples=waveform.found_samples,
                whole=waveform.whole,
            )
            yield TaggedOutput("outcomes", (track, outcome))
        yield from segments
