"""Words from a CTC emission: beam search through a lexicon's trie under an n-gram model.

The search is flashlight-text's `LexiconDecoder` (Collobert et al., "Wav2Letter", 2016; CTC:
Graves et al., ICML 2006), the Viterbi path, not the sum. Letters: T frames, C classes.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from flashlight.lib.text.decoder import (
    CriterionType,
    LexiconDecoder,
    LexiconDecoderOptions,
    SmearingMode,
    Trie,
)
from numpy.typing import NDArray

from models.errors import VocabularyError
from models.hypothesis import Hypothesis, Word
from models.language_model import LanguageModel, load_language_model
from models.lexicon import Lexicon
from models.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True, kw_only=True)
class BeamSearchOptions:
    """How wide to search, and how a word's sound is weighed against the language model.

    `beam_size` hypotheses survive a frame, extended by the frame's `beam_size_token` best
    tokens; those more than `beam_threshold` nats behind the best are dropped. A hypothesis
    scores the natural logarithm of its path's probability, plus `lm_weight` times the language
    model's log10 probability, `word_score` for each word and `sil_score` for each boundary
    frame. `unk_score` is added for words outside the lexicon; minus infinity forbids them.
    Raises `ValueError` for a width or threshold that is not positive.
    """

    beam_size: int = 150
    beam_size_token: int = 12
    beam_threshold: float = 10.0
    lm_weight: float = 1.25
    word_score: float = 0.0
    sil_score: float = 0.0
    unk_score: float = -math.inf

    def __post_init__(self) -> None:
        if self.beam_size < 1 or self.beam_size_token < 1 or not self.beam_threshold > 0:
            raise ValueError("beam_size, beam_size_token and beam_threshold must be positive")


HOMOPHONES = 6
"""Words of one spelling that flashlight's trie keeps (`kTrieMaxLabel`); it drops later ones."""

TIE = 1e-6
"""Nats within which two hypotheses score alike."""

NEGLIGIBLE = 10.0
"""Nats behind the best at which a hypothesis no longer counts for a word's confidence."""


@dataclass(frozen=True, slots=True)
class _Span:
    """Word id `word` between the boundary before it and its own: frames [begin, end)."""

    word: int
    begin: int
    end: int


def _spans(labels: Sequence[int]) -> list[_Span]:
    """Where the search's word labels stand: each at its boundary's frame, counted from 1."""
    spans = []
    begin = 0
    for state, label in enumerate(labels):
        if label >= 0:
            spans.append(_Span(label, begin, state))
            begin = state
    return spans


@dataclass(frozen=True, slots=True)
class _Beam:
    """The surviving hypotheses: `weights` sum to 1, `places[word]` lists (hypothesis, span)."""

    weights: tuple[float, ...]
    places: Mapping[int, Sequence[tuple[int, _Span]]]

    @classmethod
    def of(cls, results: Sequence[Any]) -> _Beam:
        top = max(result.score for result in results)
        likelihoods = [math.exp(result.score - top) for result in results]
        total = math.fsum(likelihoods)
        places: dict[int, list[tuple[int, _Span]]] = {}
        for index, result in enumerate(results):
            for span in _spans(result.words):
                places.setdefault(span.word, []).append((index, span))
        return cls(tuple(likelihood / total for likelihood in likelihoods), places)

    def share(self, span: _Span) -> float:
        """The weight of the hypotheses that have the word of `span` at a time it overlaps."""
        agreeing = {
            index
            for index, other in self.places[span.word]
            if span.begin < other.end and other.begin < span.end
        }
        return math.fsum(self.weights[index] for index in agreeing)


class CtcBeamDecoder:
    """Lexicon beam search over emissions of one vocabulary.

    Every spelling is followed by the vocabulary's word boundary. Built again from its arguments
    when unpickled, since neither the trie nor KenLM can be serialised; one instance serves one
    thread at a time. Raises `VocabularyError` for a vocabulary without a boundary; other errors are
    those of `load_language_model`.
    """

    def __init__(
        self,
        lexicon: Lexicon,
        language_model_path: Path,
        vocabulary: Vocabulary,
        options: BeamSearchOptions,
    ) -> None:
        if vocabulary.word_boundary is None:
            raise VocabularyError("a lexicon search needs a vocabulary with a word boundary")
        self._boundary = vocabulary.word_boundary
        self._recipe = (lexicon, language_model_path, vocabulary, options)
        self._words = lexicon.words
        self._vocabulary = vocabulary
        language_model = load_language_model(language_model_path, lexicon.words)
        kenlm = language_model.kenlm
        trie = _trie(lexicon, language_model, len(vocabulary), self._boundary)
        # The search keeps bare pointers to both.
        self._kept: tuple[Any, ...] = (kenlm, trie)
        self._search = LexiconDecoder(
            LexiconDecoderOptions(
                beam_size=options.beam_size,
                beam_size_token=options.beam_size_token,
                beam_threshold=options.beam_threshold,
                lm_weight=options.lm_weight,
                word_score=options.word_score,
                unk_score=options.unk_score,
                sil_score=options.sil_score,
                log_add=False,
                criterion_type=CriterionType.CTC,
            ),
            trie,
            kenlm,
            self._boundary,
            vocabulary.blank,
            language_model.unknown,
            [],
            False,
        )

    def __reduce__(self) -> tuple[type[CtcBeamDecoder], tuple[Any, ...]]:
        return type(self), self._recipe

    def decode(self, log_probs: NDArray[np.float32]) -> Hypothesis:
        """The best reading of one emission (T, C) of natural-log probabilities.

        Words come in order, do not overlap and lie in [0, T]. A word starts with the first
        frame of its first token and ends after the last frame of its last. T = 0 gives an empty
        hypothesis. Raises `ValueError` for another number of classes or axes, or for NaN.
        """
        classes = len(self._vocabulary)
        if log_probs.ndim != 2 or log_probs.shape[1] != classes:
            raise ValueError(f"expected an emission (T, {classes}), found {log_probs.shape}")
        if np.isnan(log_probs).any():
            raise ValueError("the emission holds NaN")
        frames = len(log_probs)
        if frames == 0:
            return Hypothesis((), (), 0.0)
        # A word counts once its boundary is heard, and nothing follows the last one.
        emission = np.full((frames + 1, classes), -1e4, dtype=np.float32)
        emission[:frames] = log_probs
        emission[frames, self._boundary] = 0.0
        results = self._search.decode(emission.ctypes.data, frames + 1, classes)
        # Homophones that the language model scores alike tie: take the lexicon's first.
        top = results[0].score
        best = min(
            (result for result in results if result.score >= top - TIE), key=lambda tie: tie.words
        )
        beam = _Beam.of([result for result in results if result.score > top - NEGLIGIBLE])
        # The search puts one state before the first frame and one after the last.
        path = np.asarray(best.tokens[1 : frames + 1])
        words = tuple(self._word(span, path, log_probs, beam) for span in _spans(best.words))
        return Hypothesis(self._collapse(path.tolist()), words, float(best.score))

    def _word(
        self,
        span: _Span,
        path: NDArray[np.intp],
        log_probs: NDArray[np.float32],
        beam: _Beam,
    ) -> Word:
        """The word of `span`, timed and rated.

        Its confidence multiplies three shares: of the beam's probability, how much goes to
        hypotheses that have the word at that place; how clearly its tokens are heard (geometric
        mean of each one's highest posterior); how little the path pays against each frame's best
        class (the ratio of both over the span's frames, per token).
        """
        tokens = path[span.begin : span.end]
        heard = log_probs[span.begin : span.end]
        chosen = heard[np.arange(len(tokens)), tokens]
        silent = (tokens == self._vocabulary.blank) | (tokens == self._boundary)
        sounding = np.flatnonzero(~silent)
        first = np.flatnonzero(~silent & (tokens != np.append(-1, tokens[:-1])))
        peaks = np.maximum.reduceat(np.where(silent, -np.inf, chosen), first)
        loss = (chosen - heard.max(axis=1)).sum() / len(first)
        return Word(
            self._words[span.word],
            span.begin + int(sounding[0]),
            span.begin + int(sounding[-1]) + 1,
            min(1.0, beam.share(span) * math.exp(min(0.0, float(peaks.mean() + loss)))),
        )

    def _collapse(self, path: Sequence[int]) -> tuple[int, ...]:
        blank = self._vocabulary.blank
        return tuple(
            token
            for before, token in zip((blank, *path), path, strict=False)
            if token not in (before, blank)
        )


def _trie(lexicon: Lexicon, language_model: LanguageModel, classes: int, boundary: int) -> Trie:
    """Every spelling and its boundary, each node with the best score of the words below it.

    Of a spelling's homophones the `HOMOPHONES` most frequent ones are kept.
    """
    kenlm = language_model.kenlm
    start = kenlm.start(False)
    scores = [kenlm.score(start, word)[1] for word in range(len(lexicon))]
    homophones: Counter[tuple[int, ...]] = Counter()
    trie = Trie(classes, boundary)
    for word in sorted(range(len(lexicon)), key=lambda word: (-scores[word], word)):
        for spelling in dict.fromkeys(lexicon.spellings[word]):
            homophones[spelling] += 1
            if homophones[spelling] <= HOMOPHONES:
                trie.insert([*spelling, boundary], word, scores[word])
    trie.smear(SmearingMode.MAX)
    return trie
