"""The flags that say how stores are reached."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Mapping
from typing import Any

from pipeline.errors import ConfigurationError
from transforms.reach import FAMILIES, LOCAL, Reach, hosts_of, schemes_of
from transforms.retry import Patience
from transforms.store import Stores

SHOWN = '{"s3": {"endpoint_url": "https://minio.example"}}'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of every command that reads or writes a store."""
    group = parser.add_argument_group("stores")
    group.add_argument(
        "--storage_options",
        "--storage-options",
        metavar="JSON|@FILE",
        help=f"fsspec's options by protocol, for example '{SHOWN}', or the options alone for the "
        "stores named on the command line; @FILE keeps credentials off the command line",
    )
    group.add_argument(
        "--allow-scheme",
        metavar="NAMES",
        help="the only schemes that recordings of a manifest may have, separated by commas; "
        "default: the manifest's own, and for a manifest on this machine also s3, gs, abfs, https",
    )
    group.add_argument(
        "--allow-host",
        metavar="HOSTS",
        help="hosts with private addresses that recordings may lie on, separated by commas; "
        "default: those named on the command line",
    )
    group.add_argument(
        "--store-deadline",
        type=float,
        default=Patience().deadline_s,
        metavar="S",
        help="how long a store that fails is asked again (default: %(default)g s)",
    )


def stores_of(arguments: argparse.Namespace, named: Iterable[str]) -> Stores:
    """The stores of a job that was pointed at the URIs `named`.

    Raises `ConfigurationError` for options that cannot be used, without repeating them.
    """
    named = tuple(named)
    schemes = _listed(arguments.allow_scheme)
    if arguments.store_deadline <= 0:
        raise ConfigurationError(f"--store-deadline is {arguments.store_deadline:g}; it must be >0")
    in_use = {scheme for uri in named for scheme in schemes_of(uri)} | (schemes or frozenset())
    return Stores(
        options=_options(arguments.storage_options, in_use - LOCAL - {"memory"}),
        reach=Reach(
            schemes=schemes,
            hosts=hosts_of(named) | (_listed(arguments.allow_host) or frozenset()),
        ),
        patience=Patience(deadline_s=arguments.store_deadline),
    )


def _listed(names: str | None) -> frozenset[str] | None:
    if names is None:
        return None
    return frozenset(name.strip().lower() for name in names.split(",") if name.strip())


def _options(written: str | None, in_use: Iterable[str]) -> Mapping[str, Mapping[str, Any]]:
    if written is None:
        return {}
    given = _loaded(written)
    protocols = _protocols()
    by_protocol = [name for name in given if name in protocols and isinstance(given[name], dict)]
    if len(by_protocol) == len(given):
        return given
    if by_protocol:
        other = next(name for name in given if name not in by_protocol)
        raise ConfigurationError(
            f"--storage_options has {by_protocol[0]!r}, a protocol, beside {other!r}, which is "
            "none; put every option under its protocol"
        )
    names = sorted(in_use)
    if not names:
        raise ConfigurationError(
            f"--storage_options names no protocol, and no store stands on the command line that "
            f"the options could be meant for; write them as {SHOWN}"
        )
    return {name: given for name in names}


def _loaded(written: str) -> dict[str, Any]:
    place = "--storage_options"
    if written.startswith("@"):
        place = written[1:]
        try:
            with open(place, encoding="utf-8") as file:
                written = file.read()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"--storage_options cannot be read: {error}") from error
    try:
        given = json.loads(written)
    except (ValueError, RecursionError) as error:
        where = f" at line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        # The text is not repeated: it may hold credentials.
        raise ConfigurationError(
            f"{place} is not JSON{where}; write it as {SHOWN}, in single quotes for the shell"
        ) from None
    if not isinstance(given, dict) or not given:
        raise ConfigurationError(f"{place} is no JSON object with options; write it as {SHOWN}")
    return given


def _protocols() -> frozenset[str]:
    from fsspec import available_protocols

    return frozenset(available_protocols()).union(*FAMILIES)
