"""`beamscribe stream`: words on stdout while the audio comes, from a file or raw PCM."""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import BinaryIO

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from models.card import GREEDY, TRANSDUCER
from models.ctc_stream import CtcEngine
from models.decode.transducer_options import TransducerBeamOptions
from models.errors import ModelError
from models.recognizer import Recognizer, load_model
from models.stream_update import StreamedWord, StreamUpdate
from models.streaming import StreamEngine, StreamingRecognizer
from models.transducer_recognizer import TransducerRecognizer
from models.transducer_stream import TransducerEngine
from pipeline.config import TranscriptionConfig
from pipeline.errors import ConfigurationError

STDIN = "-"

Samples = NDArray[np.float32]


def run(arguments: argparse.Namespace) -> int:
    """Print every change, then what it took to stderr. Returns the exit code."""
    if arguments.chunk_s <= 0 or arguments.rate_hz <= 0:
        raise ConfigurationError("--chunk-seconds and --sample-rate must be positive")
    try:
        engine, rate_hz = open_engine(arguments.model, arguments.decoder)
    except ModelError as error:
        raise ConfigurationError(str(error)) from error
    if not engine.exact:
        print(
            f"beamscribe: {arguments.model} attends to whole recordings; here it hears windows, "
            "so words may differ from those of `transcribe`",
            file=sys.stderr,
        )
    chunks = (
        read_pcm(sys.stdin.buffer, arguments.rate_hz, rate_hz)
        if arguments.source == STDIN
        else read_file(arguments.source, arguments.chunk_s, rate_hz)
    )
    stream = StreamingRecognizer(engine)
    printer = Printer(as_json=arguments.json)
    spent_s: list[float] = []
    for chunk in chunks:
        begun = time.perf_counter()
        update = stream.accept(chunk)
        spent_s.append(time.perf_counter() - begun)
        printer.show(update)
    begun = time.perf_counter()
    update = stream.finish()
    spent_s.append(time.perf_counter() - begun)
    printer.show(update)
    print(
        f"beamscribe: {update.heard_s:.1f} s of audio in {sum(spent_s):.2f} s; a chunk took "
        f"{1000 * statistics.median(spent_s):.0f} ms (median), {1000 * max(spent_s):.0f} ms (most)",
        file=sys.stderr,
    )
    return 0


def open_engine(model: str, decoder: str) -> tuple[StreamEngine, int]:
    """An engine for a named model and decoder, and the sample rate that it hears.

    Raises `ConfigurationError` for a decoder that does not go with the model, `CheckpointError`.
    """
    config = TranscriptionConfig(sources=(STDIN,), output=STDIN, model=model, decoder=decoder)
    decoding = GREEDY if decoder == GREEDY else config.decoding
    loaded = load_model(model)
    engine: StreamEngine
    if isinstance(loaded, TransducerRecognizer):
        options = TransducerBeamOptions() if decoding == TRANSDUCER else None
        engine = TransducerEngine(loaded, options=options)
    else:
        engine = _ctc_engine(loaded, config)
    return engine, loaded.card.sample_rate_hz


def _ctc_engine(recognizer: Recognizer, config: TranscriptionConfig) -> CtcEngine:
    recipe = config.decoder_recipe
    return CtcEngine(recognizer, decode=None if recipe is None else recipe.load().decode)


def read_file(path: str, chunk_s: float, rate_hz: int) -> Iterator[Samples]:
    """A file's samples at `rate_hz`, its channels mixed, about `chunk_s` at a time.

    Raises `ConfigurationError` where it cannot be opened.
    """
    try:
        file = soundfile.SoundFile(path)
    except (OSError, soundfile.LibsndfileError) as error:
        raise ConfigurationError(
            f"{path} cannot be read as audio: {error}; name another file, or decode it to raw PCM "
            "and give it on stdin"
        ) from error
    with file:
        resampler = soxr.ResampleStream(file.samplerate, rate_hz, 1, dtype="float32")
        size = max(1, round(chunk_s * file.samplerate))
        while len(block := file.read(size, dtype="float32", always_2d=True)):
            yield resampler.resample_chunk(np.ascontiguousarray(block.mean(axis=1)))
        yield resampler.resample_chunk(np.zeros(0, dtype=np.float32), last=True)


def read_pcm(source: BinaryIO, source_hz: int, rate_hz: int) -> Iterator[Samples]:
    """Samples at `rate_hz` from 16-bit little-endian mono PCM, as it arrives.

    A last odd byte is no sample and is left out.
    """
    resampler = soxr.ResampleStream(source_hz, rate_hz, 1, dtype="float32")
    rest = b""
    # `read1` gives what is there and waits only where there is nothing.
    while data := source.read1(1 << 16):  # type: ignore[attr-defined]
        data = rest + data
        whole = len(data) - len(data) % 2
        rest = data[whole:]
        samples = np.frombuffer(data[:whole], dtype="<i2").astype(np.float32) / 32_768
        yield resampler.resample_chunk(samples)
    yield resampler.resample_chunk(np.zeros(0, dtype=np.float32), last=True)


class Printer:
    """Updates on stdout: a line for new final words, and one for partial ones that changed.

    A line holds the seconds heard, `final` or `partial`, and the words, between tabs.
    """

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self._shown: tuple[StreamedWord, ...] = ()

    def show(self, update: StreamUpdate) -> None:
        if update.final:
            self._print("final", update.final, update.heard_s)
            self._shown = ()
        if update.partial and update.partial != self._shown:
            self._print("partial", update.partial, update.heard_s)
            self._shown = update.partial

    def _print(self, kind: str, words: tuple[StreamedWord, ...], heard_s: float) -> None:
        text = " ".join(word.text for word in words)
        if self.as_json:
            fields = {
                "type": kind,
                "heard": round(heard_s, 3),
                "text": text,
                "words": [_word_fields(word) for word in words],
            }
            line = json.dumps(fields, ensure_ascii=False)
        else:
            line = f"{heard_s:.2f}\t{kind}\t{text}"
        print(line, flush=True)


def _word_fields(word: StreamedWord) -> dict[str, str | float]:
    fields = asdict(word)
    return {
        "word": fields["text"],
        "start": round(fields["start_s"], 3),
        "end": round(fields["end_s"], 3),
        "confidence": round(fields["confidence"], 4),
    }
