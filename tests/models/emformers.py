"""A small Emformer transducer with random weights that speaks now and then."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

from models.card import GREEDY, TRANSDUCER, ModelCard
from models.emformer_rnnt import EmformerRnnt
from models.emformer_shape import EmformerRnntShape
from models.transducer_recognizer import TransducerRecognizer
from models.vocabulary import Vocabulary, WordMarks

SHAPE = EmformerRnntShape(
    num_filters=16,
    echoes=2,
    reduced_width=8,
    heads=2,
    hidden=32,
    layers=2,
    left_context=6,
    encoding_width=16,
    token_width=8,
    lstm_layers=2,
    classes=7,
)
SILENCE_BIAS = 6.0
TOKENS = ("▁", "a", "▁b", "c", "▁d", "e", "<blank>")


def noise(num_samples: int) -> NDArray[np.float32]:
    """Noise whose colour and level change every 50 ms, so that different tokens come."""
    random = np.random.default_rng(1)
    pieces = num_samples // 800 + 1
    levels = np.repeat(random.uniform(0, 0.5, pieces), 800)[:num_samples]
    sound = levels * random.standard_normal(num_samples)
    smooth = np.convolve(sound, np.ones(9) / 9, mode="same")[:num_samples]
    colours = np.repeat(random.random(pieces) < 0.5, 800)[:num_samples]
    return np.where(colours, sound, smooth).astype(np.float32)


def emformer(seed: int, memories: int = 0) -> EmformerRnnt:
    torch.manual_seed(seed)
    network = EmformerRnnt(replace(SHAPE, memories=memories)).eval()
    joiner = network.rnnt.joiner.linear
    joiner.weight.data = torch.randn_like(joiner.weight)
    joiner.bias.data = torch.zeros_like(joiner.bias)
    joiner.bias.data[-1] = SILENCE_BIAS
    # Random layers hear every noise alike: spread what they make of it, so that tokens differ.
    sound = torch.from_numpy(noise(16_000))
    with torch.no_grad():
        heard = network.features(sound)[:, : SHAPE.num_filters]
        network.features.mean.copy_(heard.mean(dim=0))
        network.features.invstddev.copy_(1 / heard.std(dim=0))
        encoded, _ = network.encode_waveforms([sound])
        norm = network.rnnt.transcriber.layer_norm
        norm.weight.copy_(2.0 / encoded[0].std(dim=0))
        norm.bias.copy_(-encoded[0].mean(dim=0) * norm.weight)
    return network.requires_grad_(False)


def write_folder(folder: Path, network: EmformerRnnt) -> Path:
    """The folder that `emformer:FOLDER` names."""
    state = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    save_file(state, folder / "acoustic.safetensors")
    vocabulary = {"tokens": list(TOKENS), "blank": len(TOKENS) - 1}
    (folder / "vocabulary.json").write_text(json.dumps(vocabulary), encoding="utf-8")
    (folder / "shape.json").write_text(json.dumps(asdict(network.shape)), encoding="utf-8")
    return folder


class StaticModel:
    """A vocabulary and a network that are already there."""

    def __init__(self, network: EmformerRnnt) -> None:
        self.network = network

    def vocabulary(self) -> Vocabulary:
        return Vocabulary(TOKENS, len(TOKENS) - 1, None, WordMarks.PREFIX)

    def fingerprint(self) -> str:
        return "static"

    def load(self) -> EmformerRnnt:
        return self.network


def recognizer_of(network: EmformerRnnt) -> TransducerRecognizer:
    shape = network.shape
    card = ModelCard(
        name="random",
        language="und",
        licence="none",
        description="random",
        sample_rate_hz=shape.sample_rate_hz,
        frame_samples=shape.frame_samples,
        shortest_samples=shape.num_fft // 2 + 1,
        longest_s=30.0,
        decoders=(TRANSDUCER, GREEDY),
        acoustics=StaticModel(network),
        linguistics=None,
        first_centre_samples=240,
    )
    return TransducerRecognizer(card, network, torch.device("cpu"))
