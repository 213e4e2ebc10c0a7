"""Emissions are joined frame by frame, and cut for decoding where nothing is said."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

import apache_beam as beam
import numpy as np
import pytest
from apache_beam.pvalue import TaggedOutput
from apache_beam.testing.test_pipeline import TestPipeline as Pipeline
from apache_beam.testing.util import assert_that, equal_to
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from transforms.records import Passage, Recording, Segment, Track, Waveform
from transforms.segment import FIXED, Segmentation, cut_segments
from transforms.stitch import (
    EmittedSegment,
    StitchEmissions,
    Stretch,
    StretchPlan,
    _StitchEmissions,
    cut_emission,
    cut_stretches,
    stitch,
)

RATE_HZ, FRAME = 1000, 20
SOUND, BLANK, BOUNDARY = range(3)
PLAN = StretchPlan(
    frame_samples=FRAME,
    longest_frames=40,
    overlap_frames=6,
    pause_frames=5,
    blank=BLANK,
    word_boundary=BOUNDARY,
)
SEGMENTATION = Segmentation(
    FIXED,
    FRAME,
    RATE_HZ,
    longest_s=2.0,
    shortest_s=0.2,
    context_s=0.2,
    search_s=0.1,
    seam_s=0.6,
    overlap_s=0.2,
)


def sound(count: int) -> NDArray[np.float32]:
    """Something that is not silent anywhere."""
    return np.resize(np.array([1, -1], np.float32), count)


def emission(tokens: Sequence[int]) -> NDArray[np.float32]:
    log_probs = np.full((len(tokens), 3), -5.0, dtype=np.float32)
    log_probs[np.arange(len(tokens)), tokens] = -0.01
    return log_probs


def waveform(
    samples: NDArray[np.float32], edges: Sequence[int] = (), around_samples: int = 0
) -> list[Waveform]:
    """The spans of a recording that is cut at `edges`, each with audio around it."""
    bounds = [0, *edges, len(samples)]
    track = Track(
        Recording("r", "r.wav"),
        None,
        RATE_HZ,
        1,
        len(samples),
        0,
        len(samples),
        "f",
        len(edges) + 1,
    )
    spans = []
    for index, (start, end) in enumerate(itertools.pairwise(bounds)):
        first, last = max(0, start - around_samples), min(len(samples), end + around_samples)
        spans.append(
            Waveform(
                (track,),
                index,
                first,
                RATE_HZ,
                samples[first:last],
                start if first < start else None,
                end if end < last else None,
            )
        )
    return spans


def hear(segment: Segment) -> EmittedSegment:
    """A model whose frame tells its place in the file, and how far its window reaches around it."""
    frames = 1 + len(segment.samples) // FRAME
    places = segment.start_samples + FRAME * np.arange(frames)
    before = np.arange(frames)
    return EmittedSegment(
        segment, np.stack([places, before, before[::-1]], axis=1).astype(np.float32)
    )


def passages(segments: Sequence[Segment]) -> list[list[Segment]]:
    return [
        list(group) for _, group in itertools.groupby(segments, key=lambda each: each.passage.index)
    ]


@given(st.integers(2, 20_000))
def test_stitched_frames_are_those_of_the_whole(count: int) -> None:
    (span,) = waveform(sound(count))
    segments = cut_segments(span, SEGMENTATION)
    stitched = stitch([hear(segment) for segment in segments])
    np.testing.assert_array_equal(stitched[:, 0], FRAME * np.arange(1 + count // FRAME))
    if len(segments) > 1:
        # All but the frames near the ends are heard with context on both sides.
        assert stitched[10:, 1].min() >= 10
        assert stitched[:-11, 2].min() >= 10
    assert all(len(segment.samples) <= 2000 for segment in segments)


@given(st.integers(3000, 12_000), st.integers(800, 2_000), st.integers(0, 2**32 - 1))
def test_neighbours_share_the_window_at_their_edge(count: int, edge: int, seed: int) -> None:
    samples = np.random.default_rng(seed).uniform(0.1, 1.0, count).astype(np.float32)
    around = round(SEGMENTATION.around_span_s * RATE_HZ)
    left, right = (cut_segments(span, SEGMENTATION) for span in waveform(samples, [edge], around))
    np.testing.assert_array_equal(left[-1].samples, right[0].samples)
    assert left[-1].start_samples == right[0].start_samples
    assert left[-1].passage.end_samples == right[0].passage.start_samples
    assert left[-1].passage.end_samples == edge // FRAME * FRAME
    assert sum(p.end_samples - p.start_samples for p in {s.passage for s in left + right}) == count


def test_silence_ends_a_passage() -> None:
    samples = sound(10_000)
    samples[3000:6000] = 0.0
    (span,) = waveform(samples)
    first, second = passages(cut_segments(span, SEGMENTATION))
    assert (first[0].passage.start_samples, first[0].passage.end_samples) == (0, 3260)
    assert (second[0].passage.start_samples, second[0].passage.end_samples) == (5740, 10_000)
    assert [segment.index for segment in first] == list(range(len(first)))
    assert first[0].passage.num_segments == len(first)
    assert second[0].passage.closes_tracks
    assert not first[0].passage.closes_tracks


def test_too_few_frames_break_the_contract() -> None:
    (span,) = waveform(sound(5000))
    segments = cut_segments(span, SEGMENTATION)
    short = EmittedSegment(segments[0], emission([SOUND] * 3))
    with pytest.raises(ValueError, match="3 frames"):
        stitch([short, *map(hear, segments[1:])])


tokens = st.lists(
    st.tuples(st.sampled_from([SOUND, BLANK, BOUNDARY]), st.integers(1, 12)), max_size=40
).map(lambda runs: [token for token, length in runs for _ in range(length)])


@given(tokens, st.integers(0, 6), st.integers(0, 6))
def test_every_row_is_owned_once(path: list[int], before: int, after: int) -> None:
    first, last = min(before, len(path)), max(before, len(path) - after)
    last = min(max(first, last), len(path))
    cuts = cut_emission(emission(path), first, last, PLAN)
    assert (cuts[0].first, cuts[-1].last) == (first, last)
    assert (cuts[0].start, cuts[-1].end) == (0, len(path))
    for one, other in itertools.pairwise(cuts):
        assert one.last == other.first
        assert one.end - one.last == other.first - other.start or other.start == 0
        assert one.end - one.last in {0, PLAN.overlap_frames, len(path) - one.last}
    for cut in cuts:
        assert cut.last - cut.first <= PLAN.longest_frames
        if len(cuts) > 1:
            assert cut.last - cut.first >= PLAN.longest_frames // 8


def test_the_longest_pause_is_cut_in_its_middle() -> None:
    path = [SOUND] * 60
    path[24:26] = [BOUNDARY, BLANK]
    path[30:36] = [BLANK] * 6
    assert cut_emission(emission(path), 0, 60, PLAN)[0].last == 33
    path[30:36] = [SOUND] * 6
    (one, other) = cut_emission(emission(path), 0, 60, PLAN)
    assert (one.end, one.last, other.start, other.first) == (25, 25, 25, 25)


def test_without_a_pause_both_sides_are_decoded_beyond_the_cut() -> None:
    path = [SOUND] * 60
    path[28:30] = [BLANK] * 2
    log_probs = emission(path)
    log_probs[27, BOUNDARY] = -0.5
    (one, other) = cut_emission(log_probs, 0, 60, PLAN)
    assert (one.start, one.end, one.first, one.last) == (0, 33, 0, 27)
    assert (other.start, other.end, other.first, other.last) == (21, 60, 27, 60)


def test_stretches_tile_the_passage() -> None:
    (span,) = waveform(sound(5000))
    segments = cut_segments(span, SEGMENTATION)
    stretches = cut_stretches([hear(segment) for segment in segments], PLAN)
    assert len(stretches) > 5000 / FRAME / PLAN.longest_frames
    assert (stretches[0].start_samples, stretches[-1].end_samples) == (0, 5000)
    for one, other in itertools.pairwise(stretches):
        assert one.end_samples == other.start_samples
        assert (one.end_samples + FRAME // 2) % FRAME == 0
    for stretch in stretches:
        assert stretch.log_probs[0, 0] == stretch.row_samples
        assert (
            stretch.row_samples + FRAME * stretch.first_row - FRAME // 2
            <= stretch.start_samples
            <= stretch.row_samples + FRAME * stretch.first_row
        )
    assert [stretch.closes_tracks for stretch in stretches] == [False] * (len(stretches) - 1) + [
        True
    ]


def segments_of(count: int) -> list[Segment]:
    (span,) = waveform(sound(count))
    return cut_segments(span, SEGMENTATION)


def stitched(emitted: Sequence[EmittedSegment]) -> tuple[list[int], list[str]]:
    """Where the stretches of a bundle begin, and the messages of failures."""
    stage = _StitchEmissions(PLAN)
    stage.start_bundle()
    found = [output for each in emitted for output in stage.process(each)]
    rest = [output.value.value for output in stage.finish_bundle()]
    starts = [each.start_samples for each in found if isinstance(each, Stretch)]
    failures = [each.value for each in found if isinstance(each, TaggedOutput)]
    return starts, [failure.message for failure in failures + rest]


def test_windows_may_come_in_any_order() -> None:
    emitted = [hear(segment) for segment in segments_of(5000)]
    starts, failures = stitched(emitted)
    assert starts[0] == 0
    assert len(starts) >= 7
    assert failures == []
    assert stitched(emitted[::-1]) == (starts, [])


def test_a_window_that_does_not_come_is_a_failure() -> None:
    emitted = [hear(segment) for segment in segments_of(5000)]
    starts, (message,) = stitched(emitted[1:])
    assert starts == []
    assert message.startswith("r.wav: ")
    assert f"{len(emitted) - 1} of {len(emitted)} windows arrived" in message


def test_what_is_not_finite_is_a_failure() -> None:
    emitted = [hear(segment) for segment in segments_of(5000)]
    emitted[1].log_probs[3, 1] = np.nan
    starts, (message,) = stitched(emitted)
    assert starts == []
    assert message.startswith("r.wav: ")
    assert "not finite" in message


def test_stretches_and_failures_come_out_of_a_pipeline() -> None:
    whole = [hear(segment) for segment in segments_of(700)]
    torn = [
        EmittedSegment(replace(each.segment, span_index=1), each.log_probs)
        for each in map(hear, segments_of(5000)[1:])
    ]
    with Pipeline(runner="FnApiRunner") as pipeline:
        outputs = pipeline | beam.Create([whole + torn]) | beam.FlatMap(list)
        outputs = outputs | StitchEmissions(PLAN)
        places = outputs.stretches | beam.Map(lambda each: (each.span_index, each.end_samples))
        assert_that(places, equal_to([(0, 700)]), label="stretches")
        errors = outputs.failures | beam.Map(lambda each: (each.stage, each.error_type))
        assert_that(errors, equal_to([("recognize", "IncompleteError")]), label="failures")


def test_what_is_heard_at_once_is_searched_at_once() -> None:
    passage = Passage(0, 1, 500, 1500)
    track = Track(Recording("r", "r.wav"), None, RATE_HZ, 1, 2000, 0, 2000, "f", 1)
    segment = Segment((track,), 0, passage, 0, 500, RATE_HZ, sound(1000))
    log_probs = emission([SOUND] * 51)
    (stretch,) = cut_stretches([EmittedSegment(segment, log_probs)], PLAN)
    np.testing.assert_array_equal(stretch.log_probs, log_probs)
    assert (stretch.start_samples, stretch.end_samples, stretch.row_samples) == (500, 1500, 500)
    assert (stretch.first_row, stretch.last_row) == (0, 51)
