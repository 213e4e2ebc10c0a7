"""Credentials out of texts that people read: URIs, messages of errors, logs.

The same text is always redacted the same way, so a redacted URI still identifies a recording.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable

HIDDEN = "***"
SHORTEST_SECRET = 6
PLAIN_OPTIONS = frozenset(
    ("endpoint_url", "region_name", "account_name", "project", "addressing_style", "access")
)

# The first part of `abfs://container@account` is a place; a colon or the web's schemes make it a
# login.
_LOGIN = re.compile(r"(?<=://)(?:[^\s/@\"'<>]*:[^\s/@\"'<>]*)@|(?<=http://|ttps://)[^\s/@\"'<>]+@")
# Amazon's, Google's, Azure's and CloudFront's signatures, and what other services call a secret.
_PARAMETER = re.compile(
    r"(?<=[?&;])((?:[^\s=&;#]*(?:signature|credential|token|secret|passw|api_?key|access_?key)"
    r"[^\s=&;#]*|sig|key|auth|pwd|policy|key-pair-id)=)[^\s&;#\"'<>)]+",
    re.IGNORECASE,
)
_HEADER = re.compile(r"(?i)\b((?:proxy-)?authorization['\"]?\s*[:=]\s*['\"]?)[^'\"\r\n]+")


def redacted(text: str, secrets: Iterable[str] = ()) -> str:
    """`text` without logins and signatures of URIs, and without `secrets`."""
    for secret in secrets:
        text = text.replace(secret, HIDDEN)
    text = _LOGIN.sub(f"{HIDDEN}@", text)
    text = _PARAMETER.sub(rf"\1{HIDDEN}", text)
    return _HEADER.sub(rf"\1{HIDDEN}", text)


class RedactingFormatter(logging.Formatter):
    """Log lines without credentials, traces included."""

    def format(self, record: logging.LogRecord) -> str:
        return redacted(super().format(record))


def secrets_in(options: object) -> tuple[str, ...]:
    """Every text among nested options that could be a secret, longest first."""
    found: set[str] = set()

    def visit(value: object) -> None:
        if isinstance(value, dict):
            for name, inner in value.items():
                if name not in PLAIN_OPTIONS:
                    visit(inner)
        elif isinstance(value, list | tuple):
            for inner in value:
                visit(inner)
        elif isinstance(value, str) and len(value) >= SHORTEST_SECRET and "://" not in value:
            found.add(value)

    visit(options)
    return tuple(sorted(found, key=lambda secret: (-len(secret), secret)))
