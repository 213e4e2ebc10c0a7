import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from models import Recognizer, load_recognizer
from transforms.resample import resample

DATA = Path(__file__).parent / "data"
WINDOW_SAMPLES = 478_400


@pytest.fixture(scope="session")
def manifest_rows() -> list[dict[str, str]]:
    lines = (DATA / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


@pytest.fixture(scope="session")
def recognizer() -> Recognizer:
    return load_recognizer("en-phoneme-ctc")


@pytest.fixture(scope="session")
def speech(manifest_rows: list[dict[str, str]]) -> dict[str, NDArray[np.float32]]:
    """The shipped recordings at 16 kHz, mono, at most 29.9 s of each."""
    waveforms = {}
    for row in manifest_rows:
        samples, rate_hz = soundfile.read(
            DATA / row["audio_filepath"], dtype="float32", always_2d=True
        )
        mono = resample(np.ascontiguousarray(samples.mean(axis=1)), rate_hz, 16_000)
        waveforms[row["id"]] = mono[:WINDOW_SAMPLES]
    return waveforms
