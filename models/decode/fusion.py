"""What a beam search weighs besides the acoustics: a language model, hotwords.

Both follow a hypothesis token by token. Shallow fusion of words: Kannan et al. 2018
(arXiv:1712.01996). Hotwords: the characters of a phrase are worth a bonus each, taken back where
the phrase breaks off, over an automaton of Aho & Corasick (1975).
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from models.errors import VocabularyError
from models.language_model import LanguageModel
from models.vocabulary import Vocabulary

FusionState = Any
"""Where a hypothesis stands; only the fusion that made it reads it."""


class Fusion(Protocol):
    """Natural-log bonuses for a hypothesis as it grows."""

    def begin(self) -> FusionState: ...

    def advance(self, state: FusionState, token: int) -> tuple[FusionState, float]:
        """The state after one more token, and what the token is worth."""

    def finish(self, state: FusionState) -> float:
        """What it is worth to end here."""


class NoFusion:
    """The acoustics alone."""

    def begin(self) -> FusionState:
        return None

    def advance(self, state: FusionState, token: int) -> tuple[FusionState, float]:
        return None, 0.0

    def finish(self, state: FusionState) -> float:
        return 0.0


@dataclass(frozen=True)
class SumOfFusions:
    """Several fusions at once."""

    parts: tuple[Fusion, ...]

    def begin(self) -> FusionState:
        return tuple(part.begin() for part in self.parts)

    def advance(self, state: FusionState, token: int) -> tuple[FusionState, float]:
        steps = [part.advance(s, token) for part, s in zip(self.parts, state, strict=True)]
        return tuple(state for state, _ in steps), sum(bonus for _, bonus in steps)

    def finish(self, state: FusionState) -> float:
        return sum(part.finish(s) for part, s in zip(self.parts, state, strict=True))


@dataclass(frozen=True)
class WordFusion:
    """A word n-gram model: a word is scored when the next begins, or the hypothesis ends.

    `weight` multiplies the model's natural logarithm, `word_bonus` is added for each word.
    """

    vocabulary: Vocabulary
    model: LanguageModel
    word_ids: Mapping[str, int]
    weight: float = 0.3
    word_bonus: float = 0.0

    def begin(self) -> FusionState:
        return self.model.kenlm.start(False), ""

    def advance(self, state: FusionState, token: int) -> tuple[FusionState, float]:
        history, word = state
        bonus = 0.0
        if self.vocabulary.starts_word(token):
            history, bonus = self._score(history, word)
            word = ""
        return (history, word + self.vocabulary.text(token)), bonus

    def finish(self, state: FusionState) -> float:
        history, bonus = self._score(*state)
        _, end = self.model.kenlm.finish(history)
        return bonus + self.weight * math.log(10) * float(end)

    def _score(self, history: object, word: str) -> tuple[object, float]:
        if not word:
            return history, 0.0
        word_id = self.word_ids.get(word, self.model.unknown)
        history, log10 = self.model.kenlm.score(history, word_id)
        return history, self.weight * math.log(10) * float(log10) + self.word_bonus


@dataclass(slots=True)
class _Node:
    """A prefix of some phrase: its `worth` in nats, of which whole phrases `kept` so much."""

    worth: float = 0.0
    kept: float = 0.0
    children: dict[str, _Node] = field(default_factory=dict)
    fallback: _Node | None = None


class HotwordFusion:
    """A bonus for phrases that are expected: `weight` nats for each of their characters.

    Phrases are matched as whole words, whatever tokens spell them. Raises `VocabularyError` for
    an empty phrase.
    """

    def __init__(self, vocabulary: Vocabulary, phrases: Sequence[str], weight: float = 1.0) -> None:
        self.vocabulary = vocabulary
        self._root = _Node()
        for phrase in phrases:
            words = phrase.split()
            if not words:
                raise VocabularyError("a hotword is empty")
            self._add(" " + " ".join(words) + " ", weight)
        self._inherit()
        self._link()

    def begin(self) -> FusionState:
        return self._root

    def advance(self, state: FusionState, token: int) -> tuple[FusionState, float]:
        text = self.vocabulary.text(token)
        if self.vocabulary.starts_word(token):
            text = " " + text
        bonus = 0.0
        for character in text:
            state, gained = self._step(state, character)
            bonus += gained
        return state, bonus

    def finish(self, state: FusionState) -> float:
        # The space that closes a phrase comes with the next word; at the end there is none.
        node, gained = self._step(state, " ")
        return gained + node.kept - node.worth

    def _step(self, node: _Node, character: str) -> tuple[_Node, float]:
        gained = 0.0
        while character not in node.children and node.fallback is not None:
            gained += node.fallback.worth - (node.worth - node.kept)
            node = node.fallback
        child = node.children.get(character, self._root)
        return child, gained + child.worth - node.worth

    def _add(self, phrase: str, weight: float) -> None:
        node = self._root
        for character in phrase:
            worth = node.worth + (0.0 if character == " " else weight)
            node = node.children.setdefault(character, _Node(worth))
        node.kept = node.worth

    def _inherit(self) -> None:
        """Below a whole phrase, what it was worth stays kept."""
        waiting = [self._root]
        while waiting:
            node = waiting.pop()
            for child in node.children.values():
                child.kept = max(child.kept, node.kept)
                waiting.append(child)

    def _link(self) -> None:
        waiting = deque(self._root.children.values())
        for child in self._root.children.values():
            child.fallback = self._root
        while waiting:
            node = waiting.popleft()
            for character, child in node.children.items():
                fallback = node.fallback
                while fallback is not None and character not in fallback.children:
                    fallback = fallback.fallback
                child.fallback = fallback.children[character] if fallback else self._root
                waiting.append(child)
