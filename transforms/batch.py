"""Batches by padded seconds: what a batch costs is its longest segment times their number."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import apache_beam as beam
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.windowed_value import WindowedValue

from transforms.records import Batch, Segment


@dataclass(frozen=True)
class BatchBudget:
    """`batch_s` bounds a batch's padded seconds, `buffer_s` what waits to be sorted."""

    batch_s: float = 40.0
    buffer_s: float = 1200.0


def pack_lengths(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Indices of `lengths` in batches, longest first, each `count * longest <= budget`.

    An item longer than the budget is a batch of its own. Equal lengths keep their order.
    """
    batches: list[list[int]] = []
    longest = 0
    for index in sorted(range(len(lengths)), key=lambda index: -lengths[index]):
        if batches and (len(batches[-1]) + 1) * longest <= budget:
            batches[-1].append(index)
        else:
            batches.append([index])
            longest = lengths[index]
    return batches


def batch_segments(segments: Sequence[Segment], budget: BatchBudget) -> list[Batch]:
    """Segments into batches: filled longest first, in the order of their earliest segments.

    So recordings, and the spans of a long one, are finished one after another and come to the
    journal, where by length the short pieces at their ends would keep all of them to the last.
    """
    if not segments:
        return []
    packed = pack_lengths(
        [len(segment.samples) for segment in segments],
        round(budget.batch_s * segments[0].sample_rate_hz),
    )
    return [tuple(segments[index] for index in batch) for batch in sorted(packed, key=min)]


class BatchSegments(beam.PTransform):
    """Segments into batches, over a buffer of bounded seconds within each bundle."""

    def __init__(self, budget: BatchBudget) -> None:
        super().__init__()
        self.budget = budget

    def expand(self, segments: beam.PCollection) -> beam.PCollection:
        return segments | beam.ParDo(_BatchSegments(self.budget))


class _BatchSegments(beam.DoFn):
    def __init__(self, budget: BatchBudget) -> None:
        self.budget = budget
        self._buffer: list[Segment] = []
        self._buffered_s = 0.0

    def start_bundle(self) -> None:
        self._buffer = []
        self._buffered_s = 0.0

    def process(self, segment: Segment) -> Iterator[Batch]:
        self._buffer.append(segment)
        self._buffered_s += len(segment.samples) / segment.sample_rate_hz
        if self._buffered_s >= self.budget.buffer_s:
            yield from self._drain()

    def finish_bundle(self) -> Iterator[WindowedValue]:
        window = GlobalWindow()
        for batch in self._drain():
            yield WindowedValue(batch, window.max_timestamp(), [window])

    def _drain(self) -> list[Batch]:
        batches = batch_segments(self._buffer, self.budget)
        self._buffer, self._buffered_s = [], 0.0
        return batches
