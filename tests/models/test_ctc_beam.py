from __future__ import annotations

import functools
import itertools
import math
import pickle
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from models.decode.ctc_beam import BeamSearchOptions, CtcBeamDecoder
from models.hypothesis import Hypothesis
from models.language_model import load_language_model
from models.lexicon import Lexicon
from models.vocabulary import Vocabulary

BLANK, BOUNDARY = 3, 2
VOCABULARY = Vocabulary(("x", "y", "<wb>", "<blank>"), blank=BLANK, word_boundary=BOUNDARY)
LEXICON = Lexicon(("ex", "why", "wye", "exes"), (((0,),), ((1,), (0, 1)), ((1,),), ((0, 0),)))
ARPA = """\\data\\
ngram 1=7
ngram 2=5

\\1-grams:
-5.0\t<unk>
-99\t<s>\t-0.3
-0.9\t</s>
-0.6\tex\t-0.2
-0.8\twhy\t-0.4
-1.1\twye\t-0.1
-1.0\texes\t-0.2

\\2-grams:
-0.4\t<s> why
-0.2\tex wye
-0.5\twhy ex
-0.3\twye </s>
-0.7\texes why

\\end\\
"""
WIDE = BeamSearchOptions(
    beam_size=4000,
    beam_size_token=4,
    beam_threshold=1e3,
    lm_weight=1.3,
    word_score=0.4,
    sil_score=-0.15,
)


@pytest.fixture(scope="module")
def arpa(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "tiny.arpa"
    path.write_text(ARPA, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def decoder(arpa: Path) -> CtcBeamDecoder:
    return CtcBeamDecoder(LEXICON, arpa, VOCABULARY, WIDE)


@pytest.fixture(scope="module")
def narrow(arpa: Path) -> CtcBeamDecoder:
    return CtcBeamDecoder(LEXICON, arpa, VOCABULARY, BeamSearchOptions())


def emission(rng: np.random.Generator, frames: int, sharpness: float = 2.0) -> NDArray[np.float32]:
    logits = sharpness * rng.standard_normal((frames, len(VOCABULARY)))
    return np.asarray(logits - np.logaddexp.reduce(logits, axis=1, keepdims=True), np.float32)


def spoken(path: tuple[int, ...]) -> list[tuple[int, ...]]:
    """What a frame path spells: collapsed, without blanks, cut at boundaries."""
    tokens = [token for token, _ in itertools.groupby(path)]
    pieces = [
        tuple(token for token in piece if token != BLANK)
        for is_boundary, piece in itertools.groupby(tokens, key=BOUNDARY.__eq__)
        if not is_boundary
    ]
    return [piece for piece in pieces if piece]


def brute_force(log_probs: NDArray[np.float32], arpa: Path) -> tuple[float, tuple[str, ...]]:
    """The best score and words over all C**T frame paths and all readings of each."""
    model = load_language_model(arpa, LEXICON.words)
    readings = {
        spelling: [w for w, variants in enumerate(LEXICON.spellings) if spelling in variants]
        for variants in LEXICON.spellings
        for spelling in variants
    }
    best: tuple[float, tuple[str, ...]] = (-math.inf, ())
    reading_scores = functools.cache(model.score)
    for path in itertools.product(range(len(VOCABULARY)), repeat=len(log_probs)):
        sound = float(log_probs[np.arange(len(path)), path].sum())
        # One boundary frame of probability 1 closes the emission.
        sound += WIDE.sil_score * (path.count(BOUNDARY) + 1)
        for words in itertools.product(*(readings.get(piece, []) for piece in spoken(path))):
            score = sound + WIDE.lm_weight * reading_scores(words) + WIDE.word_score * len(words)
            if score > best[0]:
                best = score, tuple(LEXICON.words[word] for word in words)
    return best


@pytest.mark.parametrize("frames", [1, 2, 3, 4, 5])
def test_a_wide_beam_finds_what_enumeration_finds(
    decoder: CtcBeamDecoder, arpa: Path, frames: int
) -> None:
    rng = np.random.default_rng(frames)
    for _ in range(10):
        log_probs = emission(rng, frames)
        score, words = brute_force(log_probs, arpa)
        found = decoder.decode(log_probs)
        assert tuple(word.text for word in found.words) == words
        assert found.score == pytest.approx(score, abs=1e-3)


def test_no_frames_give_an_empty_hypothesis(decoder: CtcBeamDecoder) -> None:
    empty = np.empty((0, len(VOCABULARY)), dtype=np.float32)
    assert decoder.decode(empty) == Hypothesis((), (), 0.0)


def test_words_stand_in_order_and_in_bounds(narrow: CtcBeamDecoder) -> None:
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


def spiked(path: str) -> NDArray[np.float32]:
    """An emission that is nearly sure of `path`: `|` a boundary, `-` a blank."""
    probabilities = np.full((len(path), len(VOCABULARY)), 0.01, dtype=np.float32)
    probabilities[np.arange(len(path)), ["xy|-".index(symbol) for symbol in path]] = 0.97
    return np.asarray(np.log(probabilities), np.float32)


@pytest.mark.parametrize(
    ("path", "tokens", "words"),
    [
        ("--xx-|--y--", (0, 2, 1), [("ex", 2, 4), ("wye", 8, 9)]),
        ("x-x|", (0, 0, 2), [("exes", 0, 3)]),
        ("||x|", (2, 0, 2), [("ex", 2, 3)]),
        ("xx", (0,), [("ex", 0, 2)]),
        ("----", (), []),
    ],
)
def test_words_are_timed_by_their_own_tokens(
    decoder: CtcBeamDecoder,
    path: str,
    tokens: tuple[int, ...],
    words: list[tuple[str, int, int]],
) -> None:
    found = decoder.decode(spiked(path))
    assert [(word.text, word.start_frame, word.end_frame) for word in found.words] == words
    assert found.tokens == tokens


def test_a_clear_word_is_rated_above_an_unclear_one(decoder: CtcBeamDecoder) -> None:
    clear = spiked("-x-|")
    unclear = clear.copy()
    unclear[1] = np.log([0.6, 0.05, 0.05, 0.3])
    (sure,), (unsure,) = decoder.decode(clear).words, decoder.decode(unclear).words
    assert sure.text == unsure.text == "ex"
    assert unsure.confidence < sure.confidence


def test_faint_noise_changes_no_word(narrow: CtcBeamDecoder) -> None:
    rng = np.random.default_rng(7)
    for frames in range(5, 40, 5):
        log_probs = emission(rng, frames, 4.0)
        noise = rng.uniform(-1e-5, 1e-5, log_probs.shape).astype(np.float32)
        before, after = narrow.decode(log_probs), narrow.decode(log_probs + noise)
        assert before.text == after.text


def test_a_pickled_decoder_decodes_alike(decoder: CtcBeamDecoder) -> None:
    log_probs = emission(np.random.default_rng(3), 20)
    copy = pickle.loads(pickle.dumps(decoder))
    assert copy.decode(log_probs) == decoder.decode(log_probs)


def test_of_tied_homophones_the_lexicons_first_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "tied.arpa"
    path.write_text(ARPA.replace("-1.1\twye\t-0.1", "-0.8\twye\t-0.4"), encoding="utf-8")
    for words in (("why", "wye"), ("wye", "why")):
        lexicon = Lexicon(words, (((0,),), ((0,),)))
        options = BeamSearchOptions(lm_weight=0.0)
        decoder = CtcBeamDecoder(lexicon, path, VOCABULARY, options)
        assert decoder.decode(spiked("-x-|")).text == words[0]


@pytest.mark.parametrize("shape", [(4,), (4, 3), (1, 4, 4)])
def test_an_emission_of_another_shape_is_refused(
    decoder: CtcBeamDecoder, shape: tuple[int, ...]
) -> None:
    with pytest.raises(ValueError, match="emission"):
        decoder.decode(np.zeros(shape, dtype=np.float32))


def test_nan_is_refused(decoder: CtcBeamDecoder) -> None:
    with pytest.raises(ValueError, match="NaN"):
        decoder.decode(np.full((3, 4), np.nan, dtype=np.float32))


@pytest.mark.parametrize("wrong", ["beam_size", "beam_size_token", "beam_threshold"])
def test_widths_must_be_positive(wrong: str) -> None:
    with pytest.raises(ValueError, match="positive"):
        BeamSearchOptions(**{wrong: 0})
