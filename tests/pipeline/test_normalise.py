"""The normaliser: each rule it documents, and that it is a projection."""

from __future__ import annotations

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.normalise import normalise_text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("He hoped, there would be STEW.", "he hoped there would be stew"),
        ("cold-hearted — and self–substantial", "cold hearted and self substantial"),
        ("don’t ‘quote’ 'me'", "don't quote me"),
        ("beauty`s rose; feed´st", "beauty's rose feed'st"),
        ("'tis the thieves'", "tis the thieves"),
        ("rock 'n' roll", "rock n roll"),
        ("o''clock ''' x", "o clock x"),
        (
            "Mr. Dashwood, Mrs. Dashwood and Dr. Davies",
            "mister dashwood missus dashwood and doctor davies",
        ),
        ("mister mrs", "mister missus"),
        ("amr mrs's", "amr mrs's"),
        ("Straße STRASSE", "strasse strasse"),
        ("ﬁne ＦＵＬＬ x²", "fine full x2"),
        ("cafe\u0301", "caf\u00e9"),
        ("co\u00adoperate", "cooperate"),
        ("हिन्दी है।", "हिन्दी है"),
        ("snake_case $5 & 10%", "snake case 5 10"),
        ("¨ a", "a"),
        ("  a\t\n b  ", "a b"),
        ("", ""),
        ("...", ""),
    ],
)
def test_each_rule(text: str, expected: str) -> None:
    assert normalise_text(text) == expected


@given(st.text())
def test_normalising_twice_changes_nothing(text: str) -> None:
    once = normalise_text(text)
    assert normalise_text(once) == once


@given(st.text(alphabet="aM'’r -.sd´¨\u0301\u0345\u00ad"))
def test_apostrophes_and_spaces_stand_inside(text: str) -> None:
    normalised = normalise_text(text)
    assert normalise_text(normalised) == normalised
    for word in normalised.split(" ") if normalised else []:
        assert word
        assert word == word.strip("'")
        assert "''" not in word


def test_every_code_point_is_stable() -> None:
    """Covers the letters at which NFKC and case folding disagree."""
    for point in range(sys.maxunicode + 1):
        character = chr(point)
        if unicodedata.category(character) not in ("Cn", "Co", "Cs"):
            once = normalise_text(f"a{character}b {character}")
            assert normalise_text(once) == once, hex(point)


@given(st.text(), st.text())
def test_words_of_two_texts_are_the_words_of_both(left: str, right: str) -> None:
    both = " ".join(filter(None, (normalise_text(left), normalise_text(right))))
    assert normalise_text(f"{left} {right}") == both
