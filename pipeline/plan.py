"""`beamscribe plan`: what a job would find, do and take, before anything is paid for."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from models.errors import ModelError
from pipeline.config import TranscriptionConfig
from pipeline.errors import ConfigurationError
from pipeline.ledger import committed_runs
from pipeline.resume import find_done
from pipeline.survey import Fault, Share, Survey, survey_sources
from transforms.errors import ManifestError

if TYPE_CHECKING:
    from pipeline.calibration import Calibration

GROUPS = {
    "format": "formats",
    "sample rate (Hz)": "sample_rates_hz",
    "channels": "channels",
    "language": "languages",
}
MOST_ROWS = 12


def plan(config: TranscriptionConfig, measure: bool, as_json: bool) -> bool:
    """Print the plan of a job to stdout; whether everything that it names can be read.

    `measure` allows a calibration. Raises `ConfigurationError`.
    """
    with _status() as say:
        try:
            done = find_done(config, committed_runs(config.output, config.stores)).holds
            survey = survey_sources(config, done, lambda count: say(f"{count} headers read"))
        except (ModelError, ManifestError) as error:
            raise ConfigurationError(str(error)) from error
        calibration = None
        if measure and survey.sample:
            from pipeline.calibration import calibrate
            from pipeline.run import check_device

            check_device(config)
            say("measuring on some of the recordings")
            calibration = calibrate(survey.sample, config)
    if as_json:
        print(json.dumps(as_fields(survey, calibration), ensure_ascii=False, indent=2))
    else:
        for part in as_tables(survey, calibration, config):
            Console(highlight=False).print(part)
    return survey.unreadable == 0


def as_fields(survey: Survey, calibration: Calibration | None) -> dict[str, Any]:
    """The plan for JSON: seconds and counts; `expected` is null where nothing was measured."""
    batches = survey.batches
    return {
        "recordings": survey.recordings,
        "unreadable": survey.unreadable,
        "tracks": survey.tracks,
        "audio_s": round(survey.audio_s, 3),
        "done": {"tracks": survey.tracks_done, "audio_s": round(survey.audio_done_s, 3)},
        "to_do": {
            "tracks": survey.tracks - survey.tracks_done,
            "audio_s": round(survey.audio_to_do_s, 3),
        },
        **{name: _shares(getattr(survey, name)) for name in GROUPS.values()},
        "faults": [
            {
                "error_type": fault.error_type,
                "reason": fault.reason,
                "count": fault.count,
                "examples": fault.examples,
            }
            for fault in _most(survey.faults)
        ],
        "batches": {
            "count": batches.count,
            "segments": batches.segments,
            "padding": round(batches.padding, 4),
        },
        "expected": calibration
        and {
            "wall_s": round(calibration.expect_s(survey.audio_to_do_s), 1),
            "start_s": round(calibration.start_s, 1),
            "rtfx": round(calibration.rtfx, 1),
            "measured_audio_s": round(calibration.audio_s, 1),
        },
    }


def as_tables(
    survey: Survey, calibration: Calibration | None, config: TranscriptionConfig
) -> list[Table]:
    """Totals, what there is of each kind, and what cannot be read."""
    tables = [_totals(survey, calibration, config)]
    if survey.tracks:
        tables.append(_kinds(survey))
    if survey.faults:
        tables.append(_faults(survey))
    return tables


def show_s(seconds: float) -> str:
    """`12 s`, `3.4 min`, `1,234.5 h`."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 3600 else f"{seconds / 3600:,.1f} h"


def _totals(survey: Survey, calibration: Calibration | None, config: TranscriptionConfig) -> Table:
    batches = survey.batches
    table = Table.grid(padding=(0, 2))
    unreadable = f", {survey.unreadable:,} cannot be read" if survey.unreadable else ""
    table.add_row("recordings", f"{survey.recordings:,}{unreadable}")
    table.add_row("audio", f"{show_s(survey.audio_s)} in {survey.tracks:,} tracks")
    table.add_row("already done", f"{show_s(survey.audio_done_s)} in {survey.tracks_done:,} tracks")
    table.add_row(
        "batches",
        f"about {batches.count:,} of at most {config.batch_s:g} padded seconds, "
        f"{batches.padding:.1%} padding",
    )
    if calibration is None:
        table.add_row("expected time", "not measured")
    else:
        table.add_row(
            "expected time",
            f"{show_s(calibration.expect_s(survey.audio_to_do_s))} on this machine: "
            f"{show_s(calibration.start_s)} to start, then RTFx {calibration.rtfx:.0f} "
            f"(measured on {show_s(calibration.audio_s)} of audio)",
        )
    return table


def _kinds(survey: Survey) -> Table:
    table = Table()
    table.add_column("")
    table.add_column("", overflow="fold")
    for name in ("recordings", "audio"):
        table.add_column(name, justify="right", no_wrap=True)
    for title, name in GROUPS.items():
        shares: dict[Any, Share] = getattr(survey, name)
        ordered = sorted(shares.items(), key=lambda item: -item[1].recordings)
        for index, (value, share) in enumerate(ordered[:MOST_ROWS]):
            label = title if index == 0 else ""
            table.add_row(label, Text(str(value)), f"{share.recordings:,}", show_s(share.audio_s))
        if len(ordered) > MOST_ROWS:
            table.add_row("", f"and {len(ordered) - MOST_ROWS} more")
        table.add_section()
    return table


def _faults(survey: Survey) -> Table:
    table = Table()
    table.add_column("cannot be read", justify="right", no_wrap=True)
    table.add_column("error", overflow="fold")
    table.add_column("for example", overflow="fold")
    for fault in _most(survey.faults):
        examples = "\n".join(fault.examples)
        table.add_row(f"{fault.count:,}", Text(fault.error_type), Text(examples))
    return table


def _most(faults: Mapping[tuple[str, str], Fault]) -> list[Fault]:
    return sorted(faults.values(), key=lambda fault: -fault.count)


def _shares(shares: Mapping[Any, Share]) -> dict[str, dict[str, float]]:
    return {
        str(value): {"recordings": share.recordings, "audio_s": round(share.audio_s, 3)}
        for value, share in sorted(shares.items(), key=lambda item: -item[1].recordings)
    }


@contextmanager
def _status() -> Iterator[Callable[[str], None]]:
    """Says on stderr how far the plan is, where that is a terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda text: None
        return
    with console.status("reading headers") as status:
        yield status.update
