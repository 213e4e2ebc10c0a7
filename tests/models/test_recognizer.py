"""The law: words and times depend on the audio, not on the batch."""

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from models import Hypothesis, Recognizer, load_recognizer, registry
from models.decode.ctc_beam import BeamSearchOptions, CtcBeamDecoder
from models.decode.pool import DecoderPool, DecoderRecipe
from models.embedded import EmbeddedModel
from models.errors import CheckpointError

Speech = dict[str, NDArray[np.float32]]
MODEL = "en-phoneme-ctc"


@pytest.fixture(scope="module")
def decoder() -> CtcBeamDecoder:
    return DecoderRecipe(MODEL, BeamSearchOptions()).load()


def neighbourhoods(names: list[str]) -> list[list[str]]:
    """Batches of names; `empty` and `long` stand for made neighbours."""
    shuffled = random.Random(7).sample(names, len(names))
    return [
        shuffled[:4],
        shuffled[4:],
        list(reversed(names)),
        *([name, "empty"] for name in names),
        *(["long", name] for name in names),
    ]


def comparable(hypothesis: Hypothesis) -> tuple[object, ...]:
    return hypothesis.tokens, tuple(replace(word, confidence=0.0) for word in hypothesis.words)


def test_a_batch_changes_nothing(
    recognizer: Recognizer, decoder: CtcBeamDecoder, speech: Speech
) -> None:
    noise = np.random.default_rng(3).normal(0, 0.1, 480_000).astype(np.float32)
    waveforms = {**speech, "empty": np.zeros(0, dtype=np.float32), "long": noise}
    alone = {name: recognizer.emit([waveform])[0] for name, waveform in speech.items()}
    words = {name: decoder.decode(emission.log_probs) for name, emission in alone.items()}
    greedy = {
        name: recognizer.recognize_greedily([waveform])[0] for name, waveform in speech.items()
    }
    assert all(hypothesis.words for hypothesis in words.values())
    for names in neighbourhoods(list(speech)):
        batch = [waveforms[name] for name in names]
        for name, emission, path in zip(
            names, recognizer.emit(batch), recognizer.recognize_greedily(batch), strict=True
        ):
            if name in speech:
                np.testing.assert_allclose(emission.log_probs, alone[name].log_probs, atol=1e-3)
                found = decoder.decode(emission.log_probs)
                assert comparable(found) == comparable(words[name])
                assert comparable(path) == comparable(greedy[name])
                for word, expected in zip(found.words, words[name].words, strict=True):
                    assert word.confidence == pytest.approx(expected.confidence, abs=1e-3)


@pytest.mark.parametrize("samples", [0, 1, 399])
def test_too_short_to_hear(recognizer: Recognizer, samples: int) -> None:
    waveform = np.full(samples, 0.5, dtype=np.float32)
    assert recognizer.emit([waveform])[0].log_probs.shape == (0, 191)
    assert recognizer.recognize_greedily([waveform]) == [Hypothesis((), (), 0.0)]


def test_a_process_decodes_as_this_one(
    recognizer: Recognizer, decoder: CtcBeamDecoder, speech: Speech
) -> None:
    log_probs = recognizer.emit([speech["librispeech-1089-134691-0000"]])[0].log_probs
    pool = DecoderPool(DecoderRecipe(MODEL, BeamSearchOptions()), workers=1)
    try:
        assert pool.submit(log_probs).result() == decoder.decode(log_probs)
    finally:
        pool.close()


def test_an_unknown_name_says_which_there_are() -> None:
    with pytest.raises(CheckpointError, match=r"'wav3vec'.*en-phoneme-ctc"):
        load_recognizer("wav3vec")


@pytest.mark.parametrize("content", [None, b"", b"not safetensors"])
def test_damaged_weights_say_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None
) -> None:
    if content is not None:
        (tmp_path / "acoustic.safetensors").write_bytes(content)
    card = replace(registry.CARDS[MODEL], acoustics=EmbeddedModel(MODEL, tmp_path))
    monkeypatch.setitem(registry.CARDS, MODEL, card)
    with pytest.raises(CheckpointError, match="reinstall beamscribe"):
        load_recognizer(MODEL)
