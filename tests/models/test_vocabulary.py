import pytest

from models.errors import VocabularyError
from models.vocabulary import Vocabulary


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
