import hashlib
import json

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from models import Recognizer
from models.embedded import WEIGHTS
from models.phoneme_ctc import PhonemeCtc, PhonemeCtcShape
from models.weights.convert_hama import read_hama_pack
from tests.conftest import DATA

Speech = dict[str, NDArray[np.float32]]


def test_same_tokens_as_the_engine_of_the_wheel(recognizer: Recognizer, speech: Speech) -> None:
    """`hama_tokens.json` was written by `benchmarks.parity` with the engine of hama 1.7.0."""
    reference = json.loads((DATA / "hama_tokens.json").read_text())
    same = frames = 0
    for name, waveform in speech.items():
        if name == "sonnet001":
            continue  # longer than the model's window: its reference is cut elsewhere
        tokens = recognizer.emit([waveform])[0].log_probs.argmax(axis=-1)
        assert len(tokens) == len(reference[f"{name}/0"])
        same += int((tokens == reference[f"{name}/0"]).sum())
        frames += len(tokens)
    assert frames > 2_000
    assert same / frames >= 0.999


@pytest.fixture(scope="module")
def small() -> PhonemeCtc:
    torch.manual_seed(0)
    shape = PhonemeCtcShape(num_filters=8, width=16, hidden=24, heads=4, kernel=7, classes=5)
    return PhonemeCtc(shape).eval()


def test_padding_is_invisible_whatever_it_holds(small: PhonemeCtc) -> None:
    features = torch.randn(3, 40, 8)
    lengths = torch.tensor([40, 17, 6])
    garbage = features.clone()
    for row, length in enumerate(lengths.tolist()):
        garbage[row, length:] = 1e6
    clean, emitted = small(features, lengths)
    dirty, _ = small(garbage, lengths)
    for row, length in enumerate(emitted.tolist()):
        torch.testing.assert_close(dirty[row, :length], clean[row, :length], rtol=0, atol=0)
        alone, _ = small(features[row : row + 1, : lengths[row]], lengths[row : row + 1])
        torch.testing.assert_close(alone[0], clean[row, :length], atol=1e-5, rtol=1e-5)


def test_no_gradient_reaches_padding_or_a_neighbour(small: PhonemeCtc) -> None:
    features = torch.randn(2, 30, 8, requires_grad=True)
    lengths = torch.tensor([30, 13])
    log_probs, emitted = small(features, lengths)
    log_probs[1, : emitted[1]].square().sum().backward()
    assert features.grad is not None
    assert features.grad[1, :13].abs().max() > 0
    assert features.grad[1, 13:].abs().max() == 0
    assert features.grad[0].abs().max() == 0


@pytest.mark.parametrize("frames", [1, 2, 3, 7, 8])
def test_emission_lengths_are_what_the_stem_makes(small: PhonemeCtc, frames: int) -> None:
    log_probs, lengths = small(torch.randn(1, frames, 8), torch.tensor([frames]))
    assert log_probs.shape == (1, int(lengths[0]), 5)
    torch.testing.assert_close(log_probs.exp().sum(dim=-1), torch.ones(1, int(lengths[0])))


def test_the_shipped_weights_are_those_of_the_conversion(recognizer: Recognizer) -> None:
    digest = hashlib.sha256(
        WEIGHTS.joinpath("en_phoneme_ctc", "acoustic.safetensors").read_bytes()
    ).hexdigest()
    assert digest == "d94781ead1feeecc62a3a70863d7f0e9621d72e2586c3d03c2d7cd6978cb7738"


def test_another_file_is_not_a_pack() -> None:
    with pytest.raises(RuntimeError, match="HAMAPK"):
        read_hama_pack(b"RIFF....WAVE")
