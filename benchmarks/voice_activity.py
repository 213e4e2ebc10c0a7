"""The speech detector beside the network of the wheel that its weights come from.

    pip download --no-deps silero-vad==6.2.0
    python -m benchmarks.voice_activity silero_vad-6.2.0-py3-none-any.whl tests/data/manifest.jsonl

prints how far probabilities differ, and what an hour of audio costs in processor time: to detect
speech in, and to recognise. `--write` keeps the wheel's probabilities as the tests' reference.
"""

from __future__ import annotations

import argparse
import io
import json
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.workload import load_workload
from models import load_recognizer
from models.decode.ctc_beam import BeamSearchOptions
from models.decode.pool import DecoderRecipe
from models.voice_activity import CHUNK_SAMPLES, SAMPLE_RATE_HZ, load_voice_activity
from models.weights.convert_silero import MODULE
from pipeline.config import TranscriptionConfig
from transforms.segment import QUIET

SPAN_S = 300.0


def wheel_probabilities(
    wheel: Path, waveforms: list[NDArray[np.float32]]
) -> list[NDArray[np.float32]]:
    """The wheel's own answer for each chunk, asked one chunk after another as it wants to be."""
    with zipfile.ZipFile(wheel) as archive:
        module = torch.jit.load(io.BytesIO(archive.read(MODULE)))  # type: ignore[no-untyped-call]
    found = []
    for waveform in waveforms:
        module.reset_states()
        padded = np.pad(waveform, (0, -len(waveform) % CHUNK_SAMPLES))
        chunks = torch.from_numpy(padded).view(-1, 1, CHUNK_SAMPLES)
        found.append(
            np.array([module(chunk, SAMPLE_RATE_HZ).item() for chunk in chunks], dtype=np.float32)
        )
    return found


def processor_s(work: Callable[[], object]) -> float:
    """Processor seconds of this thread, which other programs disturb less than they do a clock."""
    started = time.thread_time()
    work()
    return time.thread_time() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("wheel", type=Path, help="silero_vad-6.2.0-py3-none-any.whl")
    parser.add_argument("manifest")
    parser.add_argument("--write", type=Path, metavar="JSON")
    arguments = parser.parse_args()

    torch.set_num_threads(1)
    config = TranscriptionConfig(
        sources=(arguments.manifest,), output="", segmentation_method=QUIET
    )
    segments = load_workload(config, minutes=0).segments
    names = [f"{each.tracks[0].recording.id}/{each.passage.index}" for each in segments]
    waveforms = [segment.samples for segment in segments]
    reference = wheel_probabilities(arguments.wheel, waveforms)
    network = load_voice_activity()
    with torch.inference_mode():
        ours = [network(torch.from_numpy(waveform)).numpy() for waveform in waveforms]
        largest = max(float(np.abs(a - b).max()) for a, b in zip(ours, reference, strict=True))
        print(f"{sum(map(len, ours))} chunks: probabilities differ by up to {largest:.1e}")
        span = torch.from_numpy(
            np.resize(np.concatenate(waveforms), round(SPAN_S * SAMPLE_RATE_HZ))
        )
        network(span)
        detect_s = processor_s(lambda: network(span)) / SPAN_S

    recognizer = load_recognizer(config.model)
    decoder = DecoderRecipe(config.model, BeamSearchOptions()).load()
    audio_s = sum(map(len, waveforms)) / SAMPLE_RATE_HZ
    emissions = recognizer.emit(waveforms[:1])
    forward_s = processor_s(
        lambda: emissions.extend(recognizer.emit([each])[0] for each in waveforms)
    )
    decode_s = processor_s(lambda: [decoder.decode(each.log_probs) for each in emissions[1:]])
    recognize_s = (forward_s + decode_s) / audio_s
    print(
        f"processor seconds for an hour of audio: {3600 * detect_s:.1f} to detect speech, "
        f"{3600 * recognize_s:.1f} to recognise ({detect_s / recognize_s:.1%})"
    )
    if arguments.write:
        rounded = {
            name: np.round(row.astype(float), 6).tolist()
            for name, row in zip(names, reference, strict=True)
        }
        arguments.write.write_text(json.dumps(rounded) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
