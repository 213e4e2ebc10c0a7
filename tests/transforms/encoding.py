"""Sound files of every kind for tests, made by FFmpeg's encoders."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from numpy.typing import NDArray

RATE_HZ = 48_000


def chirps(seconds: float, rate_hz: int = RATE_HZ, channels: int = 1) -> NDArray[np.float32]:
    """A sound that is nowhere like itself a little later: `(samples, channels)`."""
    times = np.arange(round(seconds * rate_hz)) / rate_hz
    sweep = np.sin(2 * np.pi * (300 + 120 * times) * times) * (0.6 + 0.4 * np.sin(7 * times))
    return np.stack([0.4 * sweep / (1 + index) for index in range(channels)], 1).astype(np.float32)


def encode(
    path: Path,
    samples: NDArray[np.float32],
    muxer: str,
    coder: str,
    rate_hz: int = RATE_HZ,
    **options: str,
) -> Path:
    """Write samples `(samples, channels)` as FFmpeg's coder and muxer do."""
    layout = {1: "mono", 2: "stereo"}[samples.shape[1]]
    with av.open(str(path), "w", format=muxer, container_options=options) as container:
        stream = container.add_stream(coder, rate=rate_hz, layout=layout)
        assert isinstance(stream, AudioStream)
        stream.bit_rate = 96_000 * samples.shape[1]
        for first in range(0, len(samples), 4096):
            piece = np.ascontiguousarray(samples[first : first + 4096].T)
            frame = AudioFrame.from_ndarray(piece, format="fltp", layout=layout)
            frame.sample_rate, frame.pts, frame.time_base = rate_hz, first, Fraction(1, rate_hz)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path
