"""An n-gram language model over a lexicon's words, scored by KenLM.

Heafield, "KenLM: Faster and Smaller Language Model Queries" (WMT 2011); file formats:
KenLM's binary, or ARPA as in Doug Paul's format (`ngram-format(5)` of SRILM).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flashlight.lib.text.decoder.kenlm import KenLM
from flashlight.lib.text.dictionary import Dictionary

from models.errors import CheckpointError, VocabularyError

UNKNOWN = "<unk>"


@dataclass(frozen=True, slots=True)
class LanguageModel:
    """KenLM under the word ids of one lexicon: id w is its word w, `unknown` is one past them.

    `kenlm` gives log10 probabilities; a word that the model lacks scores as its `<unk>`.
    """

    kenlm: Any
    unknown: int

    def score(self, word_ids: Sequence[int]) -> float:
        """The log10 probability of `word_ids` between sentence start and sentence end."""
        state, total = self.kenlm.start(False), 0.0
        for word in word_ids:
            state, score = self.kenlm.score(state, word)
            total += score
        return float(total + self.kenlm.finish(state)[1])


def load_language_model(path: Path, words: Sequence[str]) -> LanguageModel:
    """Load the KenLM binary or ARPA file at `path` for `words`.

    Raises `CheckpointError` where the file is missing or is no such model, `VocabularyError`
    where `words` hold white space, a word twice or `<unk>`.
    """
    if not path.is_file():
        raise CheckpointError(f"there is no language model at {path}")
    # flashlight splits an entry at white space into several, which would shift every later id.
    if any(len(word.split()) != 1 for word in words):
        raise VocabularyError("a word of the lexicon is empty or holds white space")
    if UNKNOWN in words or len(set(words)) != len(words):
        raise VocabularyError(f"the lexicon's words must differ, and {UNKNOWN} is taken")
    dictionary = Dictionary()
    for index, word in enumerate(words):
        dictionary.add_entry(word, index)
    dictionary.add_entry(UNKNOWN, len(words))
    dictionary.set_default_index(len(words))
    try:
        kenlm = KenLM(str(path), dictionary)
    except RuntimeError as error:
        raise CheckpointError(f"{path} is no language model that KenLM reads: {error}") from error
    return LanguageModel(kenlm, len(words))
