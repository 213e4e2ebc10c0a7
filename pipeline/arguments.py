"""The arguments of a job: what `transcribe` takes, and with it `plan`."""

from __future__ import annotations

import argparse
from dataclasses import fields
from typing import TYPE_CHECKING

from pipeline import logs, storage

if TYPE_CHECKING:
    from pipeline.config import TranscriptionConfig


def add_job_arguments(parser: argparse.ArgumentParser) -> None:
    """Each option's destination is the field of `TranscriptionConfig` that it sets."""
    add = parser.add_argument
    add(
        "sources",
        nargs="+",
        metavar="MANIFEST",
        help="a manifest, an audio file, a directory, a glob, or - for a manifest on stdin",
    )
    add("--output", required=True, metavar="DIR", help="where Parquet goes")
    add(
        "--model",
        metavar="NAME",
        help="a name that `beamscribe models` lists, nemo:PATH-OR-URL or emformer:FOLDER; "
        "default: en-phoneme-ctc",
    )
    add(
        "--decoder",
        metavar="{beam,lexicon,open,transducer,greedy}",
        help="lexicon: known words by a language model; open: any words by a language model; "
        "transducer: a transducer's own search; greedy: the model's own tokens; "
        "beam (default): the search that suits the model best",
    )
    add(
        "--segmentation",
        dest="segmentation_method",
        metavar="{fixed,speech,quiet}",
        help=(
            "fixed: windows that overlap (default); speech: the same, where somebody speaks; "
            "quiet: pieces that do not overlap, cut at the quietest place"
        ),
    )
    add("--segment-seconds", type=float, dest="segment_s", metavar="S", help="at most 30")
    add(
        "--batch-seconds", type=float, dest="batch_s", metavar="S", help="padded seconds in a batch"
    )
    add(
        "--normalise",
        metavar="{none,peak,loudness}",
        help="bring each track to -1 dBFS or to -23 LUFS, in a pass of its own (default: none)",
    )
    add("--device", help="cpu (default) or cuda[:n]")
    add(
        "--deadline",
        type=float,
        dest="deadline_s",
        metavar="S",
        help="give up a recording of which a header, or the next five minutes, take longer to "
        "read than this (default: 600)",
    )
    add(
        "--allow-cpu",
        action="store_true",
        default=None,
        help="compute on the CPU what the memory of the GPU does not hold",
    )
    add("--num-workers", type=int, dest="workers", metavar="N", help="default: one a processor")
    add(
        "--retry-failed",
        action="store_true",
        default=None,
        help="take up again what failed before; otherwise only what is new or changed",
    )
    add("--force", action="store_true", default=None, help="take up everything again")
    add("--verbose", action="store_true", help="log to stderr")
    add(
        "--log-format",
        choices=logs.FORMATS,
        default=logs.TEXT,
        help="json: what goes to stderr is one JSON object a line, failed recordings among it",
    )
    storage.add_arguments(parser)


def add_call_arguments(parser: argparse.ArgumentParser) -> None:
    """What `transcribe` takes alone."""
    parser.add_argument(
        "--ping",
        action="store_true",
        help="check manifests, output, model and the header of every recording that is to do; "
        "transcribe nothing and leave the output as it is",
    )
    parser.add_argument(
        "--metrics-file",
        metavar="PATH",
        help="a file on this machine for Prometheus, written at the end of every call",
    )


def job_configuration(arguments: argparse.Namespace) -> TranscriptionConfig:
    """What was asked for; what was not keeps its default. Raises `ConfigurationError`."""
    from pipeline.config import TranscriptionConfig

    given = {
        field.name: value
        for field in fields(TranscriptionConfig)
        if (value := getattr(arguments, field.name, None)) is not None
    }
    named = (*arguments.sources, arguments.output)
    return TranscriptionConfig(
        **{
            **given,
            "sources": tuple(arguments.sources),
            "stores": storage.stores_of(arguments, named),
        }
    )
