"""`beamscribe models`: what can be named, and what one checkpoint is."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from models.errors import CheckpointError
from pipeline.errors import ConfigurationError

if TYPE_CHECKING:
    from models.registry import Listing


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "names",
        nargs="*",
        metavar="MODEL",
        help="show what is in this one: a listed name, or nemo:PATH-OR-URL; default: list all",
    )
    parser.add_argument(
        "--fetch", action="store_true", help="first fetch what is not on this machine"
    )
    parser.add_argument("--json", action="store_true", help="one JSON array instead of text")


def run(arguments: argparse.Namespace) -> int:
    """Print the list or the descriptions. Raises `ConfigurationError` for an unusable model."""
    from models.registry import list_models

    if not arguments.names:
        _print_list(list_models(), arguments.json)
        return 0
    try:
        described = [_describe(name, arguments.fetch) for name in arguments.names]
    except CheckpointError as error:
        raise ConfigurationError(str(error)) from error
    if arguments.json:
        json.dump(described, sys.stdout, indent=2, ensure_ascii=False)
        print()
        return 0
    for index, fields in enumerate(described):
        if index:
            print()
        width = max(map(len, fields))
        for name, value in fields.items():
            print(f"{name.replace('_', ' '):<{width}}  {_written(value)}")
    return 0


def _describe(name: str, fetch: bool) -> dict[str, Any]:
    """A model's fields; only the list's where it is remote and not to be fetched."""
    from models.registry import describe_model, find_listing, is_here

    if not fetch and not is_here(name):
        return asdict(find_listing(name))
    return describe_model(name)


def _print_list(listings: Sequence[Listing], as_json: bool) -> None:
    if as_json:
        json.dump([asdict(each) for each in listings], sys.stdout, indent=2, ensure_ascii=False)
        print()
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("model", "language", "parameters", "licence", "here", "weights", box=None)
    for each in listings:
        table.add_row(
            each.name,
            each.language,
            "" if each.parameters_m is None else f"{each.parameters_m:g} M",
            each.licence,
            "yes" if each.here else "no",
            urlsplit(each.weights).netloc or each.weights,
        )
    Console(width=None if sys.stdout.isatty() else 120, highlight=False).print(table)


def _written(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, list | tuple):
        return " ".join(str(each) if str(each).strip() else repr(each) for each in value)
    return "unknown" if value is None else str(value)
