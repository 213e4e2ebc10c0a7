"""Every frame is kept once and heard with context, wherever a passage or a span ends."""

from __future__ import annotations

import itertools
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.window import Reach, Window, plan_passage, plan_windows


@st.composite
def reaches(draw: st.DrawFn) -> Reach:
    context, search = draw(st.integers(0, 8)), draw(st.integers(0, 4))
    overlap = draw(st.integers(1, 8))
    seam = context + overlap + draw(st.integers(0, 8))
    needed = max(2 * seam, 2 * context + 5 * search + 1)
    return Reach(needed + draw(st.integers(0, 40)), context, search, seam, overlap)


def assert_kept_once(windows: list[Window], start: int, end: int) -> None:
    assert (windows[0].kept_start, windows[-1].kept_end) == (start, end)
    for before, after in itertools.pairwise(windows):
        assert before.kept_end == after.kept_start
    for window in windows:
        assert window.start <= window.kept_start <= window.kept_end <= window.end


@given(
    st.integers(-50, 50),
    st.integers(1, 400),
    reaches(),
    st.tuples(st.integers(0, 30), st.integers(0, 30)),
    st.randoms(use_true_random=False),
)
def test_frames_are_kept_once_with_context(
    start: int, length: int, reach: Reach, around: tuple[int, int], random: Random
) -> None:
    end = start + length
    audible = (start - around[0], end + around[1])
    windows = plan_windows(
        start, end, reach, audible, lambda cut: cut + random.randint(-reach.search, reach.search)
    )
    assert_kept_once(windows, start, end)
    for window in windows:
        assert window.end - window.start <= reach.longest
        assert window.start == max(audible[0], window.kept_start - reach.context)
        assert window.end == min(audible[1], window.kept_end + reach.context)
        assert window.kept_start < window.kept_end


@given(st.integers(1, 2000), reaches())
def test_there_are_no_more_windows_than_needed(length: int, reach: Reach) -> None:
    windows = plan_windows(0, length, reach, (0, length), int)
    fewer = len(windows) - 1
    room = fewer * (reach.longest - 2 * reach.context - 2 * reach.search) + 2 * reach.context
    assert fewer == 0 or room < length
    lengths = [window.end - window.start for window in windows]
    assert max(lengths) - min(lengths) <= 1


def test_what_fits_is_one_window() -> None:
    reach = Reach(longest=30, context=4, search=0, seam=6, overlap=2)
    assert plan_windows(0, 30, reach, (0, 30), int) == [Window(0, 30, 0, 30)]
    assert plan_windows(0, 31, reach, (0, 31), int) == [
        Window(0, 19, 0, 15),
        Window(11, 31, 15, 31),
    ]
    assert plan_windows(5, 5, reach, (0, 31), int) == []


@given(
    st.integers(1, 300),
    st.tuples(st.integers(1, 30), st.integers(1, 30)),
    reaches(),
    st.tuples(st.booleans(), st.booleans()),
)
def test_passages_reach_beyond_their_seams(
    length: int, around: tuple[int, int], reach: Reach, seams: tuple[bool, bool]
) -> None:
    start, end = 1000, 1000 + length
    audible = (start - around[0], end + around[1])
    windows = plan_passage(start, end, reach, audible, seams)
    assert_kept_once(
        windows,
        max(audible[0], start - reach.overlap) if seams[0] else start,
        min(audible[1], end + reach.overlap) if seams[1] else end,
    )
    for window in windows:
        assert window.end - window.start <= reach.longest
        assert audible[0] <= window.start < window.end <= audible[1]


@given(st.integers(1, 300), st.integers(1, 300), reaches())
def test_neighbours_hear_the_same_around_their_seam(left: int, right: int, reach: Reach) -> None:
    seam = 1000
    audible = (seam - left, seam + right)
    before = plan_passage(seam - left, seam, reach, audible, (False, True))
    after = plan_passage(seam, seam + right, reach, audible, (True, False))
    heard = (before[-1].start, before[-1].end)
    assert heard == (after[0].start, after[0].end)
    assert heard == (max(audible[0], seam - reach.seam), min(audible[1], seam + reach.seam))
    shared = range(
        max(before[-1].kept_start, after[0].kept_start), min(before[-1].kept_end, after[0].kept_end)
    )
    assert seam in shared


@pytest.mark.parametrize(
    "sizes",
    [(9, 2, 1, 3, 1), (20, -1, 0, 3, 1), (20, 2, -1, 3, 1), (20, 2, 1, 2, 1), (20, 2, 1, 11, 1)],
)
def test_sizes_that_do_not_fit_are_refused(sizes: tuple[int, int, int, int, int]) -> None:
    assert Reach(20, 2, 1, 3, 1).longest == 20
    with pytest.raises(ValueError, match="cannot be planned"):
        Reach(*sizes)
