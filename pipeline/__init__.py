"""What runs, and how it is asked for.

Names are loaded when they are first used, so that the command line answers at once.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.config import TranscriptionConfig
    from pipeline.transcribe import Transcribe

__all__ = ["Transcribe", "TranscriptionConfig"]

_ROOMS = {"Transcribe": "pipeline.transcribe", "TranscriptionConfig": "pipeline.config"}


def __getattr__(name: str) -> object:
    if name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_ROOMS[name]), name)
