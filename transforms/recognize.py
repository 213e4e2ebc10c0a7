"""Batches into transcripts: the one stage that knows the models."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
import numpy as np
from apache_beam.ml.inference.base import ModelHandler, RunInference
from apache_beam.pvalue import TaggedOutput
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.windowed_value import WindowedValue

from models import Emission, Hypothesis, Recognizer, load_recognizer
from models.decode.pool import DecoderPool, DecoderRecipe, Decoding
from transforms import tally
from transforms.errors import UnreliableEmissionError, failure_of
from transforms.records import RecordingKey, Segment, TimedWord, Transcript

MOST_PENDING = 64


@dataclass(frozen=True)
class Recognition:
    """Which model, where, and how its emissions are read: `decoder` None is greedy."""

    model: str
    device: str
    frame_samples: int
    decoder: DecoderRecipe | None
    decoder_workers: int


@dataclass(frozen=True, slots=True, eq=False)
class EmittedSegment:
    """A segment and what the model heard in it."""

    segment: Segment
    emission: Emission


@dataclass(frozen=True, slots=True, eq=False)
class GreedySegment:
    """A segment and its best-path hypothesis."""

    segment: Segment
    hypothesis: Hypothesis


def place_words(segment: Segment, hypothesis: Hypothesis, frame_samples: int) -> Transcript:
    """A hypothesis in seconds of its recording.

    An emission frame stands for the `frame_samples` samples around its centre. Positions stay
    integer samples until one division by the rate, and stay within the segment.
    """
    first, last = segment.start_samples, segment.start_samples + len(segment.samples)

    def seconds(frame: int) -> float:
        position = first + frame * frame_samples - frame_samples // 2
        return min(max(position, first), last) / segment.sample_rate_hz

    return Transcript(
        order=(segment.span_index, segment.index),
        start_s=first / segment.sample_rate_hz,
        end_s=last / segment.sample_rate_hz,
        words=tuple(
            TimedWord(
                word.text, seconds(word.start_frame), seconds(word.end_frame), word.confidence
            )
            for word in hypothesis.words
        ),
    )


class _SegmentHandler(ModelHandler[Segment, Any, Recognizer]):
    """Loads a model once a process; the batches come ready made, one result a segment."""

    def __init__(self, recognition: Recognition) -> None:
        super().__init__()
        self.recognition = recognition

    def load_model(self) -> Recognizer:
        return load_recognizer(self.recognition.model, self.recognition.device)

    def get_num_bytes(self, batch: Sequence[Segment]) -> int:
        return sum(segment.samples.nbytes for segment in batch)

    def get_metrics_namespace(self) -> str:
        return tally.NAMESPACE

    def get_resource_hints(self) -> dict[str, str]:
        if not self.recognition.device.startswith("cuda"):
            return {}
        return {"accelerator": "type:nvidia-tesla-t4;count:1;install-nvidia-driver"}


class EmissionHandler(_SegmentHandler):
    def run_inference(
        self,
        batch: Sequence[Segment],
        model: Recognizer,
        inference_args: Mapping[str, Any] | None = None,
    ) -> list[EmittedSegment]:
        _count_batch(batch)
        emissions = model.emit([segment.samples for segment in batch])
        return [EmittedSegment(*pair) for pair in zip(batch, emissions, strict=True)]


class GreedyHandler(_SegmentHandler):
    def run_inference(
        self,
        batch: Sequence[Segment],
        model: Recognizer,
        inference_args: Mapping[str, Any] | None = None,
    ) -> list[GreedySegment]:
        _count_batch(batch)
        hypotheses = model.recognize_greedily([segment.samples for segment in batch])
        return [GreedySegment(*pair) for pair in zip(batch, hypotheses, strict=True)]


class RecognizeBatches(beam.PTransform):
    """Batches into `(RecordingKey, Transcript)`. Outputs `transcripts` and `failures`."""

    def __init__(self, recognition: Recognition) -> None:
        super().__init__()
        self.recognition = recognition

    def expand(self, batches: beam.PCollection) -> beam.pvalue.DoOutputsTuple:
        handler: _SegmentHandler
        decode: beam.DoFn
        if self.recognition.decoder is None:
            handler = GreedyHandler(self.recognition)
            decode = _ReadGreedy(self.recognition.frame_samples)
        else:
            handler = EmissionHandler(self.recognition)
            decode = _SearchEmissions(self.recognition, self.recognition.decoder)
        return (
            batches
            | "Emit" >> RunInference(handler.with_no_batching())
            | "Decode" >> beam.ParDo(decode).with_outputs("failures", main="transcripts")
        )


Keyed = tuple[RecordingKey, Transcript]


class _ReadGreedy(beam.DoFn):
    def __init__(self, frame_samples: int) -> None:
        self.frame_samples = frame_samples

    def process(self, greedy: GreedySegment) -> Iterator[Keyed | TaggedOutput]:
        if np.isfinite(greedy.hypothesis.score):
            yield from _finish(greedy.segment, greedy.hypothesis, self.frame_samples)
        else:
            yield from _unreliable(greedy.segment)


class _SearchEmissions(beam.DoFn):
    """Searches run beside the next forward pass; at most `MOST_PENDING` wait."""

    def __init__(self, recognition: Recognition, recipe: DecoderRecipe) -> None:
        self.recognition = recognition
        self.recipe = recipe
        self._pool: DecoderPool | None = None
        self._pending: deque[tuple[Segment, Decoding]] = deque()

    def setup(self) -> None:
        self._pool = DecoderPool(self.recipe, self.recognition.decoder_workers)

    def teardown(self) -> None:
        if self._pool is not None:
            self._pool.close()

    def start_bundle(self) -> None:
        self._pending.clear()

    def process(self, emitted: EmittedSegment) -> Iterator[Keyed | TaggedOutput]:
        if self._pool is None:
            raise RuntimeError("setup() was not called before process()")
        log_probs = emitted.emission.log_probs
        if not np.isfinite(log_probs).all():
            yield from _unreliable(emitted.segment)
            return
        self._pending.append((emitted.segment, self._pool.submit(log_probs)))
        while self._pending and (len(self._pending) > MOST_PENDING or self._pending[0][1].done()):
            yield from self._next()

    def finish_bundle(self) -> Iterator[WindowedValue]:
        window = GlobalWindow()
        while self._pending:
            for keyed in self._next():
                yield WindowedValue(keyed, window.max_timestamp(), [window])

    def _next(self) -> Iterator[Keyed]:
        segment, hypothesis = self._pending.popleft()
        return _finish(segment, hypothesis.result(), self.recognition.frame_samples)


def _finish(segment: Segment, hypothesis: Hypothesis, frame_samples: int) -> Iterator[Keyed]:
    transcript = place_words(segment, hypothesis, frame_samples)
    for track in segment.tracks:
        tally.transcribed(len(segment.samples) / segment.sample_rate_hz, segment.closes_tracks)
        yield track.key, transcript


def _unreliable(segment: Segment) -> Iterator[TaggedOutput]:
    start_s = segment.start_samples / segment.sample_rate_hz
    for track in segment.tracks:
        error = UnreliableEmissionError(
            f"{track.recording.uri}: the model's output for the segment at {start_s:.3f} s "
            "is not finite"
        )
        yield TaggedOutput(
            "failures", failure_of(error, track.recording, track.channel, "recognize")
        )


def _count_batch(batch: Sequence[Segment]) -> None:
    rate_hz = batch[0].sample_rate_hz
    lengths = [len(segment.samples) for segment in batch]
    tally.batched(sum(lengths) / rate_hz, len(lengths) * max(lengths) / rate_hz)
