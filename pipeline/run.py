"""A whole job: sources, `Transcribe`, a committed run."""

from __future__ import annotations

import json
import platform
import secrets
from argparse import ArgumentParser
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import apache_beam as beam
import torch
from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions

from models.errors import ModelError
from pipeline.config import TranscriptionConfig, without_stores
from pipeline.errors import ConfigurationError
from pipeline.transcribe import Transcribe
from transforms import tally
from transforms.errors import ManifestError
from transforms.join import fail_recording
from transforms.manifest import read_sources
from transforms.parquet import RunOutput, WriteRun
from transforms.records import Failure, Recording
from transforms.schema import RunStamp

LOCAL_RUNNER = "FnApiRunner"
VERSIONS_OF = (
    "beamscribe",
    "apache-beam",
    "torch",
    "flashlight-text",
    "pyarrow",
    "soundfile",
    "soxr",
)

Progress = Callable[[], AbstractContextManager[None]]


def transcribe(
    config: TranscriptionConfig, beam_flags: Sequence[str], progress: Progress
) -> dict[str, Any]:
    """Run a job and return its commit, as `runs/<run_id>.json` holds it.

    Raises `ConfigurationError` before anything is started, and whatever stops the job later.
    """
    options = beam_options(beam_flags)
    if config.device.startswith("cuda") and _is_local(options) and not torch.cuda.is_available():
        raise ConfigurationError(f"--device is {config.device}, but there is no CUDA device here")
    try:
        output = _output(config)
        items = read_sources(config.sources, config.stores)
    except (ModelError, ManifestError) as error:
        raise ConfigurationError(str(error)) from error
    _prepare(output)
    torch.set_num_threads(config.workers)
    tally.reset()
    with progress():
        pipeline = beam.Pipeline(options=options)
        build(pipeline, items, config, output)
        result = pipeline.run()
        result.wait_until_finish()
    filesystem, path = config.stores.locate(output.commit_file)
    with filesystem.open(path, "r", encoding="utf-8") as file:
        commit: dict[str, Any] = json.load(file)
    return commit


def build(
    pipeline: beam.Pipeline,
    items: Sequence[Recording | Failure],
    config: TranscriptionConfig,
    output: RunOutput,
) -> None:
    """Attach a job to a pipeline: items of a manifest in, a committed run out."""
    recordings = [item for item in items if isinstance(item, Recording)]
    unusable = [item for item in items if isinstance(item, Failure)]
    entries = (
        pipeline | "Recordings" >> beam.Create(recordings) | "Transcribe" >> Transcribe(config)
    )
    broken_lines = (
        pipeline
        | "Manifest failures" >> beam.Create(unusable)
        | "Fail lines" >> beam.Map(fail_recording)
    )
    (entries, broken_lines) | "All entries" >> beam.Flatten() | "Write run" >> WriteRun(output)


def beam_options(flags: Sequence[str]) -> PipelineOptions:
    """Beam's options from what is left of the command line.

    Without `--runner` the job runs in this process; Beam's own default would try to download a
    runner first. Raises `ConfigurationError` for a flag that Beam does not know.
    """
    options = PipelineOptions(list(flags))
    unknown = _unknown_flags(flags)
    if unknown:
        raise ConfigurationError(
            f"unknown argument: {' '.join(unknown)}; see `beamscribe transcribe --help`"
        )
    standard = options.view_as(StandardOptions)
    if standard.runner is None:
        standard.runner = LOCAL_RUNNER
    elif "dask" in standard.runner.lower():
        raise ConfigurationError("the Dask runner loses rows; choose another --runner")
    return options


def _is_local(options: PipelineOptions) -> bool:
    return bool(options.view_as(StandardOptions).runner == LOCAL_RUNNER)


def _unknown_flags(flags: Sequence[str]) -> list[str]:
    parser = ArgumentParser(add_help=False, allow_abbrev=False, conflict_handler="resolve")
    for group in PipelineOptions.__subclasses__():
        if hasattr(group, "_add_argparse_args"):
            group._add_argparse_args(parser)
    return parser.parse_known_args(list(flags))[1]


def _prepare(output: RunOutput) -> None:
    try:
        filesystem, staging = output.stores.locate(output.staging)
        filesystem.makedirs(staging, exist_ok=True)
        output.stores.prove_writable(output.staging)
    except (OSError, ImportError, ValueError) as error:
        raise ConfigurationError(
            f"the output {output.directory} cannot be written: {error}; name another --output"
        ) from error


def _output(config: TranscriptionConfig) -> RunOutput:
    started_at = datetime.now(UTC)
    return RunOutput(
        directory=config.output.rstrip("/"),
        stamp=RunStamp(
            run_id=f"{started_at:%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}",
            model=config.model,
            language=config.card.language,
            model_fingerprint=config.card.acoustic_fingerprint(),
            config_fingerprint=config.fingerprint(),
        ),
        started_at=started_at,
        configuration=without_stores(asdict(config)),
        stores=config.stores,
        versions={
            "python": platform.python_version(),
            **{name: version(name) for name in VERSIONS_OF},
        },
    )
