"""Where somebody speaks: a detector's probabilities as stretches worth hearing."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Region = tuple[int, int]
"""Samples `[start, end)`."""


@dataclass(frozen=True)
class SpeechRules:
    """How probabilities, one for each `chunk_samples`, become stretches of speech.

    Speech begins where the probability reaches `begins` and lasts until it has stayed under `ends`
    for `pause_s`; less than `shortest_s` of it is no speech. `margin_s` are heard on either side.
    Stretches with less than `apart_s` between them are heard together, as far as a window holds.
    Where nothing counts as speech but the probability once reaches `doubts`, all is heard.
    """

    chunk_samples: int = 512
    begins: float = 0.3
    ends: float = 0.15
    doubts: float = 0.1
    pause_s: float = 0.3
    shortest_s: float = 0.06
    margin_s: float = 0.4
    apart_s: float = 2.0


def speech_regions(
    probabilities: NDArray[np.float32],
    sound: Sequence[Region],
    longest_s: float,
    rate_hz: int,
    rules: SpeechRules,
) -> list[Region]:
    """What of the `sound` of a waveform is worth hearing, in samples.

    Where the detector is in doubt whether anybody speaks at all, it is not believed.
    """
    speech = find_speech(probabilities, rate_hz, rules)
    if not speech and (probabilities >= rules.doubts).any():
        return list(sound)
    return group_speech(speech, longest_s, rate_hz, rules)


def find_speech(
    probabilities: NDArray[np.float32], rate_hz: int, rules: SpeechRules
) -> list[Region]:
    """Stretches of speech in samples, without their margins."""
    # A chunk under `ends` ends speech, one from `begins` on starts it, what is between goes on.
    state = np.where(probabilities >= rules.begins, 1, np.where(probabilities < rules.ends, 0, -1))
    told = np.flatnonzero(state >= 0)
    if len(told) == 0:
        return []
    latest = np.searchsorted(told, np.arange(len(state)), side="right") - 1
    speaking = np.where(latest >= 0, state[told[np.maximum(latest, 0)]], 0) == 1
    edges = np.flatnonzero(np.diff(speaking, prepend=False, append=False))
    runs = (edges.reshape(-1, 2) * rules.chunk_samples).tolist()
    joined = _join(runs, round(rules.pause_s * rate_hz))
    shortest = round(rules.shortest_s * rate_hz)
    return [(start, end) for start, end in joined if end - start >= shortest]


def group_speech(
    speech: Sequence[Region], longest_s: float, rate_hz: int, rules: SpeechRules
) -> list[Region]:
    """Stretches of speech in groups that a window of `longest_s` holds, each with its margins.

    Speech goes from one group to the next at its longest pause in the later half of the window. A
    stretch that is longer than the window by itself stays whole. Groups do not overlap; the last
    margin may reach beyond the sound.
    """
    margin, apart = round(rules.margin_s * rate_hz), round(rules.apart_s * rate_hz)
    longest = round(longest_s * rate_hz) - 2 * margin
    groups: list[list[Region]] = []
    if not speech:
        return []
    for region in speech:
        if not groups or region[0] - groups[-1][-1][1] >= apart:
            groups.append([region])
            continue
        group = [*groups.pop(), region]
        while len(group) > 1 and group[-1][1] - group[0][0] > longest:
            split = _longest_pause(group, group[0][0] + longest // 2)
            groups.append(group[:split])
            group = group[split:]
        groups.append(group)
    bounds = [(group[0][0], group[-1][1]) for group in groups]
    # Where two margins would meet, each takes half of what is between them.
    halves = [(before[1] + after[0]) // 2 for before, after in itertools.pairwise(bounds)]
    return [
        (max(start - margin, earliest), min(end + margin, latest))
        for (start, end), earliest, latest in zip(
            bounds, [0, *halves], [*halves, bounds[-1][1] + margin], strict=True
        )
    ]


def _longest_pause(group: Sequence[Region], earliest: int) -> int:
    """The index in `group` after its longest pause from `earliest` on, or after its last pause."""
    pauses = [
        (group[index][0] - group[index - 1][1], index)
        for index in range(1, len(group))
        if group[index - 1][1] >= earliest or index + 1 == len(group)
    ]
    return max(pauses)[1]


def _join(runs: Iterable[Sequence[int]], gap: int) -> list[Region]:
    joined: list[Region] = []
    for start, end in runs:
        if joined and start - joined[-1][1] < gap:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return joined
