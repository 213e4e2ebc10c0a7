"""Waveforms cut into segments that a model can hear at once."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import apache_beam as beam
import numpy as np
from apache_beam.pvalue import TaggedOutput
from numpy.typing import NDArray

from transforms.quiet import is_silent, quietest_sample
from transforms.records import Segment, SpanOutcome, Waveform


@dataclass(frozen=True)
class Segmentation:
    """`longest_s` is the model's window; `shortest_s` is the least that is cut off."""

    longest_s: float = 30.0
    shortest_s: float = 1.0


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


def cut_segments(waveform: Waveform, segmentation: Segmentation) -> list[Segment]:
    """The segments of a waveform that hold any sound, with their places in the file."""
    positions = cut_positions(waveform.samples, waveform.sample_rate_hz, segmentation)
    pieces = [
        (start, waveform.samples[start:end])
        for start, end in itertools.pairwise(positions)
        if not is_silent(waveform.samples[start:end])
    ]
    last_span = waveform.span_index + 1 == waveform.tracks[0].num_spans
    return [
        Segment(
            tracks=waveform.tracks,
            span_index=waveform.span_index,
            index=index,
            start_samples=waveform.start_samples + start,
            sample_rate_hz=waveform.sample_rate_hz,
            samples=samples,
            closes_tracks=last_span and index + 1 == len(pieces),
        )
        for index, (start, samples) in enumerate(pieces)
    ]


class CutSegments(beam.PTransform):
    """Waveforms into segments. Outputs `segments` and `outcomes`, one of these a span."""

    def __init__(self, segmentation: Segmentation) -> None:
        super().__init__()
        self.segmentation = segmentation

    def expand(self, waveforms: beam.PCollection) -> beam.pvalue.DoOutputsTuple:
        return waveforms | beam.ParDo(_CutSegments(self.segmentation)).with_outputs(
            "outcomes", main="segments"
        )


class _CutSegments(beam.DoFn):
    def __init__(self, segmentation: Segmentation) -> None:
        self.segmentation = segmentation

    def process(self, waveform: Waveform) -> Iterator[Segment | TaggedOutput]:
        segments = cut_segments(waveform, self.segmentation)
        sound_samples = sum(len(segment.samples) for segment in segments)
        first = waveform.tracks[0]
        for track in waveform.tracks:
            outcome = SpanOutcome(
                span_index=waveform.span_index,
                num_segments=len(segments),
                sound_s=sound_samples / waveform.sample_rate_hz,
                same_as_channel=None if track is first else first.channel,
                found_samples=waveform.found_samples,
            )
            yield TaggedOutput("outcomes", (track.key, outcome))
        yield from segments
