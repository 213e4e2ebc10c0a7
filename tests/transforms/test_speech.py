"""No speech is lost between a detector's probabilities and what is heard."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from transforms.speech import Region, SpeechRules, find_speech, group_speech, speech_regions

CHUNK, RATE_HZ = 100, 1000
RULES = SpeechRules(
    chunk_samples=CHUNK,
    begins=0.5,
    ends=0.2,
    doubts=0.1,
    pause_s=0.3,
    shortest_s=0.2,
    margin_s=0.25,
    apart_s=1.0,
)


def probabilities(*values: float) -> NDArray[np.float32]:
    return np.array(values, dtype=np.float32)


def speech(*values: float) -> list[Region]:
    return find_speech(probabilities(*values), RATE_HZ, RULES)


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ([], []),
        ([0.4, 0.4, 0.4], []),
        ([0.1, 0.6, 0.3, 0.3, 0.1], [(100, 400)]),
        ([0.3, 0.6, 0.6, 0.1, 0.4, 0.1], [(100, 300)]),
        ([0.6, 0.6, 0.1, 0.1, 0.6], [(0, 500)]),
        ([0.6, 0.6, 0.1, 0.1, 0.1, 0.6, 0.6], [(0, 200), (500, 700)]),
        ([0.1, 0.6, 0.1, 0.1, 0.1, 0.6, 0.6], [(500, 700)]),
    ],
    ids=["none", "never begins", "lasts", "ends", "short pause", "pause", "too short"],
)
def test_speech_begins_lasts_and_ends(values: list[float], found: list[Region]) -> None:
    assert speech(*values) == found


levels = st.lists(st.tuples(st.sampled_from([0.0, 0.3, 0.9]), st.integers(1, 30)), max_size=30).map(
    lambda runs: np.repeat([level for level, _ in runs], [count for _, count in runs])
)


@given(levels.map(lambda values: values.astype(np.float32)))
def test_every_long_enough_sound_of_speech_is_found(values: NDArray[np.float32]) -> None:
    found = find_speech(values, RATE_HZ, RULES)
    inside = np.zeros(len(values), dtype=bool)
    for start, end in found:
        assert end - start >= RULES.shortest_s * RATE_HZ
        inside[start // CHUNK : end // CHUNK] = True
    for before, after in itertools.pairwise(found):
        assert after[0] - before[1] >= RULES.pause_s * RATE_HZ
    sure = values >= RULES.begins
    edges = np.flatnonzero(np.diff(sure, prepend=False, append=False)).reshape(-1, 2)
    for start, end in edges.tolist():
        if end - start >= 2:
            assert inside[start:end].all()


@given(
    st.lists(st.tuples(st.integers(300, 3000), st.integers(200, 9000)), max_size=20),
    st.sampled_from([2.0, 4.0, 30.0]),
)
def test_groups_hold_all_speech_and_fit(pauses: list[tuple[int, int]], longest_s: float) -> None:
    regions: list[Region] = []
    end = 0
    for pause, length in pauses:
        regions.append((end + pause, end + pause + length))
        end += pause + length
    groups = group_speech(regions, longest_s, RATE_HZ, RULES)
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(groups))
    for start, end in groups:
        assert start >= 0
        held = [each for each in regions if start <= each[0] and each[1] <= end]
        assert held
        assert len(held) == 1 or end - start <= longest_s * RATE_HZ
        # Margins are whole, but for what two groups share between them.
        assert held[0][0] - start >= min(RULES.margin_s * RATE_HZ, 150)
        assert end - held[-1][1] >= min(RULES.margin_s * RATE_HZ, 150)
        regions = [each for each in regions if each not in held]
    assert regions == []


def test_the_longest_pause_of_the_later_half_parts_two_groups() -> None:
    regions = [(0, 400), (900, 1800), (2200, 2400), (2700, 3200), (3500, 4400)]
    groups = group_speech(regions, 4.0, RATE_HZ, RULES)
    assert groups == [(0, 2000), (2000, 4650)]


def test_speech_far_apart_is_heard_apart() -> None:
    assert group_speech([(500, 900), (1900, 2500)], 30.0, RATE_HZ, RULES) == [
        (250, 1150),
        (1650, 2750),
    ]


@pytest.mark.parametrize(
    ("most", "heard"), [(0.05, []), (0.1, [(0, 3000)]), (0.4, [(0, 3000)]), (0.6, [(750, 1450)])]
)
def test_a_detector_in_doubt_is_not_believed(most: float, heard: list[Region]) -> None:
    values = probabilities(*[0.01] * 30)
    values[10:12] = most
    assert speech_regions(values, [(0, 3000)], 30.0, RATE_HZ, RULES) == heard
