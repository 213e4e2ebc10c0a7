"""The embedded model beside the engine of the wheel that its weights come from.

    pip download --no-deps hama==1.7.0
    python -m benchmarks.parity hama-1.7.0-py3-none-any.whl tests/data/manifest.jsonl

prints the share of emission frames with the same most probable token, and how far log-probabilities
move when everything is recognised in one padded batch. `--write` keeps the engine's tokens as the
reference of the tests.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.workload import load_workload
from models import load_recognizer
from pipeline.config import TranscriptionConfig
from transforms.segment import QUIET

WINDOW_S = 29.9


def read_segments(manifest: str) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """`id/segment` and samples at 16 kHz of everything that a manifest names."""
    config = TranscriptionConfig(
        sources=(manifest,), output="", segment_s=WINDOW_S, segmentation_method=QUIET
    )
    for segment in load_workload(config, minutes=0).segments:
        yield f"{segment.tracks[0].recording.id}/{segment.passage.index}", segment.samples


def engine_tokens(wheel: Path, waveforms: list[NDArray[np.float32]]) -> list[NDArray[np.int64]]:
    """The most probable token of each frame, by the wheel's own engine."""
    with tempfile.TemporaryDirectory() as folder:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder)
        sys.path.insert(0, folder)
        try:
            model = importlib.import_module("hama.asr").ASRModel()
            return [
                np.asarray(
                    model.session.run(
                        ["log_probs", "out_lengths"],
                        {
                            model._waveform_input_name: waveform[None],
                            model._waveform_lengths_input_name: np.array([len(waveform)]),
                        },
                    )[0]
                )[0].argmax(axis=-1)
                for waveform in waveforms
            ]
        finally:
            sys.path.remove(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("wheel", type=Path, help="hama-1.7.0-py3-none-any.whl")
    parser.add_argument("manifest")
    parser.add_argument("--write", type=Path, metavar="JSON")
    arguments = parser.parse_args()

    names, waveforms = zip(*read_segments(arguments.manifest), strict=True)
    reference = engine_tokens(arguments.wheel, list(waveforms))
    recognizer = load_recognizer("en-phoneme-ctc")
    single = [recognizer.emit([waveform])[0].log_probs for waveform in waveforms]
    frames = sum(len(tokens) for tokens in reference)
    same = sum(
        int((tokens == log_probs.argmax(axis=-1)).sum())
        for tokens, log_probs in zip(reference, single, strict=True)
    )
    print(f"frames with the engine's token: {same} of {frames} ({same / frames:.4%})")
    together = [emission.log_probs for emission in recognizer.emit(list(waveforms))]
    pairs = list(zip(single, together, strict=True))
    moved = sum(int((a.argmax(-1) != b.argmax(-1)).sum()) for a, b in pairs)
    largest = max(float(np.abs(a - b).max()) for a, b in pairs)
    print(f"one padded batch of {len(pairs)}: {moved} tokens change, log-probs by {largest:.1e}")
    if arguments.write:
        tokens = {name: row.tolist() for name, row in zip(names, reference, strict=True)}
        arguments.write.write_text(json.dumps(tokens) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
