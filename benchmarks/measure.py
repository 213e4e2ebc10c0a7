"""What a machine gets out of its parts, alone and together, measured side by side."""

from __future__ import annotations

import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.process import FinishedProcess, run_alone
from benchmarks.workload import (
    PIECE_S,
    Workload,
    equal_batches,
    job_batches,
    load_workload,
    padding_waste,
    write_manifest,
)
from models.decode.pool import DecoderPool, DecoderRecipe
from models.recognizer import Recognizer, load_recognizer
from pipeline.config import TranscriptionConfig


@dataclass(frozen=True, slots=True)
class Machine:
    """Where the measurements were made. `load` is the average of the minute before them."""

    cpu: str
    cores: int
    threads: int
    load: float
    python: str
    torch: str


@dataclass(frozen=True, slots=True)
class Round:
    """Every quantity once, one after another; the rates are RTFx, audio seconds a wall second.

    `job` is by the run's own `wall_s`, `process` by the whole process with its imports.
    """

    forward: float
    decoder: float
    job: float
    process: float
    peak_rss_bytes: int

    @property
    def together(self) -> float:
        """What forward and decoder allow when they share the cores."""
        return 1 / (1 / self.forward + 1 / self.decoder)


@dataclass(frozen=True, slots=True)
class Report:
    """All rounds, and what they were measured on."""

    machine: Machine
    manifest: str
    workers: int
    recordings: int
    segments: int
    audio_s: float
    padding_waste: float
    rounds: tuple[Round, ...]


def measure(
    manifest: str, minutes: float, workers: int, runs: int, note: Callable[[str], None]
) -> Report:
    """Measure `runs` rounds after one of forward and decoder that does not count.

    Both get `workers` threads or processes, as the job gives them. Raises `ManifestError` or
    `RecordingError` for audio that cannot be used, `RuntimeError` where a job fails.
    """
    machine = describe_machine()
    config = TranscriptionConfig(sources=(manifest,), output="", workers=workers)
    recipe = DecoderRecipe(config.model, config.beam)
    torch.set_num_threads(workers)
    workload = load_workload(config, minutes)
    recognizer = load_recognizer(config.model)
    batches = equal_batches(workload)
    batches_of_job = job_batches(workload, config)
    emissions = emit_segments(recognizer, workload) * workload.repeats
    segments_s = workload.segments_s * workload.repeats
    rounds: list[Round] = []
    with closing(DecoderPool(recipe, workers)) as pool, tempfile.TemporaryDirectory() as folder:
        repeated = Path(folder) / "manifest.jsonl"
        write_manifest(workload, repeated)
        note("warming up")
        time_forward(recognizer, batches)
        time_decoder(pool, emissions)
        for number in range(runs):
            note(f"round {number + 1} of {runs}")
            forward_s = time_forward(recognizer, batches)
            decoder_s = time_decoder(pool, emissions)
            job_s, process = time_job(repeated, Path(folder) / f"run-{number}", workers)
            rounds.append(
                Round(
                    forward=sum(map(len, batches)) * PIECE_S / forward_s,
                    decoder=segments_s / decoder_s,
                    job=workload.audio_s * workload.repeats / job_s,
                    process=workload.audio_s * workload.repeats / process.wall_s,
                    peak_rss_bytes=process.peak_rss_bytes,
                )
            )
    return Report(
        machine=machine,
        manifest=manifest,
        workers=workers,
        recordings=len(workload.recordings) * workload.repeats,
        segments=len(emissions),
        audio_s=workload.audio_s * workload.repeats,
        padding_waste=padding_waste(batches_of_job),
        rounds=tuple(rounds),
    )


def emit_segments(recognizer: Recognizer, workload: Workload) -> list[NDArray[np.float32]]:
    """Log-probabilities `(T, C)` of each segment of one repeat."""
    return [recognizer.emit([segment.samples])[0].log_probs.copy() for segment in workload.segments]


def time_forward(recognizer: Recognizer, batches: Sequence[Sequence[NDArray[np.float32]]]) -> float:
    """Seconds from waveforms to emissions."""
    started = time.perf_counter()
    for batch in batches:
        recognizer.emit(batch)
    return time.perf_counter() - started


def time_decoder(pool: DecoderPool, emissions: Sequence[NDArray[np.float32]]) -> float:
    """Seconds from emissions `(T, C)` to hypotheses, the way to the processes included."""
    started = time.perf_counter()
    for hypothesis in [pool.submit(log_probs) for log_probs in emissions]:
        hypothesis.result()
    return time.perf_counter() - started


def time_job(manifest: Path, output: Path, workers: int) -> tuple[float, FinishedProcess]:
    """A job's own `wall_s`, and the process that it ran in. Raises `RuntimeError` if it fails."""
    process = run_alone(
        (
            *(sys.executable, "-m", "pipeline", "transcribe", str(manifest)),
            *("--output", str(output), "--num-workers", str(workers)),
        )
    )
    (commit,) = (output / "runs").glob("*.json")
    wall_s: float = json.loads(commit.read_text(encoding="utf-8"))["wall_s"]
    return wall_s, process


def describe_machine() -> Machine:
    """This machine; where Linux does not say, a core counts as a thread."""
    threads = os.cpu_count() or 1
    models: list[str] = []
    cores: set[tuple[str, str]] = set()
    socket = ""
    cpuinfo = Path("/proc/cpuinfo")
    for line in cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else ():
        name, _, value = (part.strip() for part in line.partition(":"))
        if name == "model name":
            models.append(value)
        elif name == "physical id":
            socket = value
        elif name == "core id":
            cores.add((socket, value))
    return Machine(
        cpu=models[0] if models else platform.processor() or platform.machine(),
        cores=len(cores) or threads,
        threads=threads,
        load=os.getloadavg()[0],
        python=platform.python_version(),
        torch=torch.__version__,
    )
