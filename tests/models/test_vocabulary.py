import pytest

from models.errors import VocabularyError
from models.vocabulary import Vocabulary, WordMarks


def test_spells_and_finds() -> None:
    vocabulary = Vocabulary(("a", "b", "|", "_"), blank=3, word_boundary=2)
    assert len(vocabulary) == 4
    assert vocabulary.index("b") == 1
    assert vocabulary.spell([1, 0]) == ("b", "a")


@pytest.mark.parametrize(
    ("tokens", "blank"), [(("a", "a", "_"), 2), (("a", "_"), 2), (("a", "_"), -1)]
)
def test_refuses_what_does_not_fit(tokens: tuple[str, ...], blank: int) -> None:
    with pytest.raises(VocabularyError):
        Vocabulary(tokens, blank=blank, word_boundary=0)


def test_names_the_unknown_token() -> None:
    with pytest.raises(VocabularyError, match="'z'"):
        Vocabulary(("a", "_"), blank=1, word_boundary=0).index("z")


BOUNDARY = Vocabulary((" ", "a", "<blank>"), blank=2, word_boundary=0)
PREFIX = Vocabulary(
    ("▁a", "▁", "b", "<blank>"), blank=3, word_boundary=None, marks=WordMarks.PREFIX
)
CONTINUATION = Vocabulary(
    ("a", "##b", "<blank>"), blank=2, word_boundary=None, marks=WordMarks.CONTINUATION
)


@pytest.mark.parametrize(
    ("vocabulary", "texts", "starts"),
    [
        (BOUNDARY, ["", "a"], [True, False]),
        (PREFIX, ["a", "", "b"], [True, True, False]),
        (CONTINUATION, ["a", "b"], [True, False]),
    ],
)
def test_what_tokens_write_and_where_words_begin(
    vocabulary: Vocabulary, texts: list[str], starts: list[bool]
) -> None:
    tokens = range(len(texts))
    assert [vocabulary.text(token) for token in tokens] == texts
    assert [vocabulary.starts_word(token) for token in tokens] == starts
    assert vocabulary.text(vocabulary.blank) == ""


@pytest.mark.parametrize(("boundary", "marks"), [(0, WordMarks.PREFIX), (None, WordMarks.BOUNDARY)])
def test_a_boundary_goes_with_its_marks(boundary: int | None, marks: WordMarks) -> None:
    with pytest.raises(VocabularyError, match="word boundary"):
        Vocabulary((" ", "_"), blank=1, word_boundary=boundary, marks=marks)
