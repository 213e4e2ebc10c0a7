"""Segments fit the model's window and lose nothing but silence."""

from __future__ import annotations

import itertools

import apache_beam as beam
import numpy as np
import pytest
from apache_beam.testing.test_pipeline import TestPipeline as Pipeline
from apache_beam.testing.util import assert_that, equal_to
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from transforms.quiet import is_silent
from transforms.records import Recording, SpanOutcome, Track, Waveform
from transforms.segment import QUIET, CutSegments, Segmentation, cut_positions, cut_segments

RATE_HZ = 1000
FRAME_SAMPLES = 20
QUIETLY = Segmentation(QUIET, FRAME_SAMPLES, RATE_HZ, longest_s=4.0, shortest_s=0.5)


def noise(count: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).uniform(-0.5, 0.5, count).astype(np.float32)


def waveform(
    samples: NDArray[np.float32], index: int = 0, num_spans: int = 1, start: int = 0
) -> Waveform:
    track = Track(
        recording=Recording("r", "r.wav"),
        channel=None,
        sample_rate_hz=RATE_HZ,
        num_channels=1,
        num_samples=100_000,
        start_sample=0,
        end_sample=100_000,
        fingerprint="f",
        num_spans=num_spans,
    )
    return Waveform((track,), index, start, RATE_HZ, samples)


@settings(deadline=None)
@given(
    st.integers(0, 30_000),
    st.integers(0, 2**32 - 1),
    st.sampled_from([(4.0, 0.5), (2.0, 1.0), (30.0, 1.0), (1.0, 0.0)]),
)
def test_pieces_tile_and_fit(count: int, seed: int, window: tuple[float, float]) -> None:
    segmentation = Segmentation(QUIET, FRAME_SAMPLES, RATE_HZ, *window)
    positions = cut_positions(noise(count, seed), RATE_HZ, segmentation)
    assert (positions[0], positions[-1]) == (0, count)
    lengths = [end - start for start, end in itertools.pairwise(positions)]
    assert max(lengths) <= segmentation.longest_s * RATE_HZ
    if len(lengths) > 1:
        assert min(lengths) >= segmentation.shortest_s * RATE_HZ
        assert min(lengths[:-1]) >= segmentation.longest_s * RATE_HZ // 2


@pytest.mark.parametrize("count", [0, 1, 3999, 4000])
def test_what_fits_is_not_cut(count: int) -> None:
    assert cut_positions(noise(count), RATE_HZ, QUIETLY) == [0, count]


def test_one_sample_too_many_leaves_no_splinter() -> None:
    _, cut, end = cut_positions(noise(4001), RATE_HZ, QUIETLY)
    assert end == 4001
    assert 2000 <= cut <= 3501


@pytest.mark.parametrize("centre", [2150, 2800, 3850])
def test_cuts_at_a_pause(centre: int) -> None:
    samples = noise(7000)
    samples[centre - 120 : centre + 120] *= 1e-4
    positions = cut_positions(samples, RATE_HZ, QUIETLY)
    assert abs(positions[1] - centre) <= 20


def test_a_pause_in_the_earlier_half_is_passed_over() -> None:
    samples = noise(7000)
    samples[800:1200] = 0.0
    assert cut_positions(samples, RATE_HZ, QUIETLY)[1] >= 2000


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(2, 6000), st.booleans()), max_size=6))
def test_segments_hold_every_sound(stretches: list[tuple[int, bool]]) -> None:
    parts = [noise(count) * (1.0 if loud else 0.0) for count, loud in stretches]
    samples = np.concatenate([np.zeros(0), *parts]).astype(np.float32)
    segments = cut_segments(waveform(samples, start=5000), QUIETLY)
    rebuilt = np.zeros_like(samples)
    end = 0
    for index, segment in enumerate(segments):
        start = segment.start_samples - 5000
        assert (segment.passage.index, segment.index) == (index, 0)
        assert segment.sample_rate_hz == RATE_HZ
        assert start >= end
        assert not is_silent(segment.samples)
        end = start + len(segment.samples)
        rebuilt[start:end] = segment.samples
    np.testing.assert_array_equal(rebuilt, samples)


def test_a_silent_stretch_is_dropped() -> None:
    samples = noise(12_000)
    samples[3000:10_000] = 0.0
    pieces = cut_segments(waveform(samples), QUIETLY)
    assert sum(len(piece.samples) for piece in pieces) < 12_000
    assert [piece.passage.index for piece in pieces] == list(range(len(pieces)))


def test_only_the_last_segment_of_the_last_span_closes_the_track() -> None:
    samples = noise(9000)
    last = [s.passage.closes_tracks for s in cut_segments(waveform(samples, 1, 2), QUIETLY)]
    first = [s.passage.closes_tracks for s in cut_segments(waveform(samples, 0, 2), QUIETLY)]
    assert last == [False] * (len(last) - 1) + [True]
    assert not any(first)


def test_silence_has_no_segments() -> None:
    assert cut_segments(waveform(np.zeros(9000, np.float32)), QUIETLY) == []
    assert cut_segments(waveform(np.zeros(0, np.float32)), QUIETLY) == []


def test_every_span_has_one_outcome() -> None:
    waveforms = [
        waveform(noise(3000), 0, 3),
        waveform(np.zeros(5000, np.float32), 1, 3),
        waveform(np.zeros(0, np.float32), 2, 3),
    ]
    (track,) = waveforms[0].tracks
    with Pipeline(runner="FnApiRunner") as pipeline:
        cut = pipeline | beam.Create(waveforms) | CutSegments(QUIETLY)
        assert_that(
            cut.outcomes,
            equal_to(
                [
                    (track, SpanOutcome(0, 3000, RATE_HZ)),
                    (track, SpanOutcome(1, 0, RATE_HZ)),
                    (track, SpanOutcome(2, 0, RATE_HZ)),
                ]
            ),
            label="outcomes",
        )
        places = cut.segments | beam.Map(lambda s: (s.span_index, s.passage.index, len(s.samples)))
        assert_that(places, equal_to([(0, 0, 3000)]), label="segments")
