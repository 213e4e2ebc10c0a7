"""The segments of a passage own all of it between them, and nothing twice."""

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.owned import owned_stretch
from transforms.records import Recording, Segment, Track, Waveform
from transforms.segment import FIXED, QUIET, Segmentation, cut_segments

RATE_HZ, FRAME_SAMPLES = 1_000, 20


def segments_of(
    num_samples: int, method: str, seams: tuple[bool, bool], seed: int
) -> list[Segment]:
    track = Track(
        recording=Recording("r", "r.wav"),
        channel=None,
        sample_rate_hz=RATE_HZ,
        num_channels=1,
        num_samples=100_000,
        start_sample=0,
        end_sample=100_000,
        fingerprint="f",
        num_spans=3,
    )
    samples = np.random.default_rng(seed).uniform(-0.5, 0.5, num_samples).astype(np.float32)
    around = 1_200
    waveform = Waveform(
        (track,),
        1,
        30_000,
        RATE_HZ,
        samples,
        30_000 + around if seams[0] else None,
        30_000 + num_samples - around if seams[1] else None,
    )
    segmentation = Segmentation(
        method,
        FRAME_SAMPLES,
        RATE_HZ,
        longest_s=4.0,
        shortest_s=0.5,
        context_s=0.3,
        search_s=0.2,
        seam_s=1.0,
        overlap_s=0.4,
    )
    return cut_segments(waveform, segmentation)


@settings(max_examples=60, deadline=None)
@given(
    num_samples=st.integers(3_000, 20_000),
    method=st.sampled_from([FIXED, QUIET]),
    seams=st.tuples(st.booleans(), st.booleans()),
    seed=st.integers(0, 1_000),
)
def test_a_passage_is_owned_once(
    num_samples: int, method: str, seams: tuple[bool, bool], seed: int
) -> None:
    segments = segments_of(num_samples, method, seams, seed)
    assert segments
    for _, group in itertools.groupby(segments, key=lambda segment: segment.passage.index):
        passage = sorted(group, key=lambda segment: segment.index)
        stretches = [owned_stretch(segment, FRAME_SAMPLES, 5) for segment in passage]
        assert stretches[0].start_samples == passage[0].passage.start_samples
        assert stretches[-1].end_samples == passage[-1].passage.end_samples
        for before, after in itertools.pairwise(stretches):
            assert before.start_samples < before.end_samples == after.start_samples
            # The same row of the file is the last of one and the first of the next.
            assert (
                before.row_samples + before.last_row * FRAME_SAMPLES
                == after.row_samples + after.first_row * FRAME_SAMPLES
            )
