from __future__ import annotations

import io
import math
from pathlib import Path

import numpy as np
import pytest

from models.errors import CheckpointError, VocabularyError
from models.language_model import load_language_model
from models.weights.build_language_model import Trigrams, bit_column, write_arpa

ARPA = """\\data\\
ngram 1=5
ngram 2=3

\\1-grams:
-4.0\t<unk>
-99\t<s>\t-0.5
-1.0\t</s>
-0.8\tone\t-0.3
-1.2\ttwo\t-0.2

\\2-grams:
-0.1\t<s> one
-0.4\tone two
-0.6\ttwo </s>

\\end\\
"""


@pytest.fixture
def arpa(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.arpa"
    path.write_text(ARPA, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((1, 0), -0.1 - 0.4 - 0.6),
        ((0,), (-0.5 - 1.2) - 0.6),
        ((1, 1), -0.1 + (-0.3 - 0.8) + (-0.3 - 1.0)),
        ((2,), (-0.5 - 4.0) - 1.0),
        ((), -0.5 - 1.0),
    ],
)
def test_scores_follow_the_lexicons_ids(
    arpa: Path, words: tuple[int, ...], expected: float
) -> None:
    model = load_language_model(arpa, ["two", "one", "three"])
    assert model.score(words) == pytest.approx(expected, abs=1e-5)


def test_a_missing_model_is_a_checkpoint_error(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no language model"):
        load_language_model(tmp_path / "absent.kenlm", ["one"])


def test_a_file_of_another_kind_is_a_checkpoint_error(tmp_path: Path) -> None:
    path = tmp_path / "noise.kenlm"
    path.write_bytes(b"no model at all\n")
    with pytest.raises(CheckpointError, match="KenLM"):
        load_language_model(path, ["one"])


@pytest.mark.parametrize("words", [["a b"], [""], ["one", "one"], ["<unk>"]])
def test_words_that_would_shift_ids_are_refused(arpa: Path, words: list[str]) -> None:
    with pytest.raises(VocabularyError):
        load_language_model(arpa, words)


def test_bit_columns_cross_byte_boundaries() -> None:
    entries = [(5, 100), (2, 1023), (7, 0), (1, 513)]
    packed = 0
    for index, (low, high) in enumerate(entries):
        packed |= (low | high << 3) << (13 * index)
    raw = packed.to_bytes(8, "little")
    assert bit_column(raw, 13, 0, 4, 3).tolist() == [low for low, _ in entries]
    assert bit_column(raw, 13, 3, 4, 10).tolist() == [high for _, high in entries]


def test_the_written_arpa_loads_with_its_scores(tmp_path: Path) -> None:
    base = math.log10(1.0001)
    scores = np.array([-99, -1.0, -0.7, -0.9], dtype=np.float32) / base
    model = Trigrams(
        words=["<s>", "</s>", "one", "two"],
        unigram_scores=scores,
        unigram_backoffs=np.array([-0.5, 0, -0.3, -0.2], dtype=np.float32) / base,
        bigrams=np.array([[0, 2], [2, 3], [3, 1]]),
        bigram_scores=np.array([-0.1, -0.4, -0.6], dtype=np.float32) / base,
        bigram_backoffs=np.array([-0.25, 0, 0], dtype=np.float32) / base,
        trigrams=np.array([[0, 2, 3]]),
        trigram_scores=np.array([-0.05], dtype=np.float32) / base,
    )
    text = io.StringIO()
    write_arpa(model, text)
    path = tmp_path / "written.arpa"
    path.write_text(text.getvalue(), encoding="utf-8")
    loaded = load_language_model(path, ["one", "two"])
    assert loaded.score((0, 1)) == pytest.approx(-0.1 - 0.05 - 0.6, abs=1e-3)
    assert loaded.score((0, 0)) == pytest.approx(-0.1 + (-0.25 - 0.3 - 0.7) - 1.3, abs=1e-3)
