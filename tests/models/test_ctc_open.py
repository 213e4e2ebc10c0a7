from __future__ import annotations

import itertools
import math
import pickle
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from models.decode.ctc_open import CtcOpenDecoder
from models.decode.word_scores import OpenSearchOptions
from models.hypothesis import Hypothesis
from models.language_model import load_language_model
from models.vocabulary import Vocabulary, WordMarks

LETTERS = Vocabulary((" ", "a", "b", "<blank>"), blank=3, word_boundary=0)
PIECES = Vocabulary(
    ("▁a", "b", "▁b", "<blank>"), blank=3, word_boundary=None, marks=WordMarks.PREFIX
)
WORD_PIECES = Vocabulary(
    ("a", "##b", "b", "<blank>"), blank=3, word_boundary=None, marks=WordMarks.CONTINUATION
)
WORDS = ("a", "ab", "ba")
ARPA = """\\data\\
ngram 1=6
ngram 2=3

\\1-grams:
-5.0\t<unk>
-99\t<s>\t-0.3
-0.9\t</s>
-0.6\ta\t-0.2
-0.8\tab\t-0.4
-1.1\tba\t-0.1

\\2-grams:
-0.4\t<s> ab
-0.2\ta ba
-0.3\tba </s>

\\end\\
"""
WIDE = OpenSearchOptions(
    beam_size=100_000,
    beam_size_token=4,
    beam_threshold=1e3,
    token_threshold=1e3,
    lm_weight=1.3,
    word_score=0.4,
    unk_score=-2.5,
)


@pytest.fixture(scope="module")
def arpa(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "tiny.arpa"
    path.write_text(ARPA, encoding="utf-8")
    return path


def emission(rng: np.random.Generator, frames: int, sharpness: float = 2.0) -> NDArray[np.float32]:
    logits = sharpness * rng.standard_normal((frames, 4))
    return np.asarray(logits - np.logaddexp.reduce(logits, axis=1, keepdims=True), np.float32)


def words_of(tokens: Sequence[int], vocabulary: Vocabulary) -> tuple[str, ...]:
    """By writing the tokens down, then splitting what was written."""
    written = "".join(vocabulary.tokens[token] for token in tokens)
    if vocabulary.marks is WordMarks.PREFIX:
        written = written.replace("▁", " ")
    elif vocabulary.marks is WordMarks.CONTINUATION:
        written = " ".join(vocabulary.tokens[token] for token in tokens).replace(" ##", "")
        written = written.removeprefix("##")
    return tuple(written.split())


def brute_force(
    log_probs: NDArray[np.float32], arpa: Path, vocabulary: Vocabulary
) -> dict[tuple[int, ...], float]:
    """The score of every sequence of tokens, by summing over all C**T paths."""
    model = load_language_model(arpa, WORDS)
    sums: dict[tuple[int, ...], float] = {}
    for path in itertools.product(range(4), repeat=len(log_probs)):
        tokens = tuple(token for token, _ in itertools.groupby(path) if token != vocabulary.blank)
        sound = float(log_probs[np.arange(len(path)), path].sum(dtype=np.float64))
        sums[tokens] = float(np.logaddexp(sums.get(tokens, -math.inf), sound))
    scores = {}
    for tokens, sound in sums.items():
        state, score = model.kenlm.start(False), sound
        for word in words_of(tokens, vocabulary):
            score += WIDE.word_score
            if word in WORDS:
                state, log10 = model.kenlm.score(state, WORDS.index(word))
                score += WIDE.lm_weight * log10
            else:
                state, _ = model.kenlm.score(state, model.unknown)
                score += WIDE.unk_score
        scores[tokens] = score + WIDE.lm_weight * model.kenlm.finish(state)[1]
    return scores


@pytest.mark.parametrize("vocabulary", [LETTERS, PIECES, WORD_PIECES], ids=lambda v: v.marks.name)
@pytest.mark.parametrize("frames", [1, 2, 3, 5, 6])
def test_a_wide_beam_finds_what_enumeration_finds(
    arpa: Path, frames: int, vocabulary: Vocabulary
) -> None:
    decoder = CtcOpenDecoder(WORDS, arpa, vocabulary, WIDE)
    rng = np.random.default_rng(frames)
    unknown = 0
    for _ in range(8):
        log_probs = emission(rng, frames)
        scores = brute_force(log_probs, arpa, vocabulary)
        best = max(scores, key=scores.__getitem__)
        found = decoder.decode(log_probs)
        assert found.tokens == best
        assert found.score == pytest.approx(scores[best], abs=1e-4)
        assert tuple(word.text for word in found.words) == words_of(best, vocabulary)
        unknown += any(word.text not in WORDS for word in found.words)
    assert unknown or frames < 5, "no word outside the language model was ever the best"


def spiked(path: str, vocabulary: Vocabulary = LETTERS) -> NDArray[np.float32]:
    """An emission that is nearly sure of `path`: `-` a blank."""
    probabilities = np.full((len(path), 4), 1e-6, dtype=np.float32)
    probabilities[np.arange(len(path)), [" ab-".index(symbol) for symbol in path]] = 1.0 - 3e-6
    return np.asarray(np.log(probabilities), np.float32)


@pytest.fixture(scope="module")
def narrow(arpa: Path) -> CtcOpenDecoder:
    return CtcOpenDecoder(WORDS, arpa, LETTERS, OpenSearchOptions())


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("--aa- --bb--", [("a", 2, 4), ("b", 8, 10)]),
        ("b-b", [("bb", 0, 3)]),
        ("  a b ", [("a", 2, 3), ("b", 4, 5)]),
        ("a- - b", [("a", 0, 1), ("b", 5, 6)]),
        ("----", []),
    ],
)
def test_words_are_timed_by_their_own_tokens(
    narrow: CtcOpenDecoder, path: str, words: list[tuple[str, int, int]]
) -> None:
    found = narrow.decode(spiked(path))
    assert [(word.text, word.start_frame, word.end_frame) for word in found.words] == words


def test_a_name_survives_where_it_is_heard(narrow: CtcOpenDecoder) -> None:
    assert narrow.decode(spiked("a bbbab a")).text == "a bab a"
    assert narrow.decode(spiked("b-b-bb a")).text == "bbb a"


def test_the_language_model_decides_where_the_sound_hardly_does(narrow: CtcOpenDecoder) -> None:
    log_probs = spiked("b-b")
    log_probs[0] = np.log(np.array([1e-6, 0.49, 0.51, 1e-6], np.float32))
    assert narrow.decode(log_probs).text == "ab"


def test_long_emissions_do_not_underflow(narrow: CtcOpenDecoder) -> None:
    rng = np.random.default_rng(5)
    found = narrow.decode(emission(rng, 3_000, 4.0))
    assert np.isfinite(found.score) and len(found.words) > 100


def test_words_stand_in_order_and_in_bounds(narrow: CtcOpenDecoder) -> None:
    rng = np.random.default_rng(0)
    seen = 0
    for frames in range(1, 60):
        previous = 0
        for word in narrow.decode(emission(rng, frames, 4.0)).words:
            assert previous <= word.start_frame < word.end_frame <= frames
            assert 0.0 <= word.confidence <= 1.0
            previous = word.end_frame
            seen += 1
    assert seen > 100


def test_a_clear_word_is_rated_above_an_unclear_one(narrow: CtcOpenDecoder) -> None:
    clear = spiked("-a-")
    unclear = clear.copy()
    unclear[1] = np.log([0.05, 0.6, 0.05, 0.3])
    (sure,), (unsure,) = narrow.decode(clear).words, narrow.decode(unclear).words
    assert sure.text == unsure.text == "a"
    assert unsure.confidence < sure.confidence <= 1.0


def test_decoding_twice_or_elsewhere_gives_the_same(narrow: CtcOpenDecoder) -> None:
    log_probs = emission(np.random.default_rng(3), 40)
    first = narrow.decode(log_probs)
    narrow.decode(emission(np.random.default_rng(4), 40))
    assert narrow.decode(log_probs) == first
    assert pickle.loads(pickle.dumps(narrow)).decode(log_probs) == first


def test_punctuation_does_not_make_a_word_unknown(arpa: Path) -> None:
    vocabulary = Vocabulary(
        ("▁A", "b", ",", "<blank>"), blank=3, word_boundary=None, marks=WordMarks.PREFIX
    )
    decoder = CtcOpenDecoder(WORDS, arpa, vocabulary, WIDE)
    probabilities = np.full((3, 4), 1e-9, dtype=np.float64)
    probabilities[np.arange(3), [0, 1, 2]] = 1.0
    found = decoder.decode(np.log(probabilities).astype(np.float32))
    plain = load_language_model(arpa, WORDS).score([WORDS.index("ab")])
    assert found.text == "Ab,"
    assert found.score == pytest.approx(WIDE.lm_weight * plain + WIDE.word_score, abs=1e-3)


def test_no_frames_give_an_empty_hypothesis(narrow: CtcOpenDecoder) -> None:
    assert narrow.decode(np.empty((0, 4), dtype=np.float32)) == Hypothesis((), (), 0.0)


@pytest.mark.parametrize("shape", [(4,), (4, 3), (1, 4, 4)])
def test_an_emission_of_another_shape_is_refused(
    narrow: CtcOpenDecoder, shape: tuple[int, ...]
) -> None:
    with pytest.raises(ValueError, match="emission"):
        narrow.decode(np.zeros(shape, dtype=np.float32))


def test_nan_is_refused(narrow: CtcOpenDecoder) -> None:
    with pytest.raises(ValueError, match="NaN"):
        narrow.decode(np.full((3, 4), np.nan, dtype=np.float32))


@pytest.mark.parametrize(
    "wrong", ["beam_size", "beam_size_token", "beam_threshold", "token_threshold"]
)
def test_widths_must_be_positive(wrong: str) -> None:
    with pytest.raises(ValueError, match="positive"):
        OpenSearchOptions(**{wrong: 0})
