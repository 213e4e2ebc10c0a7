"""How loud a track is, measured piece by piece, and the gain that brings it to a level."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.filter import Graph
from av.filter.context import FilterContext
from numpy.typing import NDArray

from transforms.quiet import is_silent

NORMALISATIONS = NONE, PEAK, LOUDNESS = "none", "peak", "loudness"
PEAK_DBFS = -1.0
LOUDNESS_LUFS = -23.0
"""The target level of EBU R 128."""
UNMEASURED_LUFS = -70.0
PIECE_SAMPLES = 65_536


class Meter:
    """The highest sample and the integrated loudness (ITU-R BS.1770, EBU R 128) of mono audio.

    The loudness is FFmpeg's; as a loudspeaker on either side would play a mono recording.
    """

    def __init__(self, rate_hz: int) -> None:
        self.peak = 0.0
        self.loudness_lufs: float | None = None
        self._sounds = False
        self._rate_hz = rate_hz
        self._position = 0
        graph = Graph()
        source = graph.add_abuffer(
            sample_rate=rate_hz, format="flt", layout="mono", time_base=Fraction(1, rate_hz)
        )
        meter = graph.add("ebur128", "metadata=1:dualmono=1:framelog=quiet")
        self._sink: FilterContext = graph.add("abuffersink")
        source.link_to(meter)
        meter.link_to(self._sink)
        graph.configure()
        self._graph = graph

    def add(self, samples: NDArray[np.float32]) -> None:
        """Hear the next samples, full scale being 1."""
        if len(samples) == 0:
            return
        self.peak = max(self.peak, float(np.abs(samples).max()))
        self._sounds = self._sounds or not is_silent(samples)
        for first in range(0, len(samples), PIECE_SAMPLES):
            piece = np.ascontiguousarray(samples[None, first : first + PIECE_SAMPLES])
            frame = AudioFrame.from_ndarray(piece, format="flt", layout="mono")
            frame.sample_rate = self._rate_hz
            frame.pts, frame.time_base = self._position, Fraction(1, self._rate_hz)
            self._position += piece.shape[1]
            self._graph.push(frame)
            self._read()

    def gain(self, normalisation: str) -> float:
        """The factor that brings what was heard to the level; 1 where nothing was.

        Loudness stops short of its target where the highest sample would pass `PEAK_DBFS`.
        """
        if normalisation == NONE or not self._sounds:
            return 1.0
        by_peak = 10 ** (PEAK_DBFS / 20) / self.peak
        if normalisation == PEAK:
            return by_peak
        if self.loudness_lufs is None or self.loudness_lufs <= UNMEASURED_LUFS:
            return 1.0
        return float(min(by_peak, 10 ** ((LOUDNESS_LUFS - self.loudness_lufs) / 20)))

    def _read(self) -> None:
        while True:
            try:
                frame = self._graph.pull()
            except (av.BlockingIOError, av.EOFError):
                return
            integrated = frame.metadata.get("lavfi.r128.I")
            if integrated is not None:
                self.loudness_lufs = float(integrated)
