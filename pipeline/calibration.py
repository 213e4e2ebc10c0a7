"""How long a job would take here, from short jobs on a sample of its own recordings."""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import apache_beam as beam
import torch

from pipeline.config import TranscriptionConfig
from pipeline.run import beam_options
from pipeline.survey import asked_s
from pipeline.transcribe import Transcribe
from transforms import tally
from transforms.records import Recording, Track

LONGEST_CLIP_S = 60.0
SMALL_S = 10.0
LARGE_S = (80.0, 640.0)
CLEAR_S = 3.0


@dataclass(frozen=True)
class Calibration:
    """`start_s` until the first audio is recognised, then `rtfx` seconds of audio a second.

    Measured on `audio_s` of the job's own audio, on this machine, with the local runner.
    """

    start_s: float
    rtfx: float
    audio_s: float

    def expect_s(self, audio_s: float) -> float:
        return self.start_s + audio_s / self.rtfx


def calibrate(sample: Sequence[Sequence[Track]], config: TranscriptionConfig) -> Calibration | None:
    """Run a small job and a large one, cut from recordings of `sample`, and compare.

    Their start is the same, so what the large one takes in addition is what its audio takes: all
    of it from opening files to words, but for writing Parquet. Short recordings are repeated. The
    very first job shows what is loaded once. None where there is nothing to measure, or where the
    machine was too busy to tell the two apart.
    """
    if not sample:
        return None
    torch.set_num_threads(config.workers)
    small, small_s = clips(sample, SMALL_S)
    first_wall_s, small_wall_s = _wall_s(small, config), _wall_s(small, config)
    calibration = None
    for limit_s in LARGE_S:
        large, large_s = clips(sample, limit_s)
        more_wall_s = _wall_s(large, config) - small_wall_s
        if large_s > small_s and more_wall_s > 0:
            rtfx = (large_s - small_s) / more_wall_s
            calibration = Calibration(max(0.0, first_wall_s - small_s / rtfx), rtfx, large_s)
        if more_wall_s >= CLEAR_S:
            break
    return calibration


def clips(sample: Sequence[Sequence[Track]], limit_s: float) -> tuple[list[Recording], float]:
    """Recordings with ids of their own, each at most `LONGEST_CLIP_S`, and their seconds.

    As many as reach `limit_s`, from the first of the sample, and from the beginning again.
    """
    chosen: list[Recording] = []
    total_s = 0.0
    for number, tracks in enumerate(itertools.cycle(sample)):
        recording = tracks[0].recording
        clip_s = min(LONGEST_CLIP_S, asked_s(tracks[0]))
        chosen.append(replace(recording, id=str(number), duration_s=clip_s))
        total_s += clip_s * len(tracks)
        if total_s >= limit_s:
            break
    return chosen, total_s


def _wall_s(recordings: Sequence[Recording], config: TranscriptionConfig) -> float:
    started = time.monotonic()
    pipeline = beam.Pipeline(options=beam_options([]))
    _ = pipeline | "Recordings" >> beam.Create(recordings) | "Transcribe" >> Transcribe(config)
    pipeline.run().wait_until_finish()
    tally.reset()
    return time.monotonic() - started
