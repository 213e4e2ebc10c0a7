"""Acoustic models and their decoders; no Beam in here.

Names are loaded when they are first used: a decoder's process needs no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from models.card import ModelCard
    from models.hypothesis import Hypothesis, Word
    from models.recognizer import (
        Emission,
        Recognizer,
        load_model,
        load_recognizer,
        load_transducer,
    )
    from models.registry import find_model
    from models.transducer_recognizer import TransducerRecognizer

__all__ = [
    "Emission",
    "Hypothesis",
    "ModelCard",
    "Recognizer",
    "TransducerRecognizer",
    "Word",
    "find_model",
    "load_model",
    "load_recognizer",
    "load_transducer",
]

_ROOMS = {
    "Emission": "models.recognizer",
    "Hypothesis": "models.hypothesis",
    "ModelCard": "models.card",
    "Recognizer": "models.recognizer",
    "TransducerRecognizer": "models.transducer_recognizer",
    "Word": "models.hypothesis",
    "find_model": "models.registry",
    "load_model": "models.recognizer",
    "load_recognizer": "models.recognizer",
    "load_transducer": "models.recognizer",
}


def __getattr__(name: str) -> object:
    if name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_ROOMS[name]), name)
