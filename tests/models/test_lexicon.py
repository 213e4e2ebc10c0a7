from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from models.errors import VocabularyError
from models.lexicon import Lexicon, load_lexicon, load_words, spell_words
from models.vocabulary import Vocabulary
from models.weights.build_lexicon import VARIANTS, build, from_arpabet

VOCABULARY = Vocabulary(("k", "æ", "t", "ʌ", "<wb>", "<blank>"), blank=5, word_boundary=4)


def written(directory: Path, text: str, name: str = "lexicon.tsv") -> Path:
    path = directory / name
    raw = text.encode("utf-8")
    path.write_bytes(gzip.compress(raw, mtime=0) if path.suffix == ".gz" else raw)
    return path


@pytest.mark.parametrize("name", ["lexicon.tsv", "lexicon.tsv.gz"])
def test_variants_gather_under_their_word(tmp_path: Path, name: str) -> None:
    path = written(tmp_path, "cut\tk ʌ t\ncat\tk æ t\ncut\tk t\n", name)
    assert load_lexicon(path, VOCABULARY) == Lexicon(
        ("cut", "cat"), (((0, 3, 2), (0, 2)), ((0, 1, 2),))
    )


def test_a_token_outside_the_vocabulary_is_named_with_its_line(tmp_path: Path) -> None:
    path = written(tmp_path, "cat\tk æ t\ncot\tk ɑ t\n")
    with pytest.raises(VocabularyError, match=r":2: 'cot' .*'ɑ'"):
        load_lexicon(path, VOCABULARY)


@pytest.mark.parametrize("line", ["cat", "cat\t", "\tk æ t", "", "cat\tk  t"])
def test_a_malformed_line_is_refused(tmp_path: Path, line: str) -> None:
    with pytest.raises(VocabularyError):
        load_lexicon(written(tmp_path, f"{line}\ncut\tk ʌ t\n"), VOCABULARY)


@pytest.mark.parametrize(
    ("words", "spellings"),
    [
        (("cat",), ()),
        (("cat", "cat"), (((0,),), ((1,),))),
        (("cat",), ((),)),
        (("cat",), (((),),)),
    ],
)
def test_a_lexicon_needs_distinct_words_that_can_be_said(
    words: tuple[str, ...], spellings: tuple[tuple[tuple[int, ...], ...], ...]
) -> None:
    with pytest.raises(VocabularyError):
        Lexicon(words, spellings)


def test_unstressed_ah_is_spelled_both_ways() -> None:
    assert list(from_arpabet(["AH0", "B", "AH1", "T"])) == [
        ("ə", "b", "ʌ", "t"),
        ("ʌ", "b", "ʌ", "t"),
    ]


@pytest.mark.parametrize(
    ("variant", "spelling", "expected"),
    [
        ("not-rhotic", "oʊ v ɝ", "oʊ v ə"),
        ("not-rhotic", "t ɝ n", "t ɝ n"),
        ("cot-caught", "l ɔ f t", "l ɑ f t"),
        ("cot-caught", "m ɔ ɹ", "m ɔ ɹ"),
        ("weak-vowel", "k ɛ ɹ ɪ t s", "k ɛ ɹ ə t s"),
        ("weak-vowel", "w ɪ ð", "w ɪ ð"),
        ("short-ing", "g oʊ ɪ ŋ", "g oʊ ɪ n"),
        ("short-ing", "s ɪ ŋ", "s ɪ ŋ"),
    ],
)
def test_variants(variant: str, spelling: str, expected: str) -> None:
    assert VARIANTS[variant](tuple(spelling.split())) == tuple(expected.split())


def test_nonsense_gives_way_to_a_dictionary_and_is_cleaned_where_there_is_none() -> None:
    generated = {"colonel": ("k", " ", "o", " ", "l"), "abc": ("a", " ", "¹"), "cat": ("k", "æ")}
    text = build(
        ["cat", "colonel", "abc", "mr", "<s>", "co-op"],
        generated.__getitem__,
        {"colonel": [("k", "ɝ", "n")], "cat": [("k", "æ", "t"), ("k", "æ")]},
        [],
    )
    assert text.splitlines() == ["abc\ta", "cat\tk æ", "cat\tk æ t", "colonel\tk ɝ n"]


def test_a_spoken_form_takes_over_its_abbreviations_sound() -> None:
    generated = {"mister": ("m", "ɪ"), "mr": ("m", "ɝ")}
    assert build(["mister", "mr"], generated.__getitem__, {}, []) == "mister\tm ɪ\nmister\tm ɝ\n"


def test_the_words_alone(tmp_path: Path) -> None:
    path = tmp_path / "words.tsv"
    path.write_text("b\tx\na\ty\nb\ty\n", encoding="utf-8")
    assert load_words(path) == ("b", "a")


def test_words_are_spelled_by_their_letters() -> None:
    letters = Vocabulary((" ", "a", "b", "'", "_"), blank=4, word_boundary=0)
    lexicon = spell_words(("ab", "c.", "b'a", "a b", "_"), letters)
    assert lexicon.words == ("ab", "b'a")
    assert lexicon.spellings == (((1, 2),), ((2, 3, 1),))
    with pytest.raises(VocabularyError, match="spell none"):
        spell_words(("xyz",), letters)
