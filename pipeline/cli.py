"""The `beamscribe` command: argv in, an exit code out.

Results go to stdout, everything else to stderr. Exit codes: 0 every recording done, 3 finished
with failed recordings, 2 wrong usage or configuration, 1 the job failed, 130 interrupted.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from types import FrameType
from typing import NoReturn

from models.errors import ModelError
from pipeline import logs
from pipeline.arguments import add_call_arguments, add_job_arguments, job_configuration
from pipeline.errors import ConfigurationError
from pipeline.prometheus import MetricsFile
from transforms.errors import OutputError

DONE, JOB_FAILED, MISUSED, SOME_FAILED, INTERRUPTED = 0, 1, 2, 3, 130


@dataclass
class Call:
    """How a call speaks on stderr, and the file that is told how it ends."""

    log_format: str = logs.TEXT
    metrics_file: MetricsFile | None = None

    def complain(self, text: str) -> None:
        print(logs.complaint(text, self.log_format), file=sys.stderr)

    def end(self, exit_code: int) -> None:
        """Write the metrics file; that it cannot be written does not change how the call ends."""
        if self.metrics_file is None:
            return
        try:
            self.metrics_file.write(exit_code)
        except OSError as error:
            self.complain(f"--metrics-file was not written: {error}")


_call = Call()


def command() -> NoReturn:
    """The console script: `main`, which SIGINT and SIGTERM end at once.

    Nothing needs to be wound up: what is committed or in the journal stays, and the rest is made
    again by the next call. An exception would first wait for the runner's threads.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _leave)
    # Left at once, Python would speak of semaphores that it then cleans up.
    os.environ.setdefault("PYTHONWARNINGS", "ignore:resource_tracker:UserWarning")
    sys.exit(main())


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    line = logs.complaint(
        "interrupted; what was done is kept, call again to go on", _call.log_format
    )
    if _call.log_format == logs.TEXT:
        # A progress bar hides the cursor.
        line = ("\x1b[?25h" if sys.stderr.isatty() else "") + "\n" + line
    os.write(sys.stderr.fileno(), f"{line}\n".encode())
    _call.end(INTERRUPTED)
    os._exit(INTERRUPTED)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand and return its exit code."""
    parser = _parser()
    arguments, others = parser.parse_known_args(argv)
    if others and arguments.command not in ("transcribe", "plan"):
        parser.error(f"unrecognized arguments: {' '.join(others)}")
    global _call
    _call = Call(getattr(arguments, "log_format", logs.TEXT))
    logs.configure(_call.log_format, getattr(arguments, "verbose", False))
    code = JOB_FAILED
    try:
        code = _run(arguments, others, _call)
    finally:
        _call.end(code)
    return code


def _run(arguments: argparse.Namespace, others: Sequence[str], call: Call) -> int:
    try:
        if arguments.command == "evaluate":
            from pipeline import evaluate

            return evaluate.run(arguments)
        if arguments.command == "plan":
            return _plan(arguments, others)
        if arguments.command == "compact":
            from pipeline import compact

            return compact.run(arguments)
        if arguments.command == "stream":
            from pipeline import stream

            return stream.run(arguments)
        if arguments.command == "models":
            from pipeline import models

            return models.run(arguments)
        return _transcribe(arguments, others, call)
    except ConfigurationError as error:
        call.complain(str(error))
        return MISUSED
    except (ModelError, OutputError) as error:
        call.complain(f"the job failed: {error}")
        return JOB_FAILED


def _parser() -> argparse.ArgumentParser:
    from pipeline import evaluate, models, storage

    parser = argparse.ArgumentParser(
        prog="beamscribe", description="Archives of audio into searchable, time-stamped text."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    transcribe = commands.add_parser(
        "transcribe",
        help="transcribe recordings into Parquet",
        description="Transcribe manifests, audio files and directories into Parquet.",
        epilog=(
            "example: beamscribe transcribe archive/manifest.jsonl --output transcripts\n"
            "Other flags that Apache Beam knows (--runner, ...) go to Beam; without --runner the "
            "job runs in this process."
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add_job_arguments(transcribe)
    add_call_arguments(transcribe)

    plan = commands.add_parser(
        "plan",
        help="what transcribe would find and take",
        description="Read the headers of all recordings and measure a few; transcribe nothing.",
        epilog=(
            "example: beamscribe plan archive/manifest.jsonl --output transcripts\n"
            "Takes every argument that transcribe takes, but --ping and --metrics-file."
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add_job_arguments(plan)
    plan.add_argument("--json", action="store_true", help="print JSON instead of tables")
    plan.add_argument(
        "--no-calibrate",
        action="store_false",
        dest="calibrate",
        help="do not load the model to measure how long the job would take",
    )

    score = commands.add_parser(
        "evaluate",
        help="word and character error rates of a finished job",
        description="Score the newest transcripts in DIR against reference texts.",
        epilog="example: beamscribe evaluate transcripts --json",
        allow_abbrev=False,
    )
    evaluate.add_arguments(score)
    storage.add_arguments(score)

    merge = commands.add_parser(
        "compact",
        help="merge the committed runs of an output into one",
        description="Merge the committed runs in DIR into one and drop what was superseded.",
        epilog="example: beamscribe compact transcripts",
        allow_abbrev=False,
    )
    merge.add_argument("directory", metavar="DIR", help="what `transcribe --output` wrote")
    storage.add_arguments(merge)

    live = commands.add_parser(
        "stream",
        help="partial and final words as the audio comes",
        description="Transcribe one stream and print its words as they come.",
        epilog=(
            "example: arecord -q -t raw -f S16_LE -r 16000 | beamscribe stream - "
            "--model en-digits-rnnt"
        ),
        allow_abbrev=False,
    )
    _add_stream_arguments(live)
    listing = commands.add_parser(
        "models",
        help="the models that can be named, or what is in one",
        description="List the models that can be named, or show what is in one without running it.",
        epilog="example: beamscribe models nemo:trained.nemo",
        allow_abbrev=False,
    )
    models.add_arguments(listing)
    return parser


def _add_stream_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="FILE|-", help="an audio file, or - for raw PCM on stdin")
    parser.add_argument("--model", default="en-phoneme-ctc", help="default: en-phoneme-ctc")
    parser.add_argument(
        "--decoder",
        default="beam",
        metavar="{beam,greedy}",
        help="beam: the search that suits the model best (default); greedy: its best path",
    )
    parser.add_argument(
        "--sample-rate",
        type=int,
        default=16_000,
        dest="rate_hz",
        metavar="HZ",
        help="of raw PCM: 16 bits, little-endian, one channel (default: 16000)",
    )
    parser.add_argument(
        "--chunk-seconds",
        type=float,
        default=0.2,
        dest="chunk_s",
        metavar="S",
        help="how much of a file is read at once (default: 0.2)",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object an update")


def _transcribe(arguments: argparse.Namespace, beam_flags: Sequence[str], call: Call) -> int:
    if arguments.ping:
        return _ping(arguments, beam_flags)
    if arguments.metrics_file is not None:
        call.metrics_file = MetricsFile(arguments.metrics_file, arguments.output)
    from pipeline.progress import progress_bar
    from pipeline.run import transcribe
    from pipeline.summary import print_summary

    config = job_configuration(arguments)
    progress = progress_bar if call.log_format == logs.TEXT else nullcontext
    outcome = transcribe(config, beam_flags, progress)
    if call.metrics_file is not None:
        call.metrics_file.note(outcome.commit, outcome.skipped.recordings, outcome.failed)
    print_summary(config.output, outcome.commit, outcome.skipped, config.stores)
    return SOME_FAILED if outcome.failed else DONE


def _ping(arguments: argparse.Namespace, beam_flags: Sequence[str]) -> int:
    from pipeline.ping import ping, print_ping

    config = job_configuration(arguments)
    found = ping(config, beam_flags)
    print_ping(found, config)
    return SOME_FAILED if found.failed else DONE


def _plan(arguments: argparse.Namespace, beam_flags: Sequence[str]) -> int:
    from pipeline.plan import plan
    from pipeline.run import beam_options

    beam_options(beam_flags)
    whole = plan(job_configuration(arguments), arguments.calibrate, arguments.json)
    return DONE if whole else SOME_FAILED
