"""Words from a CTC emission under an n-gram model that does not bind them to its vocabulary.

Prefix beam search (Hannun et al. 2014, arXiv:1408.2873): a hypothesis is a sequence of tokens, and
its probability the sum over all paths that spell it. The language model scores a word when it is
complete; one that it does not know, a name say, costs `unk_score` and lives on. Letters: T frames,
C classes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.decode.ctc_alignment import align_tokens
from models.decode.prefix import Prefix, dissolve
from models.decode.word_scores import OpenSearchOptions, WordScores
from models.hypothesis import Hypothesis, Word
from models.vocabulary import Vocabulary

NEGLIGIBLE = 10.0
"""Nats behind the best at which a hypothesis no longer counts for a word's confidence."""


@dataclass(frozen=True, slots=True)
class _Frame:
    """What one frame may be: the blank's probability, and the likeliest tokens with theirs."""

    blank: float
    tokens: tuple[tuple[int, float], ...]
    probability: dict[int, float]


class CtcOpenDecoder:
    """Open-vocabulary beam search over emissions of one vocabulary.

    Built again from its arguments when unpickled, since KenLM cannot be serialised; one instance
    serves one thread at a time. Errors are those of `load_language_model`.
    """

    def __init__(
        self,
        words: Sequence[str],
        language_model_path: Path,
        vocabulary: Vocabulary,
        options: OpenSearchOptions,
    ) -> None:
        self._recipe = (words, language_model_path, vocabulary, options)
        self._vocabulary = vocabulary
        self._options = options
        self._scores = WordScores(words, language_model_path, options)
        self._texts = [vocabulary.text(index) for index in range(len(vocabulary))]
        self._starts = [vocabulary.starts_word(index) for index in range(len(vocabulary))]

    def __reduce__(self) -> tuple[type[CtcOpenDecoder], tuple[Any, ...]]:
        return type(self), self._recipe

    def decode(self, log_probs: NDArray[np.float32]) -> Hypothesis:
        """The best reading of one emission (T, C) of natural-log probabilities.

        Words come in order, do not overlap and lie in [0, T]. A word starts with the first frame of
        its first token and ends after the last frame of its last, on the best path that spells the
        hypothesis. T = 0 gives an empty hypothesis. Raises `ValueError` for another number of
        classes or axes, or for NaN.
        """
        classes = len(self._vocabulary)
        if log_probs.ndim != 2 or log_probs.shape[1] != classes:
            raise ValueError(f"expected an emission (T, {classes}), found {log_probs.shape}")
        if np.isnan(log_probs).any():
            raise ValueError("the emission holds NaN")
        if len(log_probs) == 0:
            return Hypothesis((), (), 0.0)
        root = Prefix(None, -1, "", 0)
        root.state, root.blank = self._scores.start(), 1.0
        beam, log_scale = self._search(root, log_probs)
        for prefix in beam:
            state, score = self._completed(prefix)
            end = self._scores.end(state)
            prefix.rank = math.log(prefix.blank + prefix.label) + score + end
        # Of ties the first to be reached is taken, whatever the order of the beam.
        beam.sort(key=lambda prefix: (-prefix.rank, prefix.frame))
        hypothesis = self._read(beam, log_probs, log_scale)
        dissolve(root)
        return hypothesis

    def _search(self, root: Prefix, log_probs: NDArray[np.float32]) -> tuple[list[Prefix], float]:
        """The prefixes that survive the last frame, and the logarithm of what scales them."""
        options = self._options
        beam = [root]
        log_scale = 0.0
        for number, frame in enumerate(self._frames(log_probs)):
            touched = self._step(beam, frame, number)
            best, kept = -math.inf, []
            for prefix in touched:
                mass = prefix.next_blank + prefix.next_label
                if mass > 0.0:
                    prefix.rank = rank = math.log(mass) + prefix.bonus
                    kept.append(prefix)
                    if rank > best:
                        best = rank
            least = best - options.beam_threshold
            beam = [prefix for prefix in kept if prefix.rank >= least]
            if len(beam) > options.beam_size:
                beam.sort(key=lambda prefix: -prefix.rank)
                del beam[options.beam_size :]
            largest = max([prefix.next_blank + prefix.next_label for prefix in beam])
            log_scale += math.log(largest)
            for prefix in beam:
                prefix.blank = prefix.next_blank / largest
                prefix.label = prefix.next_label / largest
        return beam, log_scale

    def _step(self, beam: Sequence[Prefix], frame: _Frame, number: int) -> list[Prefix]:
        """Extend the beam by one frame; the prefixes that this reached."""
        touched: list[Prefix] = []
        blank, tokens, probability = frame.blank, frame.tokens, frame.probability
        for prefix in beam:
            if prefix.stamp != number:
                prefix.stamp = number
                prefix.next_label = 0.0
                touched.append(prefix)
            total = prefix.blank + prefix.label
            prefix.next_blank = total * blank
            last = prefix.token
            if last in probability:
                prefix.next_label += prefix.label * probability[last]
            children = prefix.children
            for token, chance in tokens:
                mass = (prefix.blank if token == last else total) * chance
                if mass == 0.0:
                    continue
                child = children.get(token)
                if child is None:
                    child = children[token] = self._extended(prefix, token, number)
                if child.stamp != number:
                    child.stamp = number
                    child.next_blank = child.next_label = 0.0
                    touched.append(child)
                child.next_label += mass
        return touched

    def _frames(self, log_probs: NDArray[np.float32]) -> Iterator[_Frame]:
        options, blank = self._options, self._vocabulary.blank
        width = min(options.beam_size_token, log_probs.shape[1])
        order = np.argsort(-log_probs, axis=1, kind="stable")[:, :width]
        heard = np.take_along_axis(log_probs, order, axis=1)
        close = (heard >= heard[:, :1] - options.token_threshold) & (order != blank)
        chances = np.exp(heard.astype(np.float64)).tolist()
        silence = np.exp(log_probs[:, blank].astype(np.float64)).tolist()
        for row, ids, is_close, pause in zip(
            chances, order.tolist(), close.tolist(), silence, strict=True
        ):
            tokens = tuple(
                (token, chance)
                for token, chance, near in zip(ids, row, is_close, strict=True)
                if near
            )
            yield _Frame(pause, tokens, dict(tokens))

    def _extended(self, prefix: Prefix, token: int, frame: int) -> Prefix:
        text = self._texts[token]
        if not self._starts[token]:
            child = Prefix(prefix, token, prefix.word + text, frame)
            child.state, child.score = prefix.state, prefix.score
        else:
            child = Prefix(prefix, token, text, frame)
            child.state, child.score = self._completed(prefix)
        child.bonus = child.score + self._scores.hope(child.word)
        return child

    def _completed(self, prefix: Prefix) -> tuple[Any, float]:
        """The language model's state and score if the last word of `prefix` ends there."""
        if prefix.complete is None:
            prefix.complete = self._scores.completed(prefix.state, prefix.score, prefix.word)
        return prefix.complete

    def _read(
        self, beam: Sequence[Prefix], log_probs: NDArray[np.float32], log_scale: float
    ) -> Hypothesis:
        best = beam[0]
        tokens = [prefix.token for prefix in best.lineage()][::-1]
        spans = align_tokens(log_probs, tokens, self._vocabulary.blank)
        rivals = [prefix for prefix in beam if prefix.rank > best.rank - NEGLIGIBLE]
        weights = [math.exp(prefix.rank - best.rank) for prefix in rivals]
        spoken = [self._spoken(prefix) for prefix in rivals]
        words = []
        for (first, last), (text, begin, end) in zip(self._words(tokens), spoken[0], strict=True):
            agreeing = sum(
                weight
                for weight, others in zip(weights, spoken, strict=True)
                if any(
                    other == text and start <= end and begin <= stop
                    for other, start, stop in others
                )
            )
            start_frame, end_frame = spans[first][0], spans[last][1]
            clarity = _clarity(log_probs, tokens[first : last + 1], spans[first : last + 1])
            words.append(
                Word(text, start_frame, end_frame, min(1.0, agreeing / sum(weights) * clarity))
            )
        return Hypothesis(tuple(tokens), tuple(words), best.rank + log_scale)

    def _words(self, tokens: Sequence[int]) -> list[tuple[int, int]]:
        """The first and last of the tokens of each word, boundaries left out."""
        words: list[tuple[int, int]] = []
        begins, written = 0, False
        for index, token in enumerate([*tokens, None]):
            if token is None or self._starts[token]:
                if written:
                    words.append((begins, index - 1))
                begins, written = index, False
                if token is not None and token == self._vocabulary.word_boundary:
                    begins = index + 1
            written = written or (token is not None and bool(self._texts[token]))
        return words

    def _spoken(self, prefix: Prefix) -> list[tuple[str, int, int]]:
        """The words of a hypothesis, each with the frames at which its tokens first appeared."""
        lineage = list(prefix.lineage())[::-1]
        return [
            (
                "".join(self._texts[each.token] for each in lineage[first : last + 1]),
                lineage[first].frame,
                lineage[last].frame,
            )
            for first, last in self._words([each.token for each in lineage])
        ]


def _clarity(
    log_probs: NDArray[np.float32], tokens: Sequence[int], spans: Sequence[tuple[int, int]]
) -> float:
    """How clearly the tokens are heard: the geometric mean of each one's highest posterior."""
    peaks = [
        float(log_probs[start:end, token].max())
        for token, (start, end) in zip(tokens, spans, strict=True)
    ]
    return math.exp(min(0.0, sum(peaks) / len(peaks)))
