"""Real audio to measure with: a manifest's segments, repeated until they last long enough."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.config import TranscriptionConfig
from transforms.audio_plan import plan_reels, plan_tracks
from transforms.batch import batch_segments
from transforms.errors import ManifestError
from transforms.manifest import read_sources
from transforms.records import Batch, Recording, Segment
from transforms.reel import decode_reel
from transforms.segment import cut_segments

PIECE_S = 10.0
PIECES_A_BATCH = 12


@dataclass(frozen=True, slots=True, eq=False)
class Workload:
    """Recordings, and the segments that a job cuts from them, each once; a job has `repeats`.

    `audio_s` is the decoded audio of one repeat, `segments_s` what is left without silence.
    """

    recordings: tuple[Recording, ...]
    segments: tuple[Segment, ...]
    audio_s: float
    segments_s: float
    repeats: int


def load_workload(config: TranscriptionConfig, minutes: float) -> Workload:
    """Decode and cut the sources of `config` as a job does.

    `repeats` brings them as near to `minutes` as whole repeats can. Raises `ManifestError` or
    `RecordingError`: a recording that fails would make a job look fast.
    """
    recordings: list[Recording] = []
    segments: list[Segment] = []
    audio_s = 0.0
    for item in read_sources(config.sources, config.stores):
        if not isinstance(item, Recording):
            raise ManifestError(f"{item.message}; a benchmark needs a manifest without faults")
        recordings.append(item)
        for reel in plan_reels(plan_tracks(item, config.audio_plan), config.audio_plan):
            for decoded in decode_reel(reel, config.audio_plan):
                if decoded.error is not None:
                    raise decoded.error
                for waveform in decoded.waveforms:
                    audio_s += len(waveform.samples) / waveform.sample_rate_hz
                    segments += cut_segments(waveform, config.segmentation)
    if not segments:
        raise ManifestError(f"{', '.join(config.sources)} holds nothing but silence")
    return Workload(
        recordings=tuple(recordings),
        segments=tuple(segments),
        audio_s=audio_s,
        segments_s=sum(len(segment.samples) / segment.sample_rate_hz for segment in segments),
        repeats=max(1, round(minutes * 60 / audio_s)),
    )


def write_manifest(workload: Workload, path: Path) -> None:
    """Every recording `repeats` times, ids suffixed `-0`, `-1`, ...; paths become absolute."""
    lines = [
        json.dumps(
            {
                "id": f"{recording.id}-{repeat}",
                "audio_filepath": _absolute(recording.uri),
                "channel": recording.channel,
                "offset": recording.offset_s,
                "duration": recording.duration_s,
            },
            ensure_ascii=False,
        )
        for repeat in range(workload.repeats)
        for recording in workload.recordings
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def equal_batches(workload: Workload) -> list[list[NDArray[np.float32]]]:
    """Batches of `PIECES_A_BATCH` waveforms of `PIECE_S`, about as much audio as the whole job.

    The segments' samples one after another, cut without regard to speech: nothing is padded.
    """
    samples = np.concatenate([segment.samples for segment in workload.segments])
    length = round(PIECE_S * workload.segments[0].sample_rate_hz)
    samples = np.resize(samples, max(len(samples), length))
    pieces = itertools.cycle(
        samples[start : start + length] for start in range(0, len(samples) - length + 1, length)
    )
    wanted_s = workload.segments_s * workload.repeats
    num_batches = max(1, round(wanted_s / PIECE_S / PIECES_A_BATCH))
    return [list(itertools.islice(pieces, PIECES_A_BATCH)) for _ in range(num_batches)]


def padding_waste(batches: Sequence[Batch]) -> float:
    """The share of padded audio that is padding, 0..1."""
    audio = sum(len(segment.samples) for batch in batches for segment in batch)
    padded = sum(len(batch) * max(len(segment.samples) for segment in batch) for batch in batches)
    return 1 - audio / padded


def job_batches(workload: Workload, config: TranscriptionConfig) -> list[Batch]:
    """The segments of all repeats in the job's batches, as if all came in one bundle."""
    return batch_segments(workload.segments * workload.repeats, config.batch_budget)


def _absolute(uri: str) -> str:
    return uri if "://" in uri else os.path.abspath(uri)
