"""A pronouncing lexicon: what each word may sound like, in a vocabulary's tokens."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from models.errors import VocabularyError
from models.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class Lexicon:
    """W words; `spellings[w]` holds every way to say `words[w]`, each as token ids.

    A spelling has at least one token and no word boundary: decoders add their own.
    Raises `VocabularyError` for a word that stands twice or that cannot be said.
    """

    words: tuple[str, ...]
    spellings: tuple[tuple[tuple[int, ...], ...], ...]

    def __post_init__(self) -> None:
        if len(self.words) != len(self.spellings):
            raise VocabularyError(
                f"{len(self.words)} words, but {len(self.spellings)} lists of spellings"
            )
        if len(set(self.words)) != len(self.words):
            raise VocabularyError("a word stands twice; list its spellings together")
        for word, variants in zip(self.words, self.spellings, strict=True):
            if not variants or not all(variants):
                raise VocabularyError(f"the word {word!r} has no spelling, or an empty one")

    def __len__(self) -> int:
        return len(self.words)


def load_words(path: Path) -> tuple[str, ...]:
    """The words of a lexicon of lines `word TAB ...`, each once, as `load_lexicon` orders them.

    Raises `VocabularyError` for a line without a tab, `OSError` where the file cannot be read.
    """
    return tuple(dict.fromkeys(word for _, word, _ in _lines(path)))


def spell_words(words: Iterable[str], vocabulary: Vocabulary) -> Lexicon:
    """The words that can be spelled with `vocabulary`'s letters, each by its letters.

    Raises `VocabularyError` where there is none.
    """
    letters = {
        token: index
        for index, token in enumerate(vocabulary.tokens)
        if len(token) == 1 and index not in (vocabulary.blank, vocabulary.word_boundary)
    }
    spelled = [word for word in words if all(letter in letters for letter in word)]
    if not spelled:
        raise VocabularyError("the vocabulary's letters spell none of the language model's words")
    return Lexicon(
        tuple(spelled), tuple((tuple(letters[letter] for letter in word),) for word in spelled)
    )


def load_lexicon(path: Path, vocabulary: Vocabulary) -> Lexicon:
    """Read a lexicon of lines `word TAB token token ...`, UTF-8, gzipped where it ends in `.gz`.

    Several lines with one word are its variants; words keep the order of their first line.
    Raises `VocabularyError` for a line of another form and for a token outside `vocabulary`,
    `OSError` where the file cannot be read.
    """
    ids = {token: index for index, token in enumerate(vocabulary.tokens)}
    variants: dict[str, list[tuple[int, ...]]] = {}
    for number, word, spelling in _lines(path):
        try:
            tokens = tuple([ids[token] for token in spelling.split(" ")])
        except KeyError as missing:
            raise VocabularyError(
                f"{path}:{number}: {word!r} is spelled with {missing.args[0]!r}, "
                f"which is not among the {len(vocabulary)} tokens"
            ) from None
        variants.setdefault(word, []).append(tokens)
    return Lexicon(tuple(variants), tuple(tuple(spellings) for spellings in variants.values()))


def _lines(path: Path) -> Iterator[tuple[int, str, str]]:
    """Number, word and the rest of every line."""
    raw = path.read_bytes()
    text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8")
    for number, line in enumerate(text.splitlines(), start=1):
        word, tab, spelling = line.partition("\t")
        if not (word and tab and spelling):
            raise VocabularyError(f"{path}:{number}: expected 'word<TAB>tokens', found {line!r}")
        yield number, word, spelling
