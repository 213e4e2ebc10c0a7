"""What a decoder found in one emission: tokens, words and how sure it is of them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Word:
    """One word on the emission's time axis.

    `start_frame` and `end_frame` are half-open emission frames, `[start, end)`;
    `confidence` lies in 0..1 and is defined by the decoder that made the word.
    """

    text: str
    start_frame: int
    end_frame: int
    confidence: float


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """The best reading of one emission.

    `tokens` are vocabulary ids with repeats collapsed and blanks removed; `score` is the
    natural-log score of the path under the decoder that chose it.
    """

    tokens: tuple[int, ...]
    words: tuple[Word, ...]
    score: float

    @property
    def text(self) -> str:
        return " ".join(word.text for word in self.words)
