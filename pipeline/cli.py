"""The `beamscribe` command: argv in, an exit code out.

Results go to stdout, everything else to stderr. Exit codes: 0 every recording done, 3 finished
with failed recordings, 2 wrong usage or configuration, 1 the job failed, 130 interrupted.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from models.errors import ModelError
from pipeline.errors import ConfigurationError
from transforms.errors import OutputError

if TYPE_CHECKING:
    from pipeline.config import TranscriptionConfig

DONE, JOB_FAILED, MISUSED, SOME_FAILED, INTERRUPTED = 0, 1, 2, 3, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand and return its exit code."""
    parser = _parser()
    arguments, others = parser.parse_known_args(argv)
    if others and arguments.command not in ("transcribe", "plan"):
        parser.error(f"unrecognized arguments: {' '.join(others)}")
    verbose = getattr(arguments, "verbose", False)
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.INFO if verbose else logging.ERROR,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    # Beam logs the trace of every error that it then raises.
    logging.getLogger("apache_beam").setLevel(logging.NOTSET if verbose else logging.CRITICAL)
    try:
        if arguments.command == "evaluate":
            from pipeline import evaluate

            return evaluate.run(arguments)
        if arguments.command == "plan":
            return _plan(arguments, others)
        return _transcribe(arguments, others)
    except ConfigurationError as error:
        print(f"beamscribe: {error}", file=sys.stderr)
        return MISUSED
    except (ModelError, OutputError) as error:
        print(f"beamscribe: the job failed: {error}", file=sys.stderr)
        return JOB_FAILED
    except KeyboardInterrupt:
        print("beamscribe: interrupted; committed runs are kept", file=sys.stderr)
        return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    from pipeline import evaluate

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
    _add_job_arguments(transcribe)

    plan = commands.add_parser(
        "plan",
        help="what transcribe would find and take",
        description="Read the headers of all recordings and measure a few; transcribe nothing.",
        epilog=(
            "example: beamscribe plan archive/manifest.jsonl --output transcripts\n"
            "Takes every argument that transcribe takes."
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    _add_job_arguments(plan)
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
    return parser


def _add_job_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "sources",
        nargs="+",
        metavar="MANIFEST",
        help="a manifest, an audio file, a directory, a glob, or - for a manifest on stdin",
    )
    parser.add_argument("--output", required=True, metavar="DIR", help="where Parquet goes")
    parser.add_argument("--model", help="default: en-phoneme-ctc, which ships with beamscribe")
    parser.add_argument(
        "--decoder",
        metavar="{beam,greedy}",
        help="beam: words, by lexicon and language model (default); greedy: the model's own tokens",
    )
    parser.add_argument(
        "--batch-seconds", type=float, dest="batch_s", metavar="S", help="padded seconds in a batch"
    )
    parser.add_argument(
        "--segment-seconds", type=float, dest="segment_s", metavar="S", help="at most 30"
    )
    parser.add_argument("--device", help="cpu (default) or cuda[:n]")
    parser.add_argument(
        "--num-workers", type=int, dest="workers", metavar="N", help="default: one a processor"
    )
    parser.add_argument("--verbose", action="store_true", help="log to stderr")


def _transcribe(arguments: argparse.Namespace, beam_flags: Sequence[str]) -> int:
    from pipeline.progress import progress_bar
    from pipeline.run import transcribe
    from pipeline.summary import print_summary

    config = _configuration(arguments)
    commit = transcribe(config, beam_flags, progress_bar)
    print_summary(config.output, commit, config.stores)
    return SOME_FAILED if commit["totals"].get("failed") else DONE


def _plan(arguments: argparse.Namespace, beam_flags: Sequence[str]) -> int:
    from pipeline.plan import nothing_done, plan
    from pipeline.run import beam_options

    beam_options(beam_flags)
    config = _configuration(arguments)
    whole = plan(config, nothing_done, arguments.calibrate, arguments.json)
    return DONE if whole else SOME_FAILED


def _configuration(arguments: argparse.Namespace) -> TranscriptionConfig:
    from pipeline.config import TranscriptionConfig

    given = {
        name: value
        for name in ("model", "decoder", "batch_s", "segment_s", "device", "workers")
        if (value := getattr(arguments, name)) is not None
    }
    return TranscriptionConfig(sources=tuple(arguments.sources), output=arguments.output, **given)
