"""Hours of speech made from one recording and known gaps: is every sample where it should be?

`python -m benchmarks.long_audio --hours 10 --suffix flac` writes the file, decodes and cuts it as a
job does, each reel in turn, and compares the speech of the first, the middle and the last period
with the source. Peak memory is that of a process that does nothing else, beside that for ten
minutes. `--keep` leaves the file, with a manifest that has its words, for a job.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import soundfile
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from numpy.typing import NDArray

from transforms.audio_plan import AudioPlan, plan_reels, plan_tracks
from transforms.records import Recording
from transforms.reel import decode_reel
from transforms.segment import QUIET, Segmentation, cut_segments

SOURCE = Path("tests/data/audio/librispeech-1089-134691-0000.flac")
TEXT = "he could wait no longer"
GAP_S = 1.25
TEN_MINUTES_H = 1 / 6
CODERS = {"mp3": "libmp3lame", "m4a": "aac", "webm": "libopus"}
PLAN = AudioPlan(language="en", model_rate_hz=16_000, shortest_s=0.1)


@dataclass(frozen=True)
class Outcome:
    """`worst_samples` is how far the speech lies from where it was put, at the model's rate."""

    hours: float
    spans: int
    segments: int
    worst_samples: int
    peak_mib: float
    rtfx: float


def write_long(path: Path, hours: float) -> int:
    """Speech and gap, over and over. Returns the period in samples at the source's rate."""
    speech, rate_hz = soundfile.read(SOURCE, dtype="float32")
    period = np.concatenate([speech, np.zeros(round(GAP_S * rate_hz), np.float32)])
    repeats = round(hours * 3600 * rate_hz / len(period))
    suffix = path.suffix.removeprefix(".")
    if suffix not in CODERS:
        with soundfile.SoundFile(path, "w", rate_hz, 1, subtype="PCM_16") as file:
            for _ in range(repeats):
                file.write(period)
        return len(period)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(CODERS[suffix], rate=rate_hz, layout="mono")
        if not isinstance(stream, AudioStream):
            raise TypeError(f"{CODERS[suffix]} is not a coder of audio")
        for number in range(repeats):
            frame = AudioFrame.from_ndarray(period[None], format="fltp", layout="mono")
            frame.sample_rate, frame.time_base = rate_hz, Fraction(1, rate_hz)
            frame.pts = number * len(period)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return len(period)


def read_long(path: Path, period: int) -> Outcome:
    """Decode and cut every span, and look for the speech of three periods."""
    start = time.perf_counter()
    tracks = plan_tracks(Recording("long", str(path)), PLAN)
    speech, rate_hz = soundfile.read(SOURCE, dtype="float32")
    repeats = tracks[0].num_samples // period
    scale = Fraction(PLAN.model_rate_hz, rate_hz)
    wanted = [round(number * period * scale) for number in (0, repeats // 2, repeats - 1)]
    spans = segments = worst = 0
    position = 0
    for reel in plan_reels(tracks, PLAN):
        for decoded in decode_reel(reel, PLAN):
            if decoded.error is not None:
                raise decoded.error
            (waveform,) = decoded.waveforms
            if waveform.start_samples != position:
                raise ValueError(f"a span begins at {waveform.start_samples}, not {position}")
            position += len(waveform.samples)
            spans += 1
            segments += len(cut_segments(waveform, Segmentation(QUIET, 320, PLAN.model_rate_hz)))
            for place in wanted:
                inside = place - waveform.start_samples
                if 0 <= inside < len(waveform.samples) - len(speech) * scale:
                    shift = shift_of(waveform.samples[inside:], speech)
                    worst = max(worst, abs(shift))
    wall_s = time.perf_counter() - start
    return Outcome(
        hours=tracks[0].duration_s / 3600,
        spans=spans,
        segments=segments,
        worst_samples=worst,
        peak_mib=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        rtfx=tracks[0].duration_s / wall_s,
    )


def shift_of(samples: NDArray[np.float32], speech: NDArray[np.float32]) -> int:
    """Where in the first moments of `samples` the speech fits best, in samples."""
    piece = samples[: len(speech)]
    size = 2 * len(speech)
    match = np.fft.irfft(np.fft.rfft(piece, size) * np.conj(np.fft.rfft(speech, size)), size)
    best = int(match.argmax())
    return best if best < len(speech) else best - size


def measured(path: Path, hours: float) -> Outcome:
    """In a process of its own, so that its peak is of this file alone."""
    period = write_long(path, hours)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(read_long, (path, period))


def lines(outcomes: list[Outcome]) -> Iterator[str]:
    for outcome in outcomes:
        yield (
            f"{outcome.hours:7.3f} h  {outcome.spans:4d} spans  {outcome.segments:6d} segments  "
            f"at most {outcome.worst_samples} samples off  peak {outcome.peak_mib:.0f} MiB  "
            f"RTFx {outcome.rtfx:.0f}"
        )
    yield f"memory: {outcomes[-1].peak_mib / outcomes[0].peak_mib:.2f} times that of ten minutes"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=10.0)
    parser.add_argument("--suffix", default="flac", help="flac, wav, mp3, m4a or webm")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="leave the file and a manifest")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"long.{arguments.suffix}"
        outcomes = [measured(path, TEN_MINUTES_H), measured(path, arguments.hours)]
        print("\n".join(lines(outcomes)))
        if arguments.keep:
            row = {"audio_filepath": path.name, "spoken": TEXT, "gap_s": GAP_S}
            (folder / "manifest.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
