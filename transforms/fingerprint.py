"""Fingerprints of audio: what a rerun compares to know whether a recording changed."""

from __future__ import annotations

import hashlib

from transforms.records import Recording
from transforms.store import Stores
from transforms.stored_file import Stat


def stored_fingerprint(stat: Stat) -> str:
    """Identifies what is stored under a name by its size and version, without reading it."""
    return _digest(str(stat.size), str(stat.version))


def audio_fingerprint(recording: Recording, stored: str) -> str:
    """Identifies the stretch that is asked for of what is stored (`stored_fingerprint`)."""
    if recording.offset_s == 0 and recording.duration_s is None:
        return stored
    return _digest(stored, repr(recording.offset_s), repr(recording.duration_s))


def current_fingerprint(recording: Recording, stores: Stores) -> str | None:
    """The fingerprint of a recording's audio as it is stored now; None where it cannot be told."""
    try:
        stat = stores.stat(recording.uri)
    except (OSError, ImportError, ValueError):
        return None
    return audio_fingerprint(recording, stored_fingerprint(stat))


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]
