"""Where the model's windows lie on a grid of frames: every frame is kept once, with context."""

from __future__ import annotations

import itertools
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
    the ends of the sound. At a seam between spans, frames are kept up to `overlap` beyond it.
    Raises `ValueError` where a window is all context, or does not hold a seam.
    """

    longest: int
    context: int
    overlap: int

    def __post_init__(self) -> None:
        if self.context < 0 or self.overlap < 0 or self.longest <= 2 * self.context:
            raise ValueError(f"a window of {self.longest} frames holds {self.context} twice")
        if self.longest < 2 * self.seam:
            raise ValueError(f"a window of {self.longest} frames must hold {self.seam} twice")

    @property
    def seam(self) -> int:
        """How far beyond a seam its window reaches."""
        return self.context + self.overlap


def plan_windows(
    start: int, end: int, reach: Reach, open_start: bool = False, open_end: bool = False
) -> list[Window]:
    """The fewest windows that keep `[start, end)`, all of about one length.

    Where an end is open there is sound beyond it, and `context` of it is heard as well.
    """
    if start >= end:
        return []
    first = start - reach.context * open_start
    last = end + reach.context * open_end
    inner = last - first - 2 * reach.context
    count = max(1, -(-inner // (reach.longest - 2 * reach.context)))
    if last - first <= reach.longest:
        count = 1
    cuts = [first + reach.context + inner * index // count for index in range(1, count)]
    edges = [start, *cuts, end]
    return [
        Window(
            max(first, kept_start - reach.context),
            min(last, kept_end + reach.context),
            kept_start,
            kept_end,
        )
        for kept_start, kept_end in itertools.pairwise(edges)
    ]


def plan_passage(
    start: int,
    end: int,
    reach: Reach,
    audible: tuple[int, int],
    seams: tuple[bool, bool] = (False, False),
) -> list[Window]:
    """Windows that keep `[start, end)`, and `overlap` frames more where an end is a seam.

    `audible` bounds the frames that there are, `seams` says whether start and end are seams. A seam
    has a window of its own that depends on nothing but the seam, so that both of its neighbours
    hear the same there.
    """
    windows = []
    inner_start, inner_end = start, end
    if seams[0]:
        inner_start = min(start + reach.overlap, (start + end) // 2 if seams[1] else end)
        windows.append(
            _seam_window(start, max(audible[0], start - reach.overlap), inner_start, reach, audible)
        )
    if seams[1]:
        inner_end = max(end - reach.overlap, inner_start)
    windows += plan_windows(inner_start, inner_end, reach, *seams)
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
