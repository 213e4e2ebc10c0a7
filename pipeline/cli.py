"""The `beamscribe` command: argv in, an exit code out.

Results go to stdout, everything else to stderr. Exit codes: 0 every recording done, 3 finished
with failed recordings, 2 wrong usage or configuration, 1 the job failed, 130 interrupted.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence

from models.errors import ModelError
from pipeline.errors import ConfigurationError
from transforms.errors import OutputError
from transforms.redact import RedactingFormatter, redacted

DONE, JOB_FAILED, MISUSED, SOME_FAILED, INTERRUPTED = 0, 1, 2, 3, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand and return its exit code."""
    parser = _parser()
    arguments, others = parser.parse_known_args(argv)
    if others and arguments.command != "transcribe":
        parser.error(f"unrecognized arguments: {' '.join(others)}")
    verbose = getattr(arguments, "verbose", False)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(RedactingFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(handlers=[handler], level=logging.INFO if verbose else logging.ERROR)
    # It logs every error that it then raises.
    logging.getLogger("gcsfs").setLevel(logging.NOTSET if verbose else logging.CRITICAL)
    # Beam logs the trace of every error that it then raises.
    logging.getLogger("apache_beam").setLevel(logging.NOTSET if verbose else logging.CRITICAL)
    try:
        if arguments.command == "evaluate":
            from pipeline import evaluate

            return evaluate.run(arguments)
        return _transcribe(arguments, others)
    except ConfigurationError as error:
        print(f"beamscribe: {redacted(str(error))}", file=sys.stderr)
        return MISUSED
    except (ModelError, OutputError) as error:
        print(f"beamscribe: the job failed: {redacted(str(error))}", file=sys.stderr)
        return JOB_FAILED
    except KeyboardInterrupt:
        print("beamscribe: interrupted; committed runs are kept", file=sys.stderr)
        return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    from pipeline import evaluate, storage

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
    transcribe.add_argument(
        "sources", nargs="+", metavar="MANIFEST", help="JSON lines, an audio file or a directory"
    )
    transcribe.add_argument("--output", required=True, metavar="DIR", help="where Parquet goes")
    transcribe.add_argument("--model", help="default: en-phoneme-ctc, which ships with beamscribe")
    transcribe.add_argument(
        "--decoder",
        metavar="{beam,greedy}",
        help="beam: words, by lexicon and language model (default); greedy: the model's own tokens",
    )
    transcribe.add_argument(
        "--batch-seconds", type=float, dest="batch_s", metavar="S", help="padded seconds in a batch"
    )
    transcribe.add_argument(
        "--segment-seconds", type=float, dest="segment_s", metavar="S", help="at most 30"
    )
    transcribe.add_argument("--device", help="cpu (default) or cuda[:n]")
    transcribe.add_argument(
        "--num-workers", type=int, dest="workers", metavar="N", help="default: one a processor"
    )
    transcribe.add_argument("--verbose", action="store_true", help="log to stderr")
    storage.add_arguments(transcribe)

    score = commands.add_parser(
        "evaluate",
        help="word and character error rates of a finished job",
        description="Score the newest transcripts in DIR against reference texts.",
        epilog="example: beamscribe evaluate transcripts --json",
        allow_abbrev=False,
    )
    evaluate.add_arguments(score)
    storage.add_arguments(score)
    return parser


def _transcribe(arguments: argparse.Namespace, beam_flags: Sequence[str]) -> int:
    from pipeline.config import TranscriptionConfig
    from pipeline.progress import progress_bar
    from pipeline.run import transcribe
    from pipeline.storage import stores_of
    from pipeline.summary import print_summary

    given = {
        name: value
        for name in ("model", "decoder", "batch_s", "segment_s", "device", "workers")
        if (value := getattr(arguments, name)) is not None
    }
    config = TranscriptionConfig(
        sources=tuple(arguments.sources),
        output=arguments.output,
        stores=stores_of(arguments, (*arguments.sources, arguments.output)),
        **given,
    )
    commit = transcribe(config, beam_flags, progress_bar)
    print_summary(config.output, commit, config.stores)
    return SOME_FAILED if commit["totals"].get("failed") else DONE
