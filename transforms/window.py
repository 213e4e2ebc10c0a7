"""Where the model's windows lie on a grid of frames: every frame is kept once, with context."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Window:
    """Frames `[start, end)` are heard at once; of what is heard, `[kept_start, kept_end)` count."""

    start: int
    end: int
    kept_start: int
    kept_end: int


@dataclass(frozen=True, slots=True)
class Reach:
    """Sizes of windows in frames.

    A window has at most `longest`; every kept frame has `context` on both sides, but for those near
    the ends of the sound. The edge between two windows may be moved by up to `search`. The window
    at a seam between spans reaches `seam` to both sides; beyond the seam, `overlap` frames of it
    are kept. Raises `ValueError` where a window does not hold all that.
    """

    longest: int
    context: int
    search: int
    seam: int
    overlap: int

    def __post_init__(self) -> None:
        if (
            min(self.context, self.search, self.overlap - 1) < 0
            or self.longest <= 2 * self.context + 5 * self.search
            or not self.context + self.overlap <= self.seam <= self.longest // 2
        ):
            raise ValueError(f"windows cannot be planned with {self}")


Settle = Callable[[int], int]
"""Moves the edge between two windows to a better place, by no more than `Reach.search`."""


def plan_windows(
    start: int, end: int, reach: Reach, audible: tuple[int, int], settle: Settle
) -> list[Window]:
    """The fewest windows that keep `[start, end)`, all of about one length.

    Between `audible[0]` and `audible[1]` there is sound that can be heard as context.
    """
    if start >= end:
        return []
    first = max(audible[0], start - reach.context)
    last = min(audible[1], end + reach.context)
    # What windows keep on the whole, were the outer ones to lack context.
    inner = last - first - 2 * reach.context
    count = 1
    if last - first > reach.longest:
        count = -(-inner // (reach.longest - 2 * reach.context - 2 * reach.search))
    cuts = [settle(first + reach.context + inner * index // count) for index in range(1, count)]
    return [
        Window(
            max(first, kept_start - reach.context),
            min(last, kept_end + reach.context),
            kept_start,
            kept_end,
        )
        for kept_start, kept_end in itertools.pairwise([start, *cuts, end])
    ]


def plan_passage(
    start: int,
    end: int,
    reach: Reach,
    audible: tuple[int, int],
    seams: tuple[bool, bool] = (False, False),
    settle: Settle = int,
) -> list[Window]:
    """Windows that keep `[start, end)`, and `overlap` frames more where an end is a seam.

    `audible` bounds the frames that there are, `seams` says whether start and end are seams. A seam
    has a window of its own that depends on nothing but the seam, so that both of its neighbours
    hear the same there.
    """
    windows = []
    inner_start, inner_end = start, end
    kept = reach.seam - reach.context
    if seams[0]:
        inner_start = min(start + kept, (start + end) // 2 if seams[1] else end)
        windows.append(
            _seam_window(start, max(audible[0], start - reach.overlap), inner_start, reach, audible)
        )
    if seams[1]:
        inner_end = max(end - kept, inner_start)
    around = (audible[0] if seams[0] else start, audible[1] if seams[1] else end)
    windows += plan_windows(inner_start, inner_end, reach, around, settle)
    if seams[1]:
        windows.append(
            _seam_window(end, inner_end, min(audible[1], end + reach.overlap), reach, audible)
        )
    return windows


def _seam_window(
    seam: int, kept_start: int, kept_end: int, reach: Reach, audible: tuple[int, int]
) -> Window:
    return Window(
        max(audible[0], seam - reach.seam), min(audible[1], seam + reach.seam), kept_start, kept_end
    )
