"""NVIDIA's QuartzNet on real speech; its weights are not ours to ship."""

import json
import os
from dataclasses import replace
from pathlib import Path

import jiwer
import numpy as np
import pytest
from numpy.typing import NDArray

from models import Hypothesis, Recognizer, load_recognizer
from models.decode.ctc_beam import BeamSearchOptions
from models.decode.pool import DecoderRecipe
from models.decode.word_scores import OpenSearchOptions
from tests.conftest import DATA

FOLDER = Path(os.environ.get("BEAMSCRIBE_REAL_MODELS") or "nowhere")
CHECKPOINT = FOLDER / "quartznet15x5-en.nemo"
MODEL = f"nemo:{CHECKPOINT}#language=en"
Speech = dict[str, NDArray[np.float32]]

pytestmark = [
    pytest.mark.real_models,
    pytest.mark.slow,
    pytest.mark.skipif(
        not CHECKPOINT.is_file(), reason="BEAMSCRIBE_REAL_MODELS names no folder with QuartzNet"
    ),
]


@pytest.fixture(scope="module")
def quartznet() -> Recognizer:
    return load_recognizer(MODEL)


@pytest.fixture(scope="module")
def emissions(quartznet: Recognizer, speech: Speech) -> Speech:
    return {name: quartznet.emit([waveform])[0].log_probs for name, waveform in speech.items()}


@pytest.fixture(scope="module")
def references() -> dict[str, str]:
    lines = (DATA / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    return {row["id"]: row["text"] for row in rows if row["id"] != "sonnet001"}


def word_error_rate(references: dict[str, str], texts: dict[str, str]) -> float:
    names = list(references)
    return float(jiwer.wer([references[name] for name in names], [texts[name] for name in names]))


def test_greedy_reads_prose_nearly_as_it_is_written(
    quartznet: Recognizer, speech: Speech, references: dict[str, str]
) -> None:
    texts = {name: quartznet.recognize_greedily([speech[name]])[0].text for name in references}
    assert word_error_rate(references, texts) < 0.06


@pytest.mark.parametrize("options", [OpenSearchOptions(), BeamSearchOptions()], ids=["open", "lex"])
def test_beam_searches_read_it_as_well(
    emissions: Speech,
    references: dict[str, str],
    options: OpenSearchOptions | BeamSearchOptions,
) -> None:
    decoder = DecoderRecipe(MODEL, options).load()
    texts = {name: decoder.decode(emissions[name]).text for name in references}
    assert word_error_rate(references, texts) < 0.08


def comparable(hypothesis: Hypothesis) -> tuple[object, ...]:
    return hypothesis.tokens, tuple(replace(word, confidence=0.0) for word in hypothesis.words)


def test_a_batch_changes_nothing(quartznet: Recognizer, emissions: Speech, speech: Speech) -> None:
    decoder = DecoderRecipe(MODEL, OpenSearchOptions()).load()
    noise = np.random.default_rng(3).normal(0, 0.1, 480_000).astype(np.float32)
    waveforms = {**speech, "empty": np.zeros(0, dtype=np.float32), "long": noise}
    names = sorted(speech)
    for batch in (names[:5], [names[7], "long", "empty", names[2]]):
        found = quartznet.emit([waveforms[name] for name in batch])
        for name, emission in zip(batch, found, strict=True):
            if name not in speech:
                continue
            np.testing.assert_allclose(emission.log_probs, emissions[name], atol=2e-3)
            alone = decoder.decode(emissions[name])
            assert comparable(decoder.decode(emission.log_probs)) == comparable(alone)
