"""The classes of a CTC emission, in the order of its last axis."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from models.errors import VocabularyError


@dataclass(frozen=True)
class Vocabulary:
    """C token spellings; `blank` and `word_boundary` are ids among them.

    Raises `VocabularyError` for a spelling that stands twice or an id out of range.
    """

    tokens: tuple[str, ...]
    blank: int
    word_boundary: int
    _ids: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        ids = {token: index for index, token in enumerate(self.tokens)}
        if len(ids) != len(self.tokens):
            raise VocabularyError(
                "a token stands twice in the vocabulary; every class needs its own spelling"
            )
        for name, index in (("blank", self.blank), ("word_boundary", self.word_boundary)):
            if not 0 <= index < len(self.tokens):
                raise VocabularyError(
                    f"{name} is class {index}, but there are {len(self.tokens)} classes"
                )
        object.__setattr__(self, "_ids", ids)

    def __len__(self) -> int:
        return len(self.tokens)

    def index(self, token: str) -> int:
        """The class of `token`; raises `VocabularyError` where there is none."""
        try:
            return self._ids[token]
        except KeyError:
            raise VocabularyError(f"the vocabulary has no token {token!r}") from None

    def spell(self, ids: Iterable[int]) -> tuple[str, ...]:
        return tuple(self.tokens[index] for index in ids)
