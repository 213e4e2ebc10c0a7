"""The classes of a CTC emission, in the order of its last axis."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum

from models.errors import VocabularyError

WORD_START = "▁"
CONTINUATION = "##"


class WordMarks(Enum):
    """How tokens say where words part.

    BOUNDARY: a token of its own stands between words (characters, phonemes). PREFIX: a token
    that begins with `▁` begins a word (SentencePiece). CONTINUATION: a token begins a word unless
    it begins with `##` (WordPiece).
    """

    BOUNDARY = "boundary"
    PREFIX = "prefix"
    CONTINUATION = "continuation"


@dataclass(frozen=True)
class Vocabulary:
    """C token spellings; `blank` and `word_boundary` are ids among them.

    `word_boundary` is None just where `marks` says that there is no such token; `silent` tokens
    write nothing. Raises
    `VocabularyError` for a spelling that stands twice or an id out of range.
    """

    tokens: tuple[str, ...]
    blank: int
    word_boundary: int | None
    marks: WordMarks = WordMarks.BOUNDARY
    silent: frozenset[int] = frozenset()
    _ids: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        ids = {token: index for index, token in enumerate(self.tokens)}
        if len(ids) != len(self.tokens):
            raise VocabularyError(
                "a token stands twice in the vocabulary; every class needs its own spelling"
            )
        if (self.word_boundary is None) is (self.marks is WordMarks.BOUNDARY):
            raise VocabularyError(f"a word boundary does not go with words marked by {self.marks}")
        for name, index in (("blank", self.blank), ("word_boundary", self.word_boundary)):
            if index is not None and not 0 <= index < len(self.tokens):
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

    def starts_word(self, index: int) -> bool:
        """Whether a word ends before this token. A boundary starts the word after it."""
        if self.marks is WordMarks.BOUNDARY:
            return index == self.word_boundary
        token = self.tokens[index]
        if self.marks is WordMarks.PREFIX:
            return token.startswith(WORD_START)
        return not token.startswith(CONTINUATION)

    def text(self, index: int) -> str:
        """What a token adds to its word; nothing for blank and boundary."""
        if index in (self.blank, self.word_boundary) or index in self.silent:
            return ""
        token = self.tokens[index]
        if self.marks is WordMarks.PREFIX:
            return token.removeprefix(WORD_START)
        if self.marks is WordMarks.CONTINUATION:
            return token.removeprefix(CONTINUATION)
        return token
