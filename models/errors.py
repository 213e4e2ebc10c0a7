"""Faults of a deployment's models; they stop a job at its start.

ModelError
├── CheckpointError (RuntimeError)   weights that are missing, damaged or of another model
└── VocabularyError (ValueError)     tokens, lexicon and language model that do not fit together

EmissionError (RuntimeError)         one waveform that the model cannot compute; the others can
DecodingError (RuntimeError)         one emission that could not be decoded; the others can
"""

from __future__ import annotations


class ModelError(Exception):
    """A model cannot be used as it is configured or installed."""


class CheckpointError(ModelError, RuntimeError):
    """Weights are missing, damaged, or belong to another architecture."""


class VocabularyError(ModelError, ValueError):
    """Tokens, lexicon and language model do not fit together."""


class DecodingError(RuntimeError):
    """The search through one emission crashed or took too long."""


class EmissionError(RuntimeError):
    """The model has no answer for one waveform, whose memory or content is beyond it."""
