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

from models import (
    Hypothesis,
    TransducerRecognizer,
    find_model,
    load_recognizer,
    load_transducer,
)
from models.decode.ctc_greedy import read_greedily
from models.decode.pool import DecoderPool, DecoderRecipe, Decoding
from models.decode.transducer_options import TransducerBeamOptions
from models.errors import DecodingError, EmissionError
from models.ladder import MemoryLadder
from transforms import tally
from transforms.errors import UncomputableError, failure_of
from transforms.owned import owned_stretch
from transforms.records import Segment, TimedWord, Track, Transcript
from transforms.stitch import EmittedSegment, StitchEmissions, Stretch, StretchPlan

MOST_PENDING = 64
NOTHING = np.zeros((0, 0), dtype=np.float32)


@dataclass(frozen=True)
class TransducerReading:
    """How a transducer is read: `options` None is greedy.

    `first_centre_samples` lie before the centre of its first frame.
    """

    options: TransducerBeamOptions | None
    first_centre_samples: int


@dataclass(frozen=True)
class Recognition:
    """Which model, where, and how its emissions are read: `decoder` None is greedy.

    A `transducer` has no emissions that could be stitched: its segments are read one by one.
    """

    model: str
    device: str
    stretches: StretchPlan
    decoder: DecoderRecipe | None
    decoder_workers: int
    allow_cpu: bool = False
    transducer: TransducerReading | None = None


@dataclass(frozen=True, slots=True, eq=False)
class HeardSegment:
    """A segment and what a transducer heard in it."""

    segment: Segment
    hypothesis: Hypothesis


def place_words(stretch: Stretch, hypothesis: Hypothesis, frame_samples: int) -> Transcript:
    """What a stretch owns of a hypothesis, in seconds of its recording.

    An emission frame stands for the `frame_samples` samples around its centre. Positions stay
    integer samples until one division by the rate. A word belongs to whoever owns its middle, and
    stays within what that stretch owns.
    """
    first, last = stretch.start_samples, stretch.end_samples

    def seconds(row: int) -> float:
        position = stretch.row_samples + row * frame_samples - frame_samples // 2
        return min(max(position, first), last) / stretch.sample_rate_hz

    return Transcript(
        order=(stretch.span_index, first),
        start_s=first / stretch.sample_rate_hz,
        end_s=last / stretch.sample_rate_hz,
        num_samples=last - first,
        words=tuple(
            TimedWord(
                word.text, seconds(word.start_frame), seconds(word.end_frame), word.confidence
            )
            for word in hypothesis.words
            if 2 * stretch.first_row <= word.start_frame + word.end_frame < 2 * stretch.last_row
        ),
    )


class _SegmentHandler(ModelHandler[Segment, Any, Any]):
    """Loads a model once a process; the batches come ready made, one result a segment."""

    def __init__(self, recognition: Recognition) -> None:
        super().__init__()
        self.recognition = recognition

    def get_num_bytes(self, batch: Sequence[Segment]) -> int:
        return sum(segment.samples.nbytes for segment in batch)

    def get_metrics_namespace(self) -> str:
        return tally.NAMESPACE

    def get_resource_hints(self) -> dict[str, str]:
        if not self.recognition.device.startswith("cuda"):
            return {}
        return {"accelerator": "type:nvidia-tesla-t4;count:1;install-nvidia-driver"}


class EmissionHandler(_SegmentHandler):
    def load_model(self) -> MemoryLadder:
        recognizer = load_recognizer(self.recognition.model, self.recognition.device)
        return MemoryLadder(recognizer, self.recognition.allow_cpu, tally.count)

    @tally.spent("emit")
    def run_inference(
        self,
        batch: Sequence[Segment],
        model: MemoryLadder,
        inference_args: Mapping[str, Any] | None = None,
    ) -> list[EmittedSegment]:
        _count_batch(batch)
        emissions = model.emit([segment.samples for segment in batch])
        return [
            EmittedSegment(segment, NOTHING, str(emission))
            if isinstance(emission, EmissionError)
            else EmittedSegment(segment, emission.log_probs)
            for segment, emission in zip(batch, emissions, strict=True)
        ]


class TransducerHandler(_SegmentHandler):
    def load_model(self) -> TransducerRecognizer:
        return load_transducer(self.recognition.model, self.recognition.device)

    def run_inference(
        self,
        batch: Sequence[Segment],
        model: TransducerRecognizer,
        inference_args: Mapping[str, Any] | None = None,
    ) -> list[HeardSegment]:
        _count_batch(batch)
        waveforms = [segment.samples for segment in batch]
        reading = self.recognition.transducer
        hypotheses = (
            model.recognize_greedily(waveforms)
            if reading is None or reading.options is None
            else model.recognize(waveforms, options=reading.options)
        )
        return [HeardSegment(*pair) for pair in zip(batch, hypotheses, strict=True)]


class RecognizeBatches(beam.PTransform):
    """Batches into `(Track, Transcript)`. Outputs `transcripts` and `failures`."""

    def __init__(self, recognition: Recognition) -> None:
        super().__init__()
        self.recognition = recognition

    def expand(self, batches: beam.PCollection) -> dict[str, beam.PCollection]:
        recognition = self.recognition
        if recognition.transducer is not None:
            heard = batches | "Hear" >> RunInference(
                TransducerHandler(recognition).with_no_batching()
            )
            place = beam.ParDo(_PlaceHeard(recognition, recognition.transducer))
            placed = heard | "Place" >> place.with_outputs("failures", main="transcripts")
            return {"transcripts": placed.transcripts, "failures": placed.failures}
        stitched = (
            batches
            | "Emit" >> RunInference(EmissionHandler(recognition).with_no_batching())
            | "Stitch" >> StitchEmissions(recognition.stretches)
        )
        decode = (
            _ReadGreedily(recognition)
            if recognition.decoder is None
            else _SearchEmissions(recognition, recognition.decoder)
        )
        decoded = stitched.stretches | "Decode" >> beam.ParDo(decode).with_outputs(
            "failures", main="transcripts"
        )
        return {
            "transcripts": decoded.transcripts,
            "failures": (stitched.failures, decoded.failures) | "Failures" >> beam.Flatten(),
        }


Recognized = tuple[Track, Transcript]


class _PlaceHeard(beam.DoFn):
    def __init__(self, recognition: Recognition, reading: TransducerReading) -> None:
        self.frame_samples = recognition.stretches.frame_samples
        self.first_centre_samples = reading.first_centre_samples

    def process(self, heard: HeardSegment) -> Iterator[Recognized | TaggedOutput]:
        stretch = owned_stretch(heard.segment, self.frame_samples, self.first_centre_samples)
        if np.isfinite(heard.hypothesis.score):
            yield from _finish(stretch, heard.hypothesis, self.frame_samples)
        else:
            yield from _fail(stretch, DecodingError("the model's output is not finite"))


class _ReadGreedily(beam.DoFn):
    def __init__(self, recognition: Recognition) -> None:
        self.recognition = recognition

    def setup(self) -> None:
        self._vocabulary = find_model(self.recognition.model).vocabulary()

    @tally.timed_as("search")
    def process(self, stretch: Stretch) -> Iterator[Recognized]:
        hypothesis = read_greedily(stretch.log_probs, self._vocabulary)
        yield from _finish(stretch, hypothesis, self.recognition.stretches.frame_samples)


class _SearchEmissions(beam.DoFn):
    """Searches run beside the next forward pass; at most `MOST_PENDING` wait."""

    def __init__(self, recognition: Recognition, recipe: DecoderRecipe) -> None:
        self.recognition = recognition
        self.recipe = recipe
        self._pool: DecoderPool | None = None
        self._pending: deque[tuple[Stretch, Decoding]] = deque()

    def setup(self) -> None:
        self._pool = DecoderPool(self.recipe, self.recognition.decoder_workers)

    def teardown(self) -> None:
        if self._pool is not None:
            self._pool.close()

    def start_bundle(self) -> None:
        self._pending.clear()

    @tally.timed_as("search")
    def process(self, stretch: Stretch) -> Iterator[Recognized | TaggedOutput]:
        if self._pool is None:
            raise RuntimeError("setup() was not called before process()")
        self._pending.append((stretch, self._pool.submit(stretch.log_probs)))
        while self._pending and (len(self._pending) > MOST_PENDING or self._pending[0][1].done()):
            yield from self._next()

    @tally.timed_as("search")
    def finish_bundle(self) -> Iterator[WindowedValue | TaggedOutput]:
        window = GlobalWindow()
        while self._pending:
            for found in self._next():
                if isinstance(found, TaggedOutput):
                    value = WindowedValue(found.value, window.max_timestamp(), [window])
                    yield TaggedOutput(found.tag, value)
                else:
                    yield WindowedValue(found, window.max_timestamp(), [window])

    def _next(self) -> Iterator[Recognized | TaggedOutput]:
        stretch, decoding = self._pending.popleft()
        try:
            hypothesis = decoding.result()
        except DecodingError as error:
            yield from _fail(stretch, error)
            return
        yield from _finish(stretch, hypothesis, self.recognition.stretches.frame_samples)


def _finish(stretch: Stretch, hypothesis: Hypothesis, frame_samples: int) -> Iterator[Recognized]:
    transcript = place_words(stretch, hypothesis, frame_samples)
    for track in stretch.tracks:
        tally.transcribed(transcript.num_samples / stretch.sample_rate_hz, stretch.closes_tracks)
        yield track, transcript


def _fail(stretch: Stretch, error: DecodingError) -> Iterator[TaggedOutput]:
    start_s = stretch.start_samples / stretch.sample_rate_hz
    for track in stretch.tracks:
        uri = track.recording.uri
        fault = UncomputableError(f"{uri}: {error}, in the sound around {start_s:.3f} s")
        failure = failure_of(fault, track.recording, track.channel, "recognize")
        yield TaggedOutput("failures", failure)


def _count_batch(batch: Sequence[Segment]) -> None:
    rate_hz = batch[0].sample_rate_hz
    lengths = [len(segment.samples) for segment in batch]
    tally.batched(sum(lengths) / rate_hz, len(lengths) * max(lengths) / rate_hz)
