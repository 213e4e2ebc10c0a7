"""The mission, as one composite."""

from __future__ import annotations

import apache_beam as beam

from pipeline.config import TranscriptionConfig
from transforms.audio import DecodeSpans, PlanSpans
from transforms.batch import BatchSegments
from transforms.join import JoinTranscripts
from transforms.journal import Journal, SkipJournaled, WriteJournal
from transforms.recognize import RecognizeBatches
from transforms.segment import CutSegments


class Transcribe(beam.PTransform):
    """Recordings into ledger entries: exactly one for every track of every recording.

    Recordings are planned into spans; spans are decoded; speech is cut into segments; segments are
    batched; batches are recognised; hypotheses are joined into transcripts; what failed is a
    failure. Only recordings, reels of spans and words are shuffled, never waveforms.
    """

    def __init__(self, config: TranscriptionConfig, journal: Journal | None = None) -> None:
        """`journal` saves what is recognised from a kill, and knows what an earlier run saved."""
        super().__init__()
        self.config = config
        self.journal = journal

    def expand(self, recordings: beam.PCollection) -> beam.PCollection:
        config = self.config
        planned = recordings | "Plan spans" >> PlanSpans(config.audio_plan)
        reels, outcomes, transcripts = self._skip_journaled(planned.reels)
        decoded = (
            reels | "Spread reels" >> beam.Reshuffle() | "Decode" >> DecodeSpans(config.audio_plan)
        )
        cut = decoded.waveforms | "Cut segments" >> CutSegments(
            config.segmentation, config.detector
        )
        batches = cut.segments | "Batch segments" >> BatchSegments(config.batch_budget)
        recognized = batches | "Recognize batches" >> RecognizeBatches(config.recognition)
        if self.journal is not None:
            cut.outcomes | "Journal outcomes" >> WriteJournal(self.journal)
            recognized["transcripts"] | "Journal transcripts" >> WriteJournal(self.journal)
        failures = (planned.failures, decoded.failures, recognized["failures"])
        return {
            "tracks": planned.tracks,
            "outcomes": (cut.outcomes, *outcomes) | "All outcomes" >> beam.Flatten(),
            "transcripts": (recognized["transcripts"], *transcripts)
            | "All transcripts" >> beam.Flatten(),
            "failures": failures | "All failures" >> beam.Flatten(),
        } | "Join transcripts" >> JoinTranscripts()

    def _skip_journaled(
        self, reels: beam.PCollection
    ) -> tuple[beam.PCollection, list[beam.PCollection], list[beam.PCollection]]:
        """What is left to do, and the outcomes and transcripts of what is not."""
        if self.journal is None or not self.journal.earlier:
            return reels, [], []
        known = reels | "Skip journaled" >> SkipJournaled(self.journal)
        return known.reels, [known.outcomes], [known.transcripts]
