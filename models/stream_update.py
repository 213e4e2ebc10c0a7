"""What comes out of a stream: words with their times, final or not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from models.card import ModelCard
from models.hypothesis import Word


@dataclass(frozen=True, slots=True)
class StreamedWord:
    """A word in seconds from the start of the stream; `confidence` in 0..1."""

    text: str
    start_s: float
    end_s: float
    confidence: float


@dataclass(frozen=True, slots=True)
class StreamUpdate:
    """What a chunk brought: words that became `final` with it, and the `partial` ones after them.

    Final words never change; partial ones are all that is not final yet, and may. `heard_s` is
    the audio taken in so far.
    """

    final: tuple[StreamedWord, ...]
    partial: tuple[StreamedWord, ...]
    heard_s: float


def place_words(
    words: Iterable[Word], card: ModelCard, num_samples: int
) -> tuple[StreamedWord, ...]:
    """Words of frames counted from the start of the stream, in seconds, within what was heard."""

    def seconds(frame: int) -> float:
        return min(max(card.frame_edge_samples(frame), 0), num_samples) / card.sample_rate_hz

    return tuple(
        StreamedWord(word.text, seconds(word.start_frame), seconds(word.end_frame), word.confidence)
        for word in words
    )
