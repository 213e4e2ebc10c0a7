"""A whole job: sources, `Transcribe`, a committed run."""

from __future__ import annotations

import itertools
import json
import platform
from argparse import ArgumentParser
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import apache_beam as beam
import torch
from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions

from models.errors import ModelError
from pipeline.config import TranscriptionConfig, without_stores
from pipeline.errors import ConfigurationError
from pipeline.ledger import committed_runs
from pipeline.metrics import add_to_commit, gather
from pipeline.resume import Skipped, find_done
from pipeline.transcribe import Transcribe
from transforms import tally
from transforms.commit import RunOutput, new_run_id, roll_forward, tidy_staging
from transforms.errors import ManifestError
from transforms.join import fail_recording, logged
from transforms.journal import Journal, find_journals
from transforms.manifest import iterate_sources
from transforms.parquet import WriteRun
from transforms.reading import warm
from transforms.records import Failure, Recording
from transforms.schema import RunStamp
from transforms.store import Stores
from transforms.worklist import ReadWorklist, write_worklist

LOCAL_RUNNER = "FnApiRunner"
VERSIONS_OF = (
    "beamscribe",
    "apache-beam",
    "av",
    "torch",
    "flashlight-text",
    "pyarrow",
    "soundfile",
    "soxr",
)

Progress = Callable[[], AbstractContextManager[None]]


@dataclass(frozen=True)
class Outcome:
    """What a job came to: `commit` is the run's file, None where nothing was left to do."""

    commit: dict[str, Any] | None
    skipped: Skipped

    @property
    def failed(self) -> int:
        """Recordings that the job names and that are failures in the ledger, old ones too."""
        totals = self.commit["totals"] if self.commit else {}
        return int(totals.get("failed", 0)) + self.skipped.failed


def transcribe(
    config: TranscriptionConfig, beam_flags: Sequence[str], progress: Progress
) -> Outcome:
    """Run a job over what is not done yet.

    Raises `ConfigurationError` before anything is started, and whatever stops the job later.
    """
    tally.reset()
    options = checked_options(config, beam_flags)
    directory = config.output.rstrip("/")
    _mend(directory, config.stores)
    commits = committed_runs(directory, config.stores)
    try:
        resume = find_done(config, commits)
        output, journal = _output(config, 1 + max((c["sequence"] for c in commits), default=0))
        items = (item for _, item in iterate_sources(config.sources, config.stores))
        worklist = _plan_work(resume.pending(items), output)
    except (ModelError, ManifestError) as error:
        raise ConfigurationError(str(error)) from error
    if not worklist:
        return Outcome(None, resume.skipped)
    if _is_local(options):
        warm()
    torch.set_num_threads(config.workers)
    with progress():
        pipeline = beam.Pipeline(options=options)
        build(pipeline, worklist, config, output, journal)
        result = pipeline.run()
        result.wait_until_finish()
    filesystem, path = config.stores.locate(output.commit_file)
    with filesystem.open(path, "r", encoding="utf-8") as file:
        commit = json.load(file)
    metrics = gather(result, resume.skipped.recordings)
    commit = add_to_commit(commit, metrics, output.commit_file, config.stores)
    return Outcome(commit, resume.skipped)


def build(
    pipeline: beam.Pipeline,
    worklist: Sequence[str],
    config: TranscriptionConfig,
    output: RunOutput,
    journal: Journal,
) -> None:
    """Attach a job to a pipeline: files of a worklist in, a committed run out."""
    work = (
        pipeline
        | "Worklist" >> beam.Create(worklist)
        | "Read worklist" >> ReadWorklist(config.stores)
    )
    entries = work.recordings | "Transcribe" >> Transcribe(config, journal)
    broken_lines = work.failures | "Fail lines" >> beam.Map(fail_recording)
    (
        (entries, broken_lines)
        | "All entries" >> beam.Flatten()
        | "Log failures" >> beam.Map(logged)
        | "Write run" >> WriteRun(output)
    )


def checked_options(config: TranscriptionConfig, beam_flags: Sequence[str]) -> PipelineOptions:
    """`beam_options`, where the job can run with them; raises as that and `check_device` do."""
    options = beam_options(beam_flags)
    if _is_local(options):
        check_device(config)
    return options


def check_device(config: TranscriptionConfig) -> None:
    """Raises `ConfigurationError` where this machine has no such device as the job needs."""
    if config.device.startswith("cuda") and not torch.cuda.is_available():
        raise ConfigurationError(f"--device is {config.device}, but there is no CUDA device here")


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


def _mend(directory: str, stores: Stores) -> None:
    """Finish what killed jobs left in the output, where there is one."""
    try:
        filesystem, root = stores.locate(directory)
        if not filesystem.exists(root):
            return
    except (OSError, ImportError, ValueError) as error:
        raise ConfigurationError(f"the output {directory} cannot be reached: {error}") from error
    roll_forward(directory, stores)
    tidy_staging(directory, stores, datetime.now(UTC))


def _plan_work(pending: Iterator[Recording | Failure], output: RunOutput) -> list[str]:
    """The worklist of a run; where it cannot be made, the output is left as it was."""
    filesystem, root = output.stores.locate(output.directory)
    was_there = filesystem.exists(root)
    try:
        first = next(pending, None)
        if first is None:
            return []
        filesystem.makedirs(output.stores.locate(output.staging)[1], exist_ok=True)
        output.stores.prove_writable(output.staging)
        return write_worklist(itertools.chain([first], pending), output)
    except OSError as error:
        raise ConfigurationError(
            f"the output {output.directory} cannot be written: {error}; name another --output"
        ) from error
    except ManifestError:
        left = output.stores.locate(output.staging)[1] if was_there else root
        if filesystem.exists(left):
            filesystem.rm(left, recursive=True)
        raise


def _output(config: TranscriptionConfig, sequence: int) -> tuple[RunOutput, Journal]:
    started_at = datetime.now(UTC)
    model_fingerprint, config_fingerprint = config.fingerprints
    stamp = RunStamp(
        run_id=new_run_id(started_at),
        model=config.model,
        language=config.card.language,
        model_fingerprint=model_fingerprint,
        config_fingerprint=config_fingerprint,
    )
    directory = config.output.rstrip("/")
    job = f"_journal/{stamp.model_fingerprint[:16]}-{stamp.config_fingerprint[:16]}"
    earlier = find_journals(f"{directory}/{job}", config.stores)
    journal = Journal(f"{directory}/{job}/run={stamp.run_id}", earlier, config.stores)
    folders = {uri.removeprefix(f"{directory}/").rpartition("/")[0] for uri in earlier}
    output = RunOutput(
        directory=directory,
        stamp=stamp,
        started_at=started_at,
        configuration=_as_json(without_stores(asdict(config))),
        versions={
            "python": platform.python_version(),
            **{name: version(name) for name in VERSIONS_OF},
        },
        sequence=sequence,
        journals=(*sorted(folders), f"{job}/run={stamp.run_id}"),
        stores=config.stores,
    )
    return output, journal


def _as_json(fields: dict[str, Any]) -> dict[str, Any]:
    """Infinity, which JSON lacks and Python writes all the same, as text."""
    plain: dict[str, Any] = json.loads(json.dumps(fields), parse_constant=str)
    return plain
