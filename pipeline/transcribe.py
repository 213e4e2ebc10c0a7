"""The mission, as one composite."""

from __future__ import annotations

import apache_beam as beam

from pipeline.config import TranscriptionConfig
from transforms.audio import DecodeSpans, PlanSpans
from transforms.batch import BatchSegments
from transforms.join import JoinTranscripts
from transforms.recognize import RecognizeBatches
from transforms.segment import CutSegments


class Transcribe(beam.PTransform):
    """Recordings into ledger entries: exactly one for every track of every recording.

    Recordings are planned into spans; spans are decoded; speech is cut into segments; segments are
    batched; batches are recognised; hypotheses are joined into transcripts; what failed is a
    failure. Only recordings, reels of spans and words are shuffled, never waveforms.
    """

    def __init__(self, config: TranscriptionConfig) -> None:
        super().__init__()
        self.config = config

    def expand(self, recordings: beam.PCollection) -> beam.PCollection:
        config = self.config
        planned = recordings | "Plan spans" >> PlanSpans(config.audio_plan)
        reels = planned.reels | "Spread reels" >> beam.Reshuffle()
        decoded = reels | "Decode spans" >> DecodeSpans(config.audio_plan)
        cut = decoded.waveforms | "Cut segments" >> CutSegments(
            config.segmentation, config.detector
        )
        batches = cut.segments | "Batch segments" >> BatchSegments(config.batch_budget)
        recognized = batches | "Recognize batches" >> RecognizeBatches(config.recognition)
        failures = (
            planned.failures,
            decoded.failures,
            recognized["failures"],
        ) | "All failures" >> beam.Flatten()
        return {
            "tracks": planned.tracks,
            "outcomes": cut.outcomes,
            "transcripts": recognized["transcripts"],
            "failures": failures,
        } | "Join transcripts" >> JoinTranscripts()
