"""What a transducer's decoders see of a model, and what they find in it.

Letters: B batch, N rows, T frames, D features, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp
from typing import Protocol

import torch
from torch import Tensor

from models.hypothesis import Hypothesis, Word
from models.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the prediction network says after some tokens: `output` `(N, D)`, and its state.

    `state` holds for each layer its tensors, all with N rows.
    """

    output: Tensor
    state: tuple[tuple[Tensor, ...], ...]

    def select(self, rows: Tensor) -> Prediction:
        """The predictions of some rows, by index."""
        return Prediction(
            self.output[rows],
            tuple(tuple(tensor[rows] for tensor in layer) for layer in self.state),
        )

    def replace(self, rows: Tensor, other: Prediction) -> Prediction:
        """A copy in which `rows` are those of `other`."""
        return Prediction(
            self.output.index_copy(0, rows, other.output),
            tuple(
                tuple(
                    mine.index_copy(0, rows, theirs)
                    for mine, theirs in zip(layer, layers, strict=True)
                )
                for layer, layers in zip(self.state, other.state, strict=True)
            ),
        )

    @staticmethod
    def stack(predictions: Sequence[Prediction]) -> Prediction:
        """The rows of all of `predictions`, one below the other."""
        first = predictions[0]
        return Prediction(
            torch.cat([prediction.output for prediction in predictions]),
            tuple(
                tuple(
                    torch.cat([prediction.state[layer][part] for prediction in predictions])
                    for part in range(len(first.state[layer]))
                )
                for layer in range(len(first.state))
            ),
        )


class Transducer(Protocol):
    """A prediction network and a joiner."""

    def predict(self, tokens: Tensor, after: Prediction | None) -> Prediction:
        """`(N,)` token ids, each said `after` its row; None: at the very beginning."""

    def log_probs(self, encoded: Tensor, predicted: Tensor) -> Tensor:
        """Encodings `(..., D)` joined with predictions `(..., D)` to log-probs `(..., C)`."""


@dataclass(frozen=True, slots=True)
class TokenPath:
    """Tokens, the encoder frame that emitted each, and the natural log of its probability.

    `score` is the log-probability of the path, or of all paths that were merged into it, plus
    whatever else its decoder weighs.
    """

    tokens: tuple[int, ...] = ()
    frames: tuple[int, ...] = ()
    log_probs: tuple[float, ...] = ()
    score: float = 0.0

    def __add__(self, later: TokenPath) -> TokenPath:
        return TokenPath(
            self.tokens + later.tokens,
            self.frames + later.frames,
            self.log_probs + later.log_probs,
            self.score + later.score,
        )


def read_words(path: TokenPath, vocabulary: Vocabulary) -> Hypothesis:
    """Words lie from their first token's frame to the end of their last token's.

    A word is as sure as the least sure of its tokens.
    """
    words: list[Word] = []
    begun = 0
    for place in range(1, len(path.tokens) + 1):
        if place < len(path.tokens) and not vocabulary.starts_word(path.tokens[place]):
            continue
        text = "".join(vocabulary.text(token) for token in path.tokens[begun:place])
        if text:
            confidence = exp(min(path.log_probs[begun:place]))
            words.append(Word(text, path.frames[begun], path.frames[place - 1] + 1, confidence))
        begun = place
    return Hypothesis(path.tokens, tuple(words), path.score)
