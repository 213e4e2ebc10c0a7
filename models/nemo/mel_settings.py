"""What a checkpoint says of an `AudioToMelSpectrogramPreprocessor`."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from models.nemo.section import Section

TARGET = "AudioToMelSpectrogramPreprocessor"
WINDOWS = ("hann", "hamming", "blackman", "bartlett")


@dataclass(frozen=True, slots=True, kw_only=True)
class MelSettings:
    """What a checkpoint says of its features. `normalize` is `per_feature`, `all_features` or "".

    `floor` is added to the mel energies before the logarithm, or, with `clamps`, their least value.
    """

    sample_rate_hz: int
    window_samples: int
    hop_samples: int
    num_fft: int
    window: str
    filters: int
    lowest_hz: float
    highest_hz: float
    mel_norm: str
    preemphasis: float
    power: float
    logarithmic: bool
    floor: float
    clamps: bool
    normalize: str

    @classmethod
    def read(cls, section: Section) -> MelSettings:
        """Raises `CheckpointError` for a setting that is not supported."""
        rate_hz = section.integer("sample_rate", 16_000)
        # Frames that are centred elsewhere, stacked or scaled by a fixed vector are not made here.
        section.only("exact_pad", False)
        section.only("frame_splicing", 1)
        section.only("normalize", "per_feature", "all_features", "NA", "None", "none", "", False)
        normalize = section.values.get("normalize", "per_feature")
        window_samples = _samples(section, "window_size", 0.02, rate_hz)
        guard = section.values.get("log_zero_guard_value", 2**-24)
        if guard in ("tiny", "eps"):
            floor = float(getattr(np.finfo(np.float32), guard))
        else:
            floor = section.number("log_zero_guard_value", 2**-24)
        return cls(
            sample_rate_hz=rate_hz,
            window_samples=window_samples,
            hop_samples=_samples(section, "window_stride", 0.01, rate_hz),
            num_fft=section.integer("n_fft", 2 ** math.ceil(math.log2(window_samples))),
            window=section.one_of("window", WINDOWS, "hann"),
            filters=section.integer("features", 64),
            lowest_hz=section.number("lowfreq", 0.0),
            highest_hz=section.number("highfreq", rate_hz / 2) or rate_hz / 2,
            mel_norm=section.one_of("mel_norm", ("slaney",), "slaney"),
            preemphasis=0.0
            if section.values.get("preemph", 0.97) is None
            else section.number("preemph", 0.97),
            power=section.number("mag_power", 2.0),
            logarithmic=section.boolean("log", True),
            floor=floor,
            clamps=section.one_of("log_zero_guard_type", ("add", "clamp"), "add") == "clamp",
            normalize=normalize if normalize in ("per_feature", "all_features") else "",
        )

    def num_frames(self, num_samples: int) -> int:
        return num_samples // self.hop_samples


def _samples(section: Section, name: str, default_s: float, rate_hz: int) -> int:
    in_samples = f"n_{name}"
    if section.has(in_samples):
        return section.integer(in_samples)
    samples = int(section.number(name, default_s) * rate_hz)
    if samples < 1:
        raise section.wrong(name, "a duration of at least one sample")
    return samples
