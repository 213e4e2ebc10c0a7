"""The spelling in which references and hypotheses are compared."""

from __future__ import annotations

import re
import unicodedata

_APOSTROPHES = str.maketrans(dict.fromkeys("‘’‛ʼ′´`", "'"))
_LOOSE_APOSTROPHES = re.compile(r"(?<!\S)'+|'+(?!\S)|'{2,}")
_ABBREVIATIONS = {"mr": "mister", "mrs": "missus", "dr": "doctor"}


def normalise_text(text: str) -> str:
    """`text` as it is scored; the same rules serve the reference and the hypothesis.

    1. Curly quotes, primes and backticks become `'`; invisible format characters (soft
       hyphen, zero-width joiners) are removed.
    2. Unicode NFKC and case folding: ligatures, full-width and superscript forms are
       spelled out, "Straße" becomes "strasse".
    3. Letters, their combining marks and digits stay. Apostrophes stay inside a word only
       ("don't", but "thieves"). Everything else is a space: hyphens, other punctuation,
       symbols.
    4. "mr", "mrs" and "dr" are written out as "mister", "missus" and "doctor".
    5. One space between words, none at the ends.

    Numbers are compared as they are written: "5" is not "five". Normalising twice changes
    nothing.
    """
    words = _LOOSE_APOSTROPHES.sub(" ", _spaced(_fold(text))).split()
    return " ".join(_ABBREVIATIONS.get(word, word) for word in words)


def _fold(text: str) -> str:
    visible = "".join(c for c in text.translate(_APOSTROPHES) if unicodedata.category(c) != "Cf")
    folded = unicodedata.normalize("NFKC", visible.casefold())
    # Each step can undo another for a few letters, so they run until all agree.
    return folded if folded == text else _fold(folded)


def _spaced(folded: str) -> str:
    kept: list[str] = []
    for character in folded:
        kind = unicodedata.category(character)[0]
        # An accent whose letter was never there ("¨" is a space and a mark) is not a word.
        in_word = kind in "LN" or (kind == "M" and bool(kept) and kept[-1] not in " '")
        kept.append(character if in_word or character == "'" else " ")
    return "".join(kept)
