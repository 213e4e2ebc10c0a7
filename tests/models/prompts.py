"""Digits of a telephone announcer: `asterisk-core-sounds-en-wav` of Debian, CC BY-SA 3.0.

Not copied into the project: `make prompts` fetches it, or the package is installed.
"""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray
from soxr import resample

WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
PACKAGE = "usr/share/asterisk/sounds/en_US_f_Allison/digits"
PLACES = (Path("/") / PACKAGE, Path(__file__).parents[2] / "build/prompts" / PACKAGE)


def digit_prompts() -> list[NDArray[np.float32]]:
    """The ten digits at 8 kHz; skips the test that asks where they are not on this machine."""
    for place in PLACES:
        if (place / "9.wav").is_file():
            return [_read(place / f"{digit}.wav") for digit in range(10)]
    pytest.skip("no digit prompts: run `make prompts` on Debian or Ubuntu")


def say(
    digits: list[int], random: np.random.Generator, rate_hz: int
) -> tuple[NDArray[np.float32], list[tuple[float, float]]]:
    """A string of prompts with pauses up to 0.6 s, and where each stands, in seconds."""
    prompts = digit_prompts()
    parts: list[NDArray[np.float32]] = []
    spans: list[tuple[float, float]] = []
    position = 0
    for digit in digits:
        pause = np.zeros(int(random.uniform(0.02, 0.6) * 8_000), dtype=np.float32)
        spans.append(
            (
                (position + len(pause)) / 8_000,
                (position + len(pause) + len(prompts[digit])) / 8_000,
            )
        )
        parts += [pause, prompts[digit]]
        position += len(pause) + len(prompts[digit])
    parts.append(np.zeros(4_000, dtype=np.float32))
    sound = np.concatenate(parts)
    return np.asarray(resample(sound, 8_000, rate_hz), dtype=np.float32), spans


def _read(path: Path) -> NDArray[np.float32]:
    samples, rate_hz = soundfile.read(path, dtype="float32")
    assert rate_hz == 8_000
    return samples
