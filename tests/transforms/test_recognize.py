"""Words belong to one stretch, with times in seconds of their recording."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import Hypothesis, Word
from transforms.recognize import place_words
from transforms.records import Recording, TimedWord, Track
from transforms.stitch import Stretch

RATE_HZ, FRAME = 16_000, 320
TRACK = Track(Recording("r", "r.wav"), None, RATE_HZ, 1, 10**9, 0, 10**9, "f", 1)


def stretch(
    start_samples: int, end_samples: int, row_samples: int, first_row: int, last_row: int
) -> Stretch:
    return Stretch(
        tracks=(TRACK,),
        span_index=3,
        sample_rate_hz=RATE_HZ,
        start_samples=start_samples,
        end_samples=end_samples,
        row_samples=row_samples,
        first_row=first_row,
        last_row=last_row,
        log_probs=np.zeros((0, 3), np.float32),
        closes_tracks=False,
    )


def hypothesis(*words: tuple[str, int, int]) -> Hypothesis:
    return Hypothesis((), tuple(Word(*word, 0.5) for word in words), 0.0)


def test_times_are_positions_divided_once() -> None:
    ten_hours = 36_000 * RATE_HZ
    place = stretch(ten_hours, ten_hours + 3200, ten_hours, 0, 11)
    transcript = place_words(place, hypothesis(("a", 0, 2), ("b", 5, 11)), FRAME)
    assert (transcript.start_s, transcript.end_s) == (36_000.0, 36_000.2)
    assert transcript.order == (3, ten_hours)
    assert transcript.num_samples == 3200
    assert transcript.words == (
        TimedWord("a", 36_000.0, (ten_hours + 480) / RATE_HZ, 0.5),
        TimedWord("b", (ten_hours + 1440) / RATE_HZ, 36_000.2, 0.5),
    )


@pytest.mark.parametrize(("frames", "owner"), [((6, 13), 0), ((7, 13), 1), ((9, 11), 1)])
def test_the_middle_of_a_word_decides_whose_it_is(frames: tuple[int, int], owner: int) -> None:
    """Both sides decode the word whole; the left from row 0 on, the right from row 4 on."""
    left = stretch(0, 3200, 0, 0, 10)
    right = stretch(3200, 6400, 4 * FRAME, 6, 17)
    start, end = frames
    found = [
        place_words(left, hypothesis(("word", start, end)), FRAME).words,
        place_words(right, hypothesis(("word", start - 4, end - 4)), FRAME).words,
    ]
    assert [len(words) for words in found] == [owner == 0, owner == 1]
    (word,) = found[owner]
    assert word.start_s >= owner * 0.2
    assert word.end_s <= 0.2 + owner * 0.2


words = st.lists(st.tuples(st.integers(0, 20), st.integers(1, 20)), min_size=1, max_size=12)


@given(words, st.integers(0, 400), st.integers(0, 40))
def test_no_word_is_lost_or_doubled_between_two(
    gaps: list[tuple[int, int]], edge: int, overlap: int
) -> None:
    spoken, frame = [], 0
    for index, (gap, length) in enumerate(gaps):
        spoken.append((str(index), frame + gap, frame + gap + length))
        frame += gap + length
    edge = min(edge, frame)
    end, back = (frame + 1) * FRAME, max(0, edge - overlap)
    left = stretch(0, edge * FRAME, 0, 0, edge)
    right = stretch(edge * FRAME, end, back * FRAME, edge - back, frame + 2 - back)
    shifted = [(word, start - back, stop - back) for word, start, stop in spoken]
    transcripts = [
        place_words(left, hypothesis(*spoken), FRAME),
        place_words(right, hypothesis(*shifted), FRAME),
    ]
    assert [word.text for each in transcripts for word in each.words] == [w for w, _, _ in spoken]
    for each in transcripts:
        last = each.start_s
        for word in each.words:
            assert last <= word.start_s <= word.end_s <= each.end_s
            last = word.end_s
