"""The tree of token sequences that a prefix beam search grows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


class Prefix:
    """A sequence of tokens: this one after its parent's.

    `blank` and `label` are its probability so far, split by whether the path ends in a blank, and
    scaled alike for all prefixes; `state` and `score` are the language model's after its complete
    words; `bonus` is `score` and the best that its last word can still become.
    """

    __slots__ = (
        "blank",
        "bonus",
        "children",
        "complete",
        "frame",
        "label",
        "next_blank",
        "next_label",
        "parent",
        "rank",
        "score",
        "stamp",
        "state",
        "token",
        "word",
    )

    def __init__(self, parent: Prefix | None, token: int, word: str, frame: int) -> None:
        self.parent, self.token, self.word, self.frame = parent, token, word, frame
        self.children: dict[int, Prefix] = {}
        self.complete: tuple[Any, float] | None = None
        self.state: Any = None
        self.blank = self.label = self.next_blank = self.next_label = 0.0
        self.score = self.bonus = self.rank = 0.0
        self.stamp = -1

    def lineage(self) -> Iterator[Prefix]:
        """This prefix and those it extends, without the empty one."""
        prefix = self
        while prefix.parent is not None:
            yield prefix
            prefix = prefix.parent


def dissolve(root: Prefix) -> None:
    """Cut the tree up: parents and children hold each other, and there are many."""
    waiting = [root]
    while waiting:
        prefix = waiting.pop()
        waiting += prefix.children.values()
        prefix.children = {}
