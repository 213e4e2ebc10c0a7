"""Emissions of overlapping windows joined into one, and cut where the model hears a pause."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import apache_beam as beam
import numpy as np
from apache_beam.pvalue import TaggedOutput
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.windowed_value import WindowedValue
from numpy.typing import NDArray

from transforms.errors import (
    IncompleteError,
    RecordingError,
    UncomputableError,
    UnreliableEmissionError,
    failure_of,
)
from transforms.records import RecordingKey, Segment, Track


@dataclass(frozen=True)
class StretchPlan:
    """How a long emission is cut for decoding, which is also how rows of the output are cut.

    A stretch lasts at most `longest_frames`, and `overlap_frames` more on a side without a pause. A
    pause is at least `pause_frames` in which the model hears nothing but `blank`, or fewer where it
    also hears `word_boundary`; None for a vocabulary that has none.
    """

    frame_samples: int
    longest_frames: int
    overlap_frames: int
    pause_frames: int
    blank: int
    word_boundary: int | None


@dataclass(frozen=True, slots=True, eq=False)
class EmittedSegment:
    """A segment and the log-probabilities `(T, C)` that the model gave for it.

    `fault` says why there are none.
    """

    segment: Segment
    log_probs: NDArray[np.float32]
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Cut:
    """Rows `[start, end)` of an emission that are decoded, owning what lies in `[first, last)`."""

    start: int
    end: int
    first: int
    last: int


@dataclass(frozen=True, slots=True, eq=False)
class Stretch:
    """Part of a passage that is decoded at once, in samples of the file.

    Row r of `log_probs` `(T, C)` stands at `row_samples + r * frame_samples`. The stretch owns
    `[start_samples, end_samples)`: of the words that are found, those whose middle lies in the
    rows `[first_row, last_row)`, which reach beyond `log_probs` where nobody else owns more.
    """

    tracks: tuple[Track, ...]
    span_index: int
    sample_rate_hz: int
    start_samples: int
    end_samples: int
    row_samples: int
    first_row: int
    last_row: int
    log_probs: NDArray[np.float32]
    closes_tracks: bool


def stitch(emitted: Sequence[EmittedSegment]) -> NDArray[np.float32]:
    """The kept rows of a passage's segments, in their order, as one emission `(T, C)`.

    Raises `ValueError` where an emission has fewer rows than are to be kept of it.
    """
    parts = []
    for each in emitted:
        segment = each.segment
        if segment.kept_end is not None and segment.kept_end > len(each.log_probs):
            raise ValueError(
                f"a segment of {len(segment.samples)} samples has {len(each.log_probs)} frames; "
                f"{segment.kept_end} were expected"
            )
        parts.append(each.log_probs[segment.kept_start : segment.kept_end])
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def cut_emission(
    log_probs: NDArray[np.float32], first: int, last: int, plan: StretchPlan
) -> list[Cut]:
    """Cuts that own the rows `[first, last)` of an emission `(T, C)` once.

    What lies before `first` or after `last` is decoded as well: somebody else owns it. Between two
    cuts there is the longest pause of the later half of the stretch; where there is none both
    decode `overlap_frames` beyond the row that is most likely between words.
    """
    rows = len(log_probs)
    longest, overlap = plan.longest_frames, plan.overlap_frames
    cuts = []
    start, own = 0, first
    while last - own > longest:
        earliest = own + longest // 2
        # The rest is as long as the shortest stretch: a splinter would be a row of its own.
        latest = min(own + longest, last - longest // 8)
        row, is_pause = _find_pause(log_probs[earliest:latest], plan)
        row += earliest
        cuts.append(Cut(start, row if is_pause else min(rows, row + overlap), own, row))
        start, own = row if is_pause else max(0, row - overlap), row
    return [*cuts, Cut(start, rows, own, last)]


def _find_pause(log_probs: NDArray[np.float32], plan: StretchPlan) -> tuple[int, bool]:
    """The middle of the longest pause, or the row most likely to lie between words and False."""
    tokens = log_probs.argmax(axis=1)
    between = tokens == plan.word_boundary
    silent = between | (tokens == plan.blank)
    edges = np.flatnonzero(np.diff(silent, prepend=False, append=False))
    best, longest = 0, 0
    for start, end in edges.reshape(-1, 2).tolist():
        length = end - start
        enough = 2 if between[start:end].any() else plan.pause_frames
        if length >= max(enough, longest + 1):
            best, longest = (start + end) // 2, length
    if longest:
        return best, True
    token = plan.blank if plan.word_boundary is None else plan.word_boundary
    return int(log_probs[:, token].argmax()), False


def cut_stretches(emitted: Sequence[EmittedSegment], plan: StretchPlan) -> list[Stretch]:
    """What is to be decoded of a passage, from all of its segments in order."""
    log_probs = stitch(emitted)
    segment = emitted[0].segment
    passage, frame = segment.passage, plan.frame_samples
    row_samples = segment.start_samples + segment.kept_start * frame
    rows = len(log_probs)
    first, last = (passage.start_samples - row_samples) // frame, rows
    if emitted[-1].segment.kept_end is not None:
        last = (passage.end_samples - row_samples) // frame
    # What the model hears at once is searched at once; it may have a frame more than is counted.
    alone = passage.num_segments == 1
    cuts = [Cut(0, rows, first, last)] if alone else cut_emission(log_probs, first, last, plan)
    # The edge between two rows lies half a frame before the later one.
    edges = [row_samples + cut.first * frame - frame // 2 for cut in cuts[1:]]
    starts = [passage.start_samples, *edges]
    ends = [*edges, passage.end_samples]
    return [
        Stretch(
            tracks=segment.tracks,
            span_index=segment.span_index,
            sample_rate_hz=segment.sample_rate_hz,
            start_samples=start,
            end_samples=end,
            row_samples=row_samples + cut.start * frame,
            first_row=cut.first - cut.start,
            last_row=cut.last - cut.start,
            log_probs=log_probs[cut.start : cut.end],
            closes_tracks=passage.closes_tracks and cut is cuts[-1],
        )
        for cut, start, end in zip(cuts, starts, ends, strict=True)
    ]


class StitchEmissions(beam.PTransform):
    """Emitted segments into stretches. Outputs `stretches` and `failures`.

    A passage waits in memory until its last segment has come, which batches bring within a bundle.
    """

    def __init__(self, plan: StretchPlan) -> None:
        super().__init__()
        self.plan = plan

    def expand(self, emitted: beam.PCollection) -> beam.pvalue.DoOutputsTuple:
        return emitted | beam.ParDo(_StitchEmissions(self.plan)).with_outputs(
            "failures", main="stretches"
        )


class _StitchEmissions(beam.DoFn):
    def __init__(self, plan: StretchPlan) -> None:
        self.plan = plan
        self._waiting: dict[tuple[RecordingKey, int, int], list[EmittedSegment]] = {}

    def start_bundle(self) -> None:
        self._waiting.clear()

    def process(self, emitted: EmittedSegment) -> Iterator[Stretch | TaggedOutput]:
        segment = emitted.segment
        key = (segment.tracks[0].key, segment.span_index, segment.passage.index)
        arrived = self._waiting.setdefault(key, [])
        arrived.append(emitted)
        if len(arrived) < segment.passage.num_segments:
            return
        del self._waiting[key]
        for each in arrived:
            if each.fault is not None:
                yield from _fail(each.segment, UncomputableError, each.fault)
                return
            if not np.isfinite(each.log_probs).all():
                yield from _fail(
                    each.segment, UnreliableEmissionError, "the model's output is not finite"
                )
                return
        yield from cut_stretches(sorted(arrived, key=lambda each: each.segment.index), self.plan)

    def finish_bundle(self) -> Iterator[TaggedOutput]:
        window = GlobalWindow()
        for arrived in self._waiting.values():
            segment = arrived[0].segment
            lost = f"{len(arrived)} of {segment.passage.num_segments} windows arrived"
            for tagged in _fail(segment, IncompleteError, lost):
                yield TaggedOutput(
                    tagged.tag, WindowedValue(tagged.value, window.max_timestamp(), [window])
                )
        self._waiting.clear()


def _fail(segment: Segment, error: type[RecordingError], fault: str) -> Iterator[TaggedOutput]:
    start_s = segment.start_samples / segment.sample_rate_hz
    for track in segment.tracks:
        message = f"{track.recording.uri}: {fault}, in the sound around {start_s:.3f} s"
        failure = failure_of(error(message), track.recording, track.channel, "recognize")
        yield TaggedOutput("failures", failure)
