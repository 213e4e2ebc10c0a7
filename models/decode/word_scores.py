"""What words cost in an open-vocabulary search, known to the language model or not."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.language_model import LanguageModel, load_language_model

PUNCTUATION = '.,?!;:"()'
"""What a word sheds before the language model, which has none of it, is asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenSearchOptions:
    """How wide to search, and how a word's sound is weighed against the language model.

    `beam_size` hypotheses survive a frame unless they are more than `beam_threshold` nats behind
    the best, extended by the frame's `beam_size_token` best tokens within `token_threshold` nats of
    the best. A hypothesis scores the natural logarithm of its probability, plus `lm_weight` times
    the language model's log10 probability of its known words, `unk_score` for each unknown one and
    `word_score` for each of either. Raises `ValueError` for a width or threshold that is not
    positive.
    """

    beam_size: int = 32
    beam_size_token: int = 12
    beam_threshold: float = 14.0
    token_threshold: float = 7.0
    lm_weight: float = 0.75
    word_score: float = 1.0
    unk_score: float = -8.0

    def __post_init__(self) -> None:
        widths = self.beam_size, self.beam_size_token, self.beam_threshold, self.token_threshold
        if not all(width > 0 for width in widths):
            raise ValueError(
                "beam_size, beam_size_token, beam_threshold and token_threshold must be positive"
            )


class WordScores:
    """The scores of a hypothesis's words. Errors are those of `load_language_model`."""

    def __init__(
        self, words: Sequence[str], language_model_path: Path, options: OpenSearchOptions
    ) -> None:
        self._options = options
        self._model = load_language_model(language_model_path, words)
        self._ids = {word: index for index, word in enumerate(words)}
        self._outlook = _outlook(words, self._model, options)

    def start(self) -> Any:
        """The language model's state before the first word."""
        return self._model.kenlm.start(False)

    def completed(self, state: Any, score: float, word: str) -> tuple[Any, float]:
        """State and score after `word`, which may be no word at all, then nothing changes."""
        plain = _plain(word)
        if not plain:
            return state, score
        known = self._ids.get(plain)
        if known is None:
            state, _ = self._model.kenlm.score(state, self._model.unknown)
            return state, score + self._options.unk_score + self._options.word_score
        state, log10 = self._model.kenlm.score(state, known)
        return state, score + self._options.lm_weight * log10 + self._options.word_score

    def end(self, state: Any) -> float:
        """The score of ending there."""
        return float(self._options.lm_weight * self._model.kenlm.finish(state)[1])

    def hope(self, word: str) -> float:
        """The most that a word may still score which begins so."""
        if not word:
            return 0.0
        known = self._outlook.get(_plain(word))
        return self._options.unk_score if known is None else known


def _outlook(
    words: Sequence[str], model: LanguageModel, options: OpenSearchOptions
) -> dict[str, float]:
    """For each beginning of a known word the best score of the words that begin so."""
    start = model.kenlm.start(False)
    outlook: dict[str, float] = {}
    for index, word in enumerate(words):
        score = max(options.lm_weight * model.kenlm.score(start, index)[1], options.unk_score)
        for end in range(1, len(word) + 1):
            beginning = word[:end]
            if score > outlook.get(beginning, -math.inf):
                outlook[beginning] = score
    return outlook


def _plain(word: str) -> str:
    """A word as the language model has it."""
    return word.lower().strip(PUNCTUATION)
