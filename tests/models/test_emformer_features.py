import math

import numpy as np
import pytest
import torch
import torchaudio
from numpy.typing import NDArray

from models.emformer_features import GlobalLogMel


def test_they_are_those_of_torchaudios_bundle(speech: dict[str, NDArray[np.float32]]) -> None:
    features = GlobalLogMel(16_000, 400, 160, 80, 0.0, 8_000.0)
    features.mean.copy_(torch.linspace(5.0, 15.0, 80))
    features.invstddev.copy_(torch.linspace(0.2, 0.3, 80))
    mel = torchaudio.transforms.MelSpectrogram(
        sample_rate=16_000, n_fft=400, n_mels=80, hop_length=160
    )
    for samples in list(speech.values())[:3]:
        waveform = torch.from_numpy(samples)
        # torchaudio.pipelines.rnnt_pipeline, line by line.
        energies = mel(waveform).transpose(1, 0) * 10 ** (0.05 * 40 * math.log10(32_767))
        small = energies <= math.e
        energies = torch.where(small, energies / math.e, torch.log(energies.clamp(min=1e-9)))
        reference = (energies - features.mean) * features.invstddev
        torch.testing.assert_close(features(waveform), reference, atol=1e-3, rtol=1e-4)


def test_too_little_to_reflect_is_refused() -> None:
    features = GlobalLogMel(16_000, 400, 160, 80, 0.0, 8_000.0)
    with pytest.raises(ValueError, match="more than 200 samples, got 200"):
        features(torch.zeros(200))
    assert features(torch.zeros(201)).shape == (2, 80)
