"""How far a transducer's beam search looks; readable without torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class TransducerBeamOptions:
    """How far a search looks: hypotheses kept, nats below the best that are kept, tokens a frame.

    Raises `ValueError` for a beam that holds nothing.
    """

    beam_size: int = 8
    beam_threshold: float = 8.0
    most_tokens: int = 4

    def __post_init__(self) -> None:
        if self.beam_size < 1 or self.most_tokens < 1 or self.beam_threshold <= 0:
            raise ValueError(f"a beam search needs positive sizes, got {self}")
