import math
from pathlib import Path

import pytest

from models.decode.fusion import Fusion, HotwordFusion, SumOfFusions, WordFusion
from models.errors import VocabularyError
from models.language_model import load_language_model
from models.vocabulary import Vocabulary, WordMarks

PIECES = ("▁new", "▁york", "▁yo", "rk", "▁city", "▁town", "s", "▁", "new", "<blank>")
VOCABULARY = Vocabulary(PIECES, len(PIECES) - 1, None, WordMarks.PREFIX)


def worth(fusion: Fusion, pieces: str) -> float:
    state, total = fusion.begin(), 0.0
    for piece in pieces.split():
        state, bonus = fusion.advance(state, VOCABULARY.index(piece))
        total += bonus
    return total + fusion.finish(state)


@pytest.mark.parametrize(
    ("phrases", "pieces", "letters"),
    [
        (["new"], "▁new", 3),
        (["new"], "▁ new", 3),
        (["new"], "▁new s", 0),
        (["new"], "▁town ▁new ▁city ▁new", 6),
        (["york"], "▁yo rk", 4),
        (["york"], "▁yo", 0),
        (["new york"], "▁new ▁yo rk", 7),
        (["new york"], "▁new ▁city", 0),
        (["new york"], "▁new ▁new ▁york", 7),
        (["new york", "new"], "▁new ▁city", 3),
        (["new york", "new"], "▁new ▁york", 7),
        (["new york city", "york"], "▁new ▁york ▁town", 4),
        (["new york city", "york"], "▁new ▁york ▁city", 11),
        (["new", "york"], "▁new ▁york", 7),
    ],
)
def test_phrases_are_worth_their_letters(phrases: list[str], pieces: str, letters: int) -> None:
    assert worth(HotwordFusion(VOCABULARY, phrases, weight=0.5), pieces) == letters * 0.5


def test_a_phrase_that_has_begun_is_worth_something_until_it_breaks_off() -> None:
    fusion = HotwordFusion(VOCABULARY, ["york"], weight=1.0)
    state, begun = fusion.advance(fusion.begin(), VOCABULARY.index("▁yo"))
    _, broken = fusion.advance(state, VOCABULARY.index("s"))
    assert (begun, broken) == (2.0, -2.0)


def test_an_empty_phrase_is_refused() -> None:
    with pytest.raises(VocabularyError, match="empty"):
        HotwordFusion(VOCABULARY, [" "])


def test_words_are_scored_by_their_language_model(tmp_path: Path) -> None:
    arpa = tmp_path / "tiny.arpa"
    arpa.write_text(
        "\\data\\\nngram 1=5\nngram 2=2\n\n\\1-grams:\n-4.0\t<unk>\n-99\t<s>\t-0.5\n"
        "-1.0\t</s>\n-0.8\tnew\t-0.3\n-1.2\tyork\t-0.2\n\n"
        "\\2-grams:\n-0.1\t<s> new\n-0.4\tnew york\n\n\\end\\\n",
        encoding="utf-8",
    )
    words = ["new", "york"]
    model = load_language_model(arpa, words)
    fusion = WordFusion(
        VOCABULARY, model, {word: i for i, word in enumerate(words)}, weight=0.5, word_bonus=0.25
    )
    natural = 0.5 * math.log(10)
    expected = natural * (-0.1 - 0.4 + (-0.2 - 1.0)) + 2 * 0.25
    assert worth(fusion, "▁new ▁yo rk") == pytest.approx(expected, abs=1e-5)
    assert worth(fusion, "▁town") == pytest.approx(natural * ((-0.5 - 4.0) - 1.0) + 0.25, abs=1e-5)
    both = SumOfFusions((fusion, HotwordFusion(VOCABULARY, ["york"], weight=1.0)))
    assert worth(both, "▁new ▁yo rk") == pytest.approx(expected + 4.0, abs=1e-5)
