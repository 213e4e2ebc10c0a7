"""`beamscribe transcribe --ping`: all that a job needs is checked, nothing is transcribed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fsspec.implementations.local import LocalFileSystem
from rich.console import Console
from rich.text import Text

from models.errors import ModelError
from pipeline.config import TranscriptionConfig
from pipeline.errors import ConfigurationError
from pipeline.ledger import committed_runs
from pipeline.plan import show_s
from pipeline.resume import Skipped, find_done
from pipeline.run import checked_options
from pipeline.survey import Survey, survey_items
from transforms.errors import ManifestError
from transforms.manifest import iterate_sources
from transforms.store import Stores


@dataclass(frozen=True)
class Ping:
    """What a job would take up, and what it would pass over."""

    pending: Survey
    skipped: Skipped

    @property
    def failed(self) -> int:
        """Recordings that the job would find failed, or leave so."""
        return self.pending.unreadable + self.skipped.failed


def ping(config: TranscriptionConfig, beam_flags: Sequence[str]) -> Ping:
    """Check a job as its start does, then open every recording that is still to do.

    The output is left as it was: a small file is written there and removed. Raises
    `ConfigurationError` for what would stop the job.
    """
    checked_options(config, beam_flags)
    try:
        # Of these every file of the model is read, and every choice that it must go with.
        config.card.acoustic_fingerprint(), config.fingerprint()
        commits = committed_runs(config.output, config.stores)
        resume = find_done(config, commits)
        _prove_writable(config.output.rstrip("/"), config.stores)
        items = (item for _, item in iterate_sources(config.sources, config.stores))
        pending = survey_items(resume.pending(items), config)
    except (ModelError, ManifestError) as error:
        raise ConfigurationError(str(error)) from error
    return Ping(pending, resume.skipped)


def print_ping(found: Ping, config: TranscriptionConfig) -> None:
    """Say on stdout what the job would do, and what it could not read."""
    console = Console(soft_wrap=True, highlight=False)
    pending, skipped = found.pending, found.skipped
    readable = pending.recordings - pending.unreadable
    if readable or not skipped.recordings:
        console.print(
            f"would transcribe {readable} recordings ({pending.tracks} tracks, "
            f"{show_s(pending.audio_s)} of audio) with {config.model}"
        )
    if skipped.recordings:
        failed = f" ({skipped.failed} failed; --retry-failed tries again)" if skipped.failed else ""
        console.print(f"{skipped.recordings} recordings were done before{failed}")
    if pending.unreadable:
        console.print(f"{pending.unreadable} recordings cannot be read:")
        for fault in sorted(pending.faults.values(), key=lambda fault: -fault.count):
            console.print(f"{fault.count} {fault.error_type}, for example:")
            for example in fault.examples:
                console.print(Text(f"  {example}"))
    console.print("nothing was transcribed or written")


def _prove_writable(directory: str, stores: Stores) -> None:
    """Write a file to the output; remove it, with the folders that it needed."""
    try:
        filesystem, folder = stores.locate(directory)
        if not isinstance(filesystem, LocalFileSystem):
            stores.prove_writable(directory)
            return
        missing: list[str] = []
        while not filesystem.exists(folder):
            missing.append(folder)
            folder = filesystem._parent(folder)
        try:
            filesystem.makedirs(directory, exist_ok=True)
            stores.prove_writable(directory)
        finally:
            for folder in missing:
                if filesystem.isdir(folder):
                    filesystem.rmdir(folder)
    except (OSError, ImportError, ValueError) as error:
        raise ConfigurationError(
            f"the output {directory} cannot be written: {error}; name another --output"
        ) from error
