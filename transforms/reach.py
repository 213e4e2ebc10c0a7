"""What a recording's URI may reach. Manifests come from others.

- A manifest that lies on this machine may name files of this machine, wherever they lie, and the
  stores in `STORES`. A manifest in a store may name what lies behind its own scheme, and nothing on
  this machine.
- `Reach.schemes` (`--allow-scheme`) replaces both rules by exactly the schemes that it names. It
  alone opens other filesystems (sftp, github, reference, ...) and chains (`zip://a.wav::s3://b/c`).
- HTTP connects to public addresses only, at the first request and at every redirect, whatever a
  name resolves to; and to those hosts that the job itself was pointed at (`Reach.hosts`).

What the user names on the command line is never refused.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from fsspec import available_protocols
from fsspec.core import split_protocol

from transforms.errors import ForbiddenSourceError, failure_of
from transforms.records import Failure, Recording
from transforms.redact import redacted

FAMILIES = (
    frozenset({"file", "local"}),
    frozenset({"s3", "s3a"}),
    frozenset({"gs", "gcs"}),
    frozenset({"abfs", "abfss", "az"}),
    frozenset({"http", "https"}),
    frozenset({"memory"}),
)
LOCAL = FAMILIES[0]
STORES = frozenset().union(*FAMILIES[1:])
DEFAULT_PORTS = {"http": 80, "https": 443}
NAT64 = ipaddress.ip_network("64:ff9b::/96")


@dataclass(frozen=True, slots=True)
class Reach:
    """`schemes` of recordings' URIs, None for the default; `hosts` that may be private.

    A host is `name` or `name:port`, an address without brackets.
    """

    schemes: frozenset[str] | None = None
    hosts: frozenset[str] = frozenset()

    def trusts(self, host: str, port: int | None) -> bool:
        """Whether the job itself was pointed at this host."""
        return host.lower() in self.hosts or f"{host.lower()}:{port}" in self.hosts


def permitted(uri: str, source: str, reach: Reach) -> None:
    """Raise `ForbiddenSourceError` where `source` may not name `uri`."""
    if uri == source:
        return
    own = frozenset(schemes_of(source))
    if reach.schemes is not None:
        allowed = reach.schemes
    else:
        allowed = own | (STORES if own <= LOCAL else frozenset())
    allowed = allowed.union(*(family for family in FAMILIES if family & allowed))
    refused = [scheme for scheme in schemes_of(uri) if scheme not in allowed]
    if refused:
        raise ForbiddenSourceError(
            f"{redacted(uri)} is out of reach of {redacted(source)}: {refused[0]!r} is none of "
            f"{', '.join(sorted(allowed))}; if you trust this manifest, name it in --allow-scheme"
        )


def screened(item: Recording | Failure, source: str, reach: Reach) -> Recording | Failure:
    """An item of the manifest `source`, its id without credentials; a failure if out of reach."""
    if isinstance(item, Failure):
        return replace(item, recording=replace(item.recording, id=redacted(item.recording.id)))
    recording = replace(item, id=redacted(item.id))
    try:
        permitted(recording.uri, source, reach)
    except ForbiddenSourceError as error:
        return failure_of(error, recording, None, "manifest")
    return recording


def schemes_of(uri: str) -> tuple[str, ...]:
    """The scheme of a URI, or all those of a chain, outermost first; `file` for a plain path."""
    first, *inner = uri.split("::")
    scheme = first if inner and first in available_protocols() else split_protocol(first)[0]
    if not inner or (scheme or "file") in STORES | LOCAL:
        return (scheme or "file",)
    return (scheme, *schemes_of("::".join(inner)))


def hosts_of(uris: Iterable[str]) -> frozenset[str]:
    """The hosts, with their ports, of those of `uris` that are HTTP."""
    found = set()
    for uri in uris:
        *outer, scheme = schemes_of(uri)
        if scheme in DEFAULT_PORTS:
            parts = urlsplit(uri.split("::", len(outer))[-1])
            if parts.hostname:
                found.add(f"{parts.hostname}:{parts.port or DEFAULT_PORTS[scheme]}")
    return frozenset(found)


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the public internet."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv6Address):
        embedded = parsed.ipv4_mapped or parsed.sixtofour
        if embedded is None and parsed in NAT64:
            embedded = ipaddress.IPv4Address(int(parsed) & 0xFFFFFFFF)
        if embedded is not None:
            return is_public(str(embedded))
    return parsed.is_global and not parsed.is_multicast
