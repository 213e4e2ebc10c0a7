"""A small network that hears whether somebody speaks.

The 16 kHz network of Silero VAD 6.2 (https://github.com/snakers4/silero-vad, MIT), whose weights
`weights/convert_silero.py` reads: a magnitude STFT, four convolutions and an LSTM, one answer for
each chunk. The convolutions see one chunk and the end of the one before, so all chunks of a
waveform go through them at once; only the LSTM goes from chunk to chunk.

Letters: N chunks, T frames, D features.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from models.errors import CheckpointError

WEIGHTS = Path(__file__).parent / "weights" / "silero_vad" / "voice_activity.safetensors"
SAMPLE_RATE_HZ = 16_000
CHUNK_SAMPLES = 512
BEFORE_SAMPLES = 64
NUM_FFT = 256
HOP_SAMPLES = 128
CHUNKS_AT_ONCE = 512
LEAST_PEAK = 0.1


class _ShortConvolution(nn.Module):
    """A convolution of kernel 3 over `(N, T, D)` as one product, then ReLU: T is 4 or less."""

    def __init__(self, width: int, filters: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.weight = nn.Parameter(torch.zeros(filters, width, 3))
        self.bias = nn.Parameter(torch.zeros(filters))

    def forward(self, hidden: Tensor) -> Tensor:
        # (N, T, D, 3): the kernel's axis is the last one, as in the weights.
        patches = F.pad(hidden, (0, 0, 1, 1)).unfold(1, 3, self.stride).flatten(2)
        return F.relu(F.linear(patches, self.weight.flatten(1), self.bias))


class VoiceActivity(nn.Module):
    """A waveform `(samples,)` at 16 kHz, in -1..1, to probabilities of speech `(N,)`.

    There is one for every `CHUNK_SAMPLES`; the last chunk is filled up with silence.
    """

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            _ShortConvolution(NUM_FFT // 2 + 1, 128, stride=1),
            _ShortConvolution(128, 64, stride=2),
            _ShortConvolution(64, 64, stride=2),
            _ShortConvolution(64, 128, stride=1),
        )
        self.memory = nn.LSTM(128, 128)
        self.decoder = nn.Linear(128, 1)
        self.register_buffer("window", torch.hann_window(NUM_FFT), persistent=False)
        self.window: Tensor

    def forward(self, waveform: Tensor) -> Tensor:
        count = -(-len(waveform) // CHUNK_SAMPLES)
        if count == 0:
            return waveform.new_zeros(0)
        padded = F.pad(waveform, (BEFORE_SAMPLES, count * CHUNK_SAMPLES - len(waveform)))
        chunks = padded.unfold(0, BEFORE_SAMPLES + CHUNK_SAMPLES, CHUNK_SAMPLES)
        encoded = torch.cat([self._encode(some) for some in torch.split(chunks, CHUNKS_AT_ONCE)])
        remembered, _ = self.memory(encoded[:, None])
        return torch.sigmoid(self.decoder(F.relu(remembered)))[:, 0, 0]

    def _encode(self, chunks: Tensor) -> Tensor:
        """`(N, samples)` to `(N, D)`."""
        reflected = chunks[:, -BEFORE_SAMPLES - 1 : -1].flip(1)
        frames = torch.cat([chunks, reflected], 1).unfold(1, NUM_FFT, HOP_SAMPLES)
        encoded: Tensor = self.encoder(torch.fft.rfft(frames * self.window).abs())
        return encoded[:, 0]


@dataclass(frozen=True)
class SpeechDetector:
    """What a worker needs to build its detector; it runs on the processor, beside the model."""

    def load(self) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
        """A function from samples at 16 kHz to one probability of speech for each chunk.

        What does not rise above `LEAST_PEAK` is raised to it: the network is deaf to faint speech.
        """
        network = load_voice_activity()

        def detect(samples: NDArray[np.float32]) -> NDArray[np.float32]:
            peak = float(np.abs(samples).max(initial=0.0))
            gain = LEAST_PEAK / peak if 0.0 < peak < LEAST_PEAK else 1.0
            with torch.inference_mode():
                probabilities: NDArray[np.float32] = network(
                    torch.from_numpy(samples) * gain
                ).numpy()
            return probabilities

        return detect

    def fingerprint(self) -> str:
        """Identifies the answers: the weights. Raises `CheckpointError` where they are missing."""
        try:
            return hashlib.sha256(WEIGHTS.read_bytes()).hexdigest()[:32]
        except OSError as error:
            raise CheckpointError(
                f"the weights of the speech detector are missing: {error}; reinstall beamscribe"
            ) from error


def load_voice_activity(path: Path = WEIGHTS) -> VoiceActivity:
    """Load the network. Raises `CheckpointError` saying what is missing and what to do."""
    network = VoiceActivity()
    try:
        network.load_state_dict(load_file(path))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise CheckpointError(
            f"the weights of the speech detector cannot be loaded from {path}: {error}; "
            "reinstall beamscribe"
        ) from error
    network.requires_grad_(False)
    return network.eval()
