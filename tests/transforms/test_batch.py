"""Batches waste little and lose nothing."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import pairwise

import apache_beam as beam
import numpy as np
import pytest
from apache_beam.testing.test_pipeline import TestPipeline as Pipeline
from apache_beam.testing.util import assert_that
from apache_beam.utils.windowed_value import WindowedValue
from hypothesis import given
from hypothesis import strategies as st

from transforms.batch import (
    BatchBudget,
    BatchSegments,
    _BatchSegments,
    batch_segments,
    pack_lengths,
)
from transforms.records import Batch, Passage, Recording, Segment, Track

RATE_HZ = 100
TRACK = Track(Recording("r", "r.wav"), None, RATE_HZ, 1, 10_000, 0, 10_000, "f", 1)


def segment(index: int, seconds: float) -> Segment:
    samples = np.zeros(round(seconds * RATE_HZ), np.float32)
    return Segment((TRACK,), 0, Passage(0, 1, 0, len(samples)), index, 0, RATE_HZ, samples)


def indices(batches: list[Batch]) -> list[list[int]]:
    return [[segment.index for segment in batch] for batch in batches]


@given(st.lists(st.integers(0, 50), max_size=60), st.integers(0, 120))
def test_packing_law(lengths: list[int], budget: int) -> None:
    batches = pack_lengths(lengths, budget)
    assert Counter(i for batch in batches for i in batch) == Counter(range(len(lengths)))
    for batch in batches:
        longest = max(lengths[i] for i in batch)
        assert len(batch) == 1 or len(batch) * longest <= budget
    order = [i for batch in batches for i in batch]
    assert order == sorted(order, key=lambda i: (-lengths[i], i))
    for batch, following in pairwise(batches):
        assert (len(batch) + 1) * lengths[batch[0]] > budget, "the next one would have fitted"
        assert following


def test_packing_by_hand() -> None:
    assert pack_lengths([], 10) == []
    assert pack_lengths([3, 9, 4, 4, 11, 1], 10) == [[4], [1], [2, 3], [0, 5]]


@pytest.mark.parametrize("seed", range(5))
def test_little_is_padding_when_lengths_are_log_normal(seed: int) -> None:
    random = np.random.default_rng(seed)
    lengths = np.clip(random.lognormal(np.log(6), 0.8, 400), 0.5, 30) * 16_000
    whole = [round(length) for length in lengths]
    batches = pack_lengths(whole, 120 * 16_000)
    padded = sum(len(batch) * max(whole[i] for i in batch) for batch in batches)
    assert padded / sum(whole) < 1.15
    assert len(batches) < 1.5 * sum(whole) / (120 * 16_000) + 2


def test_segments_are_batched_by_their_length() -> None:
    assert batch_segments([], BatchBudget()) == []
    segments = [segment(0, 1.0), segment(1, 5.0), segment(2, 2.0), segment(3, 4.5)]
    assert indices(batch_segments(segments, BatchBudget(batch_s=10.0))) == [[2, 0], [1, 3]]


def test_what_came_first_is_finished_first() -> None:
    lengths_s = [5.0, 5.0, 1.0] * 3
    segments = [segment(index, length_s) for index, length_s in enumerate(lengths_s)]
    batches = indices(batch_segments(segments, BatchBudget(batch_s=10.0)))
    assert batches == [[0, 1], [2, 5, 8], [3, 4], [6, 7]]


def test_one_bundle_drains_when_full_and_when_it_ends() -> None:
    batcher = _BatchSegments(BatchBudget(batch_s=4.0, buffer_s=6.0))
    batcher.start_bundle()
    assert list(batcher.process(segment(0, 1.0))) == []
    assert list(batcher.process(segment(1, 3.0))) == []
    assert indices(list(batcher.process(segment(2, 2.0)))) == [[2, 0], [1]]
    assert list(batcher.process(segment(3, 5.9))) == []
    left = list(batcher.finish_bundle())
    assert all(isinstance(value, WindowedValue) for value in left)
    assert indices([value.value for value in left]) == [[3]]
    assert list(batcher.finish_bundle()) == []


@given(
    st.lists(st.lists(st.integers(0, 50), max_size=20), max_size=6),
    st.sampled_from([0.1, 2.0, 10.0, 1000.0]),
)
def test_no_bundle_loses_or_repeats_a_segment(bundles: list[list[int]], buffer_s: float) -> None:
    batcher = _BatchSegments(BatchBudget(batch_s=1.0, buffer_s=buffer_s))
    for lengths in bundles:
        segments = [segment(index, length / 10) for index, length in enumerate(lengths)]
        batcher.start_bundle()
        batches = [batch for item in segments for batch in batcher.process(item)]
        batches += [value.value for value in batcher.finish_bundle()]
        assert sorted(i for batch in indices(batches) for i in batch) == list(range(len(lengths)))


def test_a_bundle_begun_anew_forgets_the_one_that_failed() -> None:
    """A runner retries a failed bundle whole: what it left must not come twice."""
    batcher = _BatchSegments(BatchBudget(batch_s=100.0, buffer_s=100.0))
    batcher.start_bundle()
    list(batcher.process(segment(0, 1.0)))
    batcher.start_bundle()
    list(batcher.process(segment(0, 1.0)))
    assert indices([value.value for value in batcher.finish_bundle()]) == [[0]]


def test_the_transform_passes_every_segment_on() -> None:
    segments = [replace(segment(0, i % 7 + 0.5), index=i) for i in range(50)]

    def check(batches: list[Batch]) -> None:
        if sorted(i for batch in indices(batches) for i in batch) != list(range(50)):
            raise AssertionError(f"segments lost or repeated: {indices(batches)}")

    with Pipeline(runner="FnApiRunner") as pipeline:
        batches = pipeline | beam.Create(segments) | BatchSegments(BatchBudget(20.0, 60.0))
        assert_that(batches, check)
