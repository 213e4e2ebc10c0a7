import pytest
import torch
import torchaudio

from models.features import LogMel


@pytest.mark.parametrize("samples", [201, 1_000, 16_000, 16_001])
def test_equals_torchaudio(samples: int) -> None:
    """Against torchaudio's spectrogram under its own HTK filter bank."""
    features = LogMel(num_fft=400, hop_samples=160, num_filters=40, floor=1e-10)
    features.filters.copy_(torchaudio.functional.melscale_fbanks(201, 0.0, 8_000.0, 40, 16_000))
    reference = torchaudio.transforms.MelSpectrogram(
        sample_rate=16_000, n_fft=400, hop_length=160, n_mels=40
    )
    waveform = torch.randn(samples, generator=torch.Generator().manual_seed(samples))
    expected = torch.log(torch.clamp(reference(waveform).T, min=1e-10))
    found = features(waveform)
    assert found.shape == (1 + samples // 160, 40)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_silence_meets_the_floor() -> None:
    features = LogMel(num_fft=400, hop_samples=160, num_filters=40, floor=1e-10)
    features.filters.fill_(1.0)
    torch.testing.assert_close(
        features(torch.zeros(800)), torch.full((6, 40), 1e-10).log(), atol=1e-4, rtol=0
    )


def test_too_few_samples_to_reflect() -> None:
    with pytest.raises(ValueError, match="more than 200 samples, got 200"):
        LogMel(num_fft=400, hop_samples=160, num_filters=40, floor=1e-10)(torch.zeros(200))
