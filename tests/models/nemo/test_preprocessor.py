from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from models.nemo.checkpoint import NemoCheckpoint
from models.nemo.mel_settings import MelSettings
from models.nemo.preprocessor import MelPreprocessor, mel_filters, normalized
from models.nemo.section import Section
from models.nemo.weights import Weights
from tests.models.nemo.checkpoints import FOLDER, members

SETTINGS = NemoCheckpoint.read(FOLDER / "conformer.nemo").mel


def settings(**values: Any) -> MelSettings:
    return MelSettings.read(Section.of("m.nemo", values))


def test_filters_and_window_are_those_that_nemo_saved() -> None:
    state = torch.load(__import__("io").BytesIO(members("conformer")["model_weights.ckpt"]))
    own = MelPreprocessor(SETTINGS, Weights("m.nemo", {}))
    saved = state["preprocessor.featurizer.fb"][0].T
    torch.testing.assert_close(own.filters, saved, atol=1e-8, rtol=1e-6)
    torch.testing.assert_close(own.window, state["preprocessor.featurizer.window"])


@pytest.mark.parametrize(("lowest", "highest"), [(0.0, 8_000.0), (300.0, 3_400.0)])
def test_each_filter_has_area_one(lowest: float, highest: float) -> None:
    fine = replace(SETTINGS, num_fft=1 << 15, lowest_hz=lowest, highest_hz=highest)
    areas = mel_filters(fine).sum(axis=1) * (fine.sample_rate_hz / fine.num_fft)
    np.testing.assert_allclose(areas, 1.0, atol=0.01)


def test_defaults_are_those_of_nemo() -> None:
    assert settings() == MelSettings(
        sample_rate_hz=16_000,
        window_samples=320,
        hop_samples=160,
        num_fft=512,
        window="hann",
        filters=64,
        lowest_hz=0.0,
        highest_hz=8_000.0,
        mel_norm="slaney",
        preemphasis=0.97,
        power=2.0,
        logarithmic=True,
        floor=2**-24,
        clamps=False,
        normalize="per_feature",
    )


def test_settings_in_samples_and_switched_off() -> None:
    odd = settings(
        sample_rate=8_000,
        window_size=None,
        n_window_size=200,
        window_stride=None,
        n_window_stride=80,
        preemph=None,
        normalize=None,
        log_zero_guard_value="eps",
    )
    assert (odd.window_samples, odd.hop_samples, odd.num_fft) == (200, 80, 256)
    assert (odd.preemphasis, odd.normalize, odd.highest_hz) == (0.0, "", 4_000.0)
    assert odd.floor == float(np.finfo(np.float32).eps)


@pytest.mark.parametrize(("samples", "frames"), [(160, 1), (319, 1), (320, 2), (16_000, 100)])
def test_a_frame_a_hop(samples: int, frames: int) -> None:
    own = MelPreprocessor(SETTINGS, Weights("m.nemo", {}))
    features = own(torch.randn(samples) * 0.1)
    assert features.shape == (frames, SETTINGS.filters)
    assert torch.isfinite(features).all()


def test_less_than_a_hop_has_no_features() -> None:
    with pytest.raises(ValueError, match="at least 160 samples, got 159"):
        MelPreprocessor(SETTINGS, Weights("m.nemo", {}))(torch.zeros(159))


def test_normalisation_over_the_true_length() -> None:
    features = torch.randn(50, 4) * 3 + 2
    each = normalized(features, "per_feature")
    torch.testing.assert_close(each.mean(dim=0), torch.zeros(4), atol=1e-6, rtol=0)
    torch.testing.assert_close(each.std(dim=0), torch.ones(4), atol=1e-4, rtol=0)
    together = normalized(features, "all_features")
    assert together.mean().abs() < 1e-6 and abs(together.std() - 1) < 1e-4
    assert normalized(features, "") is features
    assert torch.equal(normalized(features[:1], "per_feature"), torch.zeros(1, 4))
