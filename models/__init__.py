"""Acoustic models and their decoders; no Beam in here.

Names are loaded when they are first used: a decoder's process needs no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from models.card import ModelCard
    from models.hypothesis import Hypothesis, Word
    from models.recognizer import Emission, Recognizer, load_recognizer
    from models.registry import find_model

__all__ = [
    "Emission",
    "Hypothesis",
    "ModelCard",
    "Recognizer",
    "Word",
    "find_model",
    "load_recognizer",
]

_ROOMS = {
    "Emission": "models.recognizer",
    "Hypothesis": "models.hypothesis",
    "ModelCard": "models.card",
    "Recognizer": "models.recognizer",
    "Word": "models.hypothesis",
    "find_model": "models.registry",
    "load_recognizer": "models.recognizer",
}


def __getattr__(name: str) -> object:
    if name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_ROOMS[name]), name)
