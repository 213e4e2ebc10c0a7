"""The detector answers as the wheel's network does, and hears speech but not noise."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from models.errors import CheckpointError
from models.voice_activity import (
    CHUNK_SAMPLES,
    CHUNKS_AT_ONCE,
    SpeechDetector,
    VoiceActivity,
    load_voice_activity,
)
from tests.conftest import DATA

Speech = dict[str, NDArray[np.float32]]


@pytest.fixture(scope="module")
def network() -> VoiceActivity:
    return load_voice_activity()


def ask(network: VoiceActivity, samples: NDArray[np.float32]) -> NDArray[np.float32]:
    with torch.inference_mode():
        return network(torch.from_numpy(samples)).numpy()


def test_the_wheels_network_answers_the_same(network: VoiceActivity, speech: Speech) -> None:
    """Reference: `python -m benchmarks.voice_activity --write`, of silero-vad 6.2.0."""
    reference = json.loads((DATA / "silero_probabilities.json").read_text(encoding="utf-8"))
    whole = {name: rows for name, rows in reference.items() if f"{name[:-1]}1" not in reference}
    assert len(whole) == 9
    for name, rows in whole.items():
        found = ask(network, speech[name.removesuffix("/0")])
        np.testing.assert_allclose(found, rows, atol=1e-5)


def test_there_is_one_answer_a_chunk(network: VoiceActivity) -> None:
    for count in (0, 1, CHUNK_SAMPLES, CHUNK_SAMPLES + 1):
        assert len(ask(network, np.ones(count, np.float32))) == -(-count // CHUNK_SAMPLES)


def test_what_comes_later_changes_nothing_before(network: VoiceActivity, speech: Speech) -> None:
    long = np.concatenate(list(speech.values()))
    assert len(long) > 2 * CHUNKS_AT_ONCE * CHUNK_SAMPLES
    whole = ask(network, long)
    for chunks in (1, CHUNKS_AT_ONCE, CHUNKS_AT_ONCE + 3):
        part = ask(network, long[: chunks * CHUNK_SAMPLES])
        np.testing.assert_allclose(part, whole[:chunks], atol=1e-5)


def test_speech_is_heard_loud_faint_and_in_noise(speech: Speech) -> None:
    detect = SpeechDetector().load()
    samples = speech["librispeech-1089-134686-0000"]
    noise = np.random.default_rng(0).standard_normal(len(samples)).astype(np.float32)
    noise *= np.sqrt(np.square(samples).mean() / 10)
    clean = detect(samples) > 0.3
    assert clean.mean() > 0.7
    assert (detect(samples / 1000) > 0.3)[clean].mean() > 0.95
    assert (detect(samples + noise) > 0.3)[clean].mean() > 0.9


def test_noise_and_silence_are_no_speech() -> None:
    detect = SpeechDetector().load()
    noise = np.random.default_rng(0).standard_normal(160_000).astype(np.float32)
    for level in (0.0, 1e-4, 0.1):
        assert detect(level * noise).max() < 0.1


def test_missing_weights_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="reinstall beamscribe"):
        load_voice_activity(tmp_path / "none.safetensors")
