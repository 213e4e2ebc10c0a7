"""Beam search over a transducer's token sequences, for a whole batch at once.

Frame by frame (Graves 2012, arXiv:1211.3711): a hypothesis may take up to `most_tokens` tokens at
a frame and then its blank, and alignments of one token sequence are added up. With a beam as wide
as the space and no threshold the scores are the exact log-probabilities of the sequences. The
hypotheses of all items share one call of the joiner and one of the prediction network a step.

Letters: B batch, N hypotheses, T frames, D features, C classes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.decode.fusion import Fusion, FusionState, NoFusion
from models.decode.transducer import Prediction, TokenPath, Transducer
from models.decode.transducer_options import TransducerBeamOptions


@dataclass(frozen=True, slots=True)
class Candidate:
    """One token sequence: its best alignment, the sum of all of them, and where it goes on.

    `log_prob` sums its alignments, `bonus` is the fusion's, `prediction` has one row.
    """

    path: TokenPath
    log_prob: float
    bonus: float
    fusion: FusionState
    prediction: Prediction

    @property
    def total(self) -> float:
        return self.log_prob + self.bonus


Beam = tuple[Candidate, ...]
"""The candidates of one item, best first."""


def begin_beams(begin: Prediction, fusion: Fusion) -> list[Beam]:
    """One empty candidate for each row of what is predicted at the beginning."""
    rows = torch.arange(len(begin.output), device=begin.output.device)
    return [
        (Candidate(TokenPath(), 0.0, 0.0, fusion.begin(), begin.select(rows[row : row + 1])),)
        for row in range(len(rows))
    ]


def rnnt_beam(
    model: Transducer,
    encoded: Tensor,
    lengths: Tensor,
    blank: int,
    beams: Sequence[Beam],
    options: TransducerBeamOptions,
    *,
    fusion: Fusion | None = None,
    first_frame: int = 0,
) -> list[Beam]:
    """Go on with `beams` over `(B, T, D)` encodings with `(B,)` lengths; best candidates first.

    `first_frame` is what the first of `encoded` is called in the paths.
    """
    weigh = fusion or NoFusion()
    beams = list(beams)
    num_frames = lengths.tolist()
    for frame in range(max(num_frames, default=0)):
        items = [item for item, length in enumerate(num_frames) if frame < length]
        level = [(item, candidate) for item in items for candidate in beams[item]]
        ended: dict[int, dict[tuple[int, ...], Candidate]] = {item: {} for item in items}
        for step in range(options.most_tokens + 1):
            log_probs = _join(model, encoded[:, frame], level)
            for (item, candidate), blank_log_prob in zip(
                level, log_probs[:, blank].tolist(), strict=True
            ):
                _end(ended[item], candidate, candidate.log_prob + blank_log_prob)
            if step == options.most_tokens:
                break
            log_probs[:, blank] = -np.inf
            level = _extend(model, level, log_probs, ended, options, weigh, first_frame + frame)
            if not level:
                break
        for item in items:
            beams[item] = _prune(ended[item].values(), options)
    return beams


def finish_beams(beams: Sequence[Beam], fusion: Fusion, num_best: int) -> list[list[TokenPath]]:
    """The best paths of each item, their scores with the fusion's verdict on how they end."""
    results = []
    for beam in beams:
        scored = [
            replace(candidate.path, score=candidate.total + fusion.finish(candidate.fusion))
            for candidate in beam
        ]
        results.append(sorted(scored, key=lambda path: -path.score)[:num_best])
    return results


def _join(
    model: Transducer, encoded: Tensor, level: Sequence[tuple[int, Candidate]]
) -> NDArray[np.float64]:
    rows = torch.tensor([item for item, _ in level], device=encoded.device)
    predicted = torch.cat([candidate.prediction.output for _, candidate in level])
    return model.log_probs(encoded[rows], predicted).cpu().double().numpy()


def _end(ended: dict[tuple[int, ...], Candidate], candidate: Candidate, log_prob: float) -> None:
    """Add the candidate with its blank to those that are through with the frame."""
    other = ended.get(candidate.path.tokens)
    if other is None:
        ended[candidate.path.tokens] = replace(candidate, log_prob=log_prob)
        return
    best = candidate.path if log_prob > other.log_prob else other.path
    both = float(np.logaddexp(log_prob, other.log_prob))
    ended[candidate.path.tokens] = replace(other, path=best, log_prob=both)


def _extend(
    model: Transducer,
    level: Sequence[tuple[int, Candidate]],
    log_probs: NDArray[np.float64],
    ended: dict[int, dict[tuple[int, ...], Candidate]],
    options: TransducerBeamOptions,
    fusion: Fusion,
    frame: int,
) -> list[tuple[int, Candidate]]:
    """The candidates of `level` with each token that is worth a call of the prediction network."""
    chosen: list[tuple[int, Candidate, int]] = []
    for item, candidates in ended.items():
        rows = [row for row, (owner, _) in enumerate(level) if owner == item]
        if not rows:
            continue
        floor = _floor([candidate.total for candidate in candidates.values()], options)
        totals = np.array([level[row][1].total for row in rows])[:, None] + log_probs[rows]
        width = totals.shape[1]
        flat = totals.ravel()
        places = np.flatnonzero(flat > floor)
        if len(places) > options.beam_size:
            places = places[np.argsort(-flat[places], kind="stable")[: options.beam_size]]
        chosen += [
            (rows[place // width], level[rows[place // width]][1], place % width)
            for place in places.tolist()
        ]
    if not chosen:
        return []
    device = chosen[0][1].prediction.output.device
    predicted = model.predict(
        torch.tensor([token for _, _, token in chosen], device=device),
        Prediction.stack([candidate.prediction for _, candidate, _ in chosen]),
    )
    indices = torch.arange(len(chosen), device=device)
    extended = []
    for index, (row, candidate, token) in enumerate(chosen):
        log_prob = float(log_probs[row, token])
        state, bonus = fusion.advance(candidate.fusion, token)
        path = candidate.path + TokenPath((token,), (frame,), (log_prob,))
        extended.append(
            (
                level[row][0],
                Candidate(
                    path,
                    candidate.log_prob + log_prob,
                    candidate.bonus + bonus,
                    state,
                    predicted.select(indices[index : index + 1]),
                ),
            )
        )
    return extended


def _floor(totals: Sequence[float], options: TransducerBeamOptions) -> float:
    """What an extension must exceed: the threshold, and the last place of a full beam."""
    floor = max(totals) - options.beam_threshold
    if len(totals) >= options.beam_size:
        floor = max(floor, sorted(totals, reverse=True)[options.beam_size - 1])
    return floor if math.isfinite(floor) else -math.inf


def _prune(candidates: Iterable[Candidate], options: TransducerBeamOptions) -> Beam:
    ranked = sorted(candidates, key=lambda candidate: -candidate.total)
    floor = ranked[0].total - options.beam_threshold
    return tuple(c for c in ranked[: options.beam_size] if c.total >= floor)
