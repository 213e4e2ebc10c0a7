"""Where known tokens stand in an emission: the best path that spells them.

Viterbi over CTC's states, a blank around every token (Graves et al., ICML 2006, section 4.1, with
the maximum for the sum). Letters: T frames, C classes, U tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray


def align_tokens(
    log_probs: NDArray[np.float32], tokens: Sequence[int], blank: int
) -> list[tuple[int, int]]:
    """Half-open frames `[start, end)` of each of `tokens` on the best path of `(T, C)`.

    Raises `ValueError` where the emission is too short to spell the tokens: each takes a frame,
    and so does the blank between two that are the same.
    """
    frames = len(log_probs)
    needed = len(tokens) + sum(a == b for a, b in pairwise(tokens))
    if frames < needed:
        raise ValueError(f"{len(tokens)} tokens need {needed} frames, but there are {frames}")
    if not tokens:
        return []
    states = np.full(2 * len(tokens) + 1, blank)
    states[1::2] = tokens
    heard = log_probs[:, states]
    # A token may follow the one before it without a blank, unless they are the same.
    skips = np.zeros(len(states), dtype=bool)
    skips[3::2] = states[3::2] != states[1:-2:2]
    barred = np.where(skips, 0.0, -np.inf).astype(np.float32)
    scores = np.full(len(states), -np.inf, dtype=np.float32)
    scores[:2] = heard[0, :2]
    steps = np.zeros((frames, len(states)), dtype=np.int8)
    reached = np.empty((3, len(states)), dtype=np.float32)
    for frame in range(1, frames):
        reached.fill(-np.inf)
        reached[0] = scores
        reached[1, 1:] = scores[:-1]
        np.add(scores[:-2], barred[2:], out=reached[2, 2:])
        steps[frame] = reached.argmax(axis=0)
        scores = reached.max(axis=0) + heard[frame]
    state = len(states) - 1 - int(scores[-2] > scores[-1])
    spans = [(0, 0)] * len(tokens)
    end = frames
    for frame in range(frames - 1, -1, -1):
        step = int(steps[frame, state])
        if step or not frame:
            if state % 2:
                spans[state // 2] = (frame, end)
            state, end = state - step, frame
    return spans
