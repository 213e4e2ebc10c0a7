"""What libsndfile reads: every sample, from anywhere, without a false alarm at the end."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.transforms.encoding import chirps
from transforms.audio_file import open_audio
from transforms.store import Stores

KINDS = [
    *[("WAV", coding) for coding in ("PCM_U8", "PCM_16", "PCM_24", "FLOAT", "DOUBLE")],
    *[("WAV", coding) for coding in ("ULAW", "ALAW", "IMA_ADPCM", "MS_ADPCM", "GSM610")],
    ("RF64", "PCM_16"),
    ("W64", "PCM_16"),
    ("AIFF", "PCM_24"),
    ("AU", "ULAW"),
    ("CAF", "PCM_24"),
    ("CAF", "ALAC_16"),
    ("NIST", "PCM_16"),
    ("NIST", "ULAW"),
    ("FLAC", "PCM_16"),
    ("FLAC", "PCM_24"),
]


@pytest.mark.parametrize(("container", "coding"), KINDS)
def test_all_of_it_from_anywhere(tmp_path: Path, container: str, coding: str) -> None:
    samples = chirps(2.5, 8000)
    path = tmp_path / "a"
    soundfile.write(path, samples, 8000, format=container, subtype=coding)
    with open_audio(str(path), Stores()) as file:
        header = file.header()
        assert (header.container, header.codec) == (container.lower(), coding.lower())
        assert (header.sample_rate_hz, header.num_channels) == (8000, 1)
        assert header.seekable
        whole = np.concatenate([block.frames for block in file.blocks(0, 10**9)])
        assert len(samples) <= len(whole) <= header.num_samples
        assert header.num_samples <= len(whole) + file.tolerance_samples
        noise = np.abs(whole[: len(samples)] - samples)
        assert np.sqrt(np.mean(noise**2)) < 0.03
        for first in (1, 7777, len(samples) - 1):
            (block,) = file.blocks(first, first + 100)
            assert block.first_sample == first
            np.testing.assert_array_equal(block.frames, whole[first : first + 100])
