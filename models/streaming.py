"""Words while the audio comes, whatever the family of the model.

    stream = open_stream(load_model("en-digits-rnnt"))
    for chunk in chunks:
        update = stream.accept(chunk)
    update = stream.finish()

An engine holds a model and serves any number of streams; a state is one of them.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from models.ctc_stream import CtcEngine
from models.recognizer import Recognizer
from models.stream_update import StreamUpdate
from models.transducer_recognizer import TransducerRecognizer
from models.transducer_stream import TransducerEngine


class StreamEngine(Protocol):
    """A model that hears streams chunk by chunk.

    A state is a value: it can be kept, copied and pickled between chunks, and a stream goes on
    from it in another process that has the same engine. `exact` says whether the words are those
    that the whole recording would give.
    """

    @property
    def exact(self) -> bool: ...

    def begin(self) -> Any: ...

    def accept(self, state: Any, samples: NDArray[np.float32]) -> tuple[Any, StreamUpdate]:
        """The state after any number of samples at the model's rate, in -1..1."""

    def finish(self, state: Any) -> StreamUpdate:
        """What is final once nothing follows: every word, and none is partial."""


class StreamingRecognizer:
    """One stream. `state` may be read between chunks, and given to another one to go on from."""

    def __init__(self, engine: StreamEngine, state: Any = None) -> None:
        self.engine = engine
        self.state = engine.begin() if state is None else state

    def accept(self, samples: NDArray[np.float32]) -> StreamUpdate:
        """Take in a chunk of any size. Raises `ValueError` where it is not `(samples,)`."""
        if samples.ndim != 1:
            raise ValueError(f"a chunk is one channel of samples, got shape {samples.shape}")
        self.state, update = self.engine.accept(self.state, samples)
        return update

    def finish(self) -> StreamUpdate:
        """The last words. What was not final becomes so; `state` stays as it was."""
        return self.engine.finish(self.state)


def open_stream(model: Recognizer | TransducerRecognizer) -> StreamingRecognizer:
    """A stream through a model of any family, decoded greedily.

    `TransducerEngine` and `CtcEngine` take a beam search, a language model, other chunks.
    """
    if isinstance(model, TransducerRecognizer):
        return StreamingRecognizer(TransducerEngine(model))
    return StreamingRecognizer(CtcEngine(model))
