"""Segments fit the model's window and lose nothing but silence."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import apache_beam as beam
import numpy as np
import pytest
from apache_beam.testing.test_pipeline import TestPipeline as Pipeline
from apache_beam.testing.util import assert_that, equal_to
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from transforms.quiet import is_silent
from transforms.records import Recording, Segment, SpanOutcome, Track, Waveform
from transforms.segment import (
    QUIET,
    SPEECH,
    CutSegments,
    Detect,
    Segmentation,
    cut_positions,
    cut_segments,
)
from transforms.speech import SpeechRules

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


CHUNK = 100
SPEAKING = Segmentation(
    SPEECH,
    FRAME_SAMPLES,
    RATE_HZ,
    longest_s=4.0,
    context_s=0.4,
    search_s=0.2,
    seam_s=1.0,
    overlap_s=0.4,
    rules=SpeechRules(chunk_samples=CHUNK, margin_s=0.2),
)


def probabilities(count: int, *speaking: tuple[int, int]) -> NDArray[np.float32]:
    values = np.zeros(-(-count // CHUNK), np.float32)
    for start, end in speaking:
        values[start // CHUNK : end // CHUNK] = 1.0
    return values


def passages(segments: list[Segment]) -> list[tuple[int, int]]:
    return [
        (passage.start_samples, passage.end_samples)
        for passage in dict.fromkeys(segment.passage for segment in segments)
    ]


def test_only_speech_is_heard() -> None:
    speech = probabilities(20_000, (1000, 2000), (5000, 15_000))
    segments = cut_segments(waveform(noise(20_000), start=5000), SPEAKING, speech)
    assert passages(segments) == [(5800, 7200), (9800, 20_200)]
    assert segments[0].passage.num_segments == 1
    assert segments[1].passage.num_segments == len(segments) - 1 > 2
    assert segments[-1].passage.closes_tracks
    for segment in segments:
        assert len(segment.samples) <= 4000


def test_where_nobody_speaks_nothing_is_heard() -> None:
    assert cut_segments(waveform(noise(9000)), SPEAKING, probabilities(9000)) == []


def test_a_detector_in_doubt_is_not_believed() -> None:
    doubtful = np.full(90, 0.2, np.float32)
    segments = cut_segments(waveform(noise(9000)), SPEAKING, doubtful)
    assert passages(segments) == [(0, 9000)]


@given(st.integers(2000, 8000), st.integers(0, 2000), st.integers(0, 2000))
def test_speech_over_an_edge_belongs_to_both_spans(edge: int, before: int, after: int) -> None:
    around = 1020
    samples = noise(10_000)
    track = waveform(samples, num_spans=2).tracks
    left = Waveform(track, 0, 0, RATE_HZ, samples[: edge + around], None, edge)
    right = Waveform(track, 1, edge - around, RATE_HZ, samples[edge - around :], edge, None)
    speaking = (max(0, edge - before - 200), edge + after + 200)
    whole = probabilities(10_000, speaking)
    starts = left.start_samples, right.start_samples
    found = [
        passages(cut_segments(span, SPEAKING, _shifted(whole, start, len(span.samples))))
        for span, start in zip((left, right), starts, strict=True)
    ]
    seam = edge // FRAME_SAMPLES * FRAME_SAMPLES
    owned = sorted(found[0] + found[1])
    assert all(end <= seam for _, end in found[0])
    assert all(start >= seam for start, _ in found[1])
    assert (owned[0][1], owned[-1][0]) == (seam, seam)
    assert owned[0][0] <= speaking[0] // CHUNK * CHUNK
    assert owned[-1][1] >= min(speaking[1] // CHUNK * CHUNK, edge + around)


def _shifted(whole: NDArray[np.float32], start: int, count: int) -> NDArray[np.float32]:
    """What the detector would say of a span: its chunks are counted from the span's start."""
    middles = start + CHUNK * np.arange(-(-count // CHUNK)) + CHUNK // 2
    return whole[np.minimum(middles // CHUNK, len(whole) - 1)]


@dataclass(frozen=True)
class LoudIsSpeech:
    def load(self) -> Detect:
        def detect(samples: NDArray[np.float32]) -> NDArray[np.float32]:
            chunks = samples[: len(samples) // CHUNK * CHUNK].reshape(-1, CHUNK)
            return (np.abs(chunks).max(axis=1) > 0.1).astype(np.float32)

        return detect


def test_a_worker_asks_its_detector() -> None:
    samples = noise(9000)
    samples[:6000] *= 0.01
    with Pipeline(runner="FnApiRunner") as pipeline:
        cut = pipeline | beam.Create([waveform(samples)]) | CutSegments(SPEAKING, LoudIsSpeech())
        places = cut.segments | beam.Map(lambda s: (s.passage.start_samples, s.passage.end_samples))
        assert_that(places, equal_to([(5800, 9000)]), label="segments")
