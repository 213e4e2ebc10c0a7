"""Real speech without pauses, whole and cut: the words at a seam appear once, complete."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import jiwer
import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from models import Recognizer
from models.decode.ctc_beam import CtcBeamDecoder
from pipeline.config import TranscriptionConfig
from transforms.audio_plan import AudioPlan, plan_reels, plan_tracks
from transforms.recognize import place_words
from transforms.records import Recording, TimedWord, Transcript, Waveform
from transforms.reel import decode_reel
from transforms.segment import FIXED, QUIET, cut_segments
from transforms.stitch import EmittedSegment, cut_stretches, stitch

RATE_HZ = 16_000
NEAR_S = 0.5

Transcribe = Callable[[Path, TranscriptionConfig, float], list[Transcript]]


def without_pauses(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Without what is quieter by 35 dB than its loudest 20 ms, at its start and end."""
    blocks = np.square(samples[: len(samples) // 320 * 320].reshape(-1, 320)).mean(axis=1)
    loud = np.flatnonzero(blocks > blocks.max() * 10**-3.5)
    return samples[loud[0] * 320 : (loud[-1] + 1) * 320]


@pytest.fixture(scope="module")
def talk(speech: dict[str, NDArray[np.float32]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One reader's sentences, one right after the other: 21 s, which the model can hear at once."""
    sentences = [without_pauses(speech[f"austen-0{number}"]) for number in (870, 880, 890, 920)]
    path = tmp_path_factory.mktemp("talk") / "talk.wav"
    soundfile.write(path, np.concatenate(sentences), RATE_HZ, subtype="FLOAT")
    return path


def waveforms(path: Path, plan: AudioPlan) -> list[Waveform]:
    """The spans of a recording, one waveform each."""
    tracks = plan_tracks(Recording("talk", str(path)), plan)
    decoded = [each for reel in plan_reels(tracks, plan) for each in decode_reel(reel, plan)]
    assert [each.error for each in decoded] == [None] * len(decoded)
    return [waveform for each in decoded for waveform in each.waveforms]


@pytest.fixture(scope="module")
def transcribe(recognizer: Recognizer) -> Transcribe:
    decoders: list[CtcBeamDecoder] = []

    def transcribe(path: Path, config: TranscriptionConfig, span_s: float) -> list[Transcript]:
        """What a job does, without Beam, in spans of about `span_s` that end where they end."""
        if not decoders and config.recognition.decoder is not None:
            decoders.append(config.recognition.decoder.load())
        plan = replace(config.audio_plan, span_s=span_s, search_s=0.02)
        transcripts = []
        for waveform in waveforms(path, plan):
            segments = cut_segments(waveform, config.segmentation)
            for _, group in itertools.groupby(segments, key=lambda each: each.passage.index):
                emitted = [
                    EmittedSegment(each, recognizer.emit([each.samples])[0].log_probs)
                    for each in group
                ]
                transcripts += [
                    place_words(stretch, decoders[0].decode(stretch.log_probs), 320)
                    for stretch in cut_stretches(emitted, config.stretches)
                ]
        return transcripts

    return transcribe


def configuration(method: str, segment_s: float = 30.0) -> TranscriptionConfig:
    return TranscriptionConfig(
        sources=("talk.wav",), output="", segmentation_method=method, segment_s=segment_s
    )


def words_of(transcripts: Sequence[Transcript]) -> list[TimedWord]:
    return [word for transcript in transcripts for word in transcript.words]


def changes_near(whole: list[TimedWord], cut: list[TimedWord], edges_s: Sequence[float]) -> int:
    """Words lost, doubled or changed within `NEAR_S` of an edge."""
    aligned = jiwer.process_words(
        " ".join(word.text for word in whole), " ".join(word.text for word in cut)
    )
    changed = [
        word
        for chunk in aligned.alignments[0]
        if chunk.type != "equal"
        for word in (
            *whole[chunk.ref_start_idx : chunk.ref_end_idx],
            *(cut[chunk.hyp_start_idx : chunk.hyp_end_idx] if chunk.type == "insert" else ()),
        )
    ]
    return sum(
        any(abs((word.start_s + word.end_s) / 2 - edge_s) <= NEAR_S for edge_s in edges_s)
        for word in changed
    )


@pytest.mark.slow
def test_words_at_the_seams_of_spans_appear_once(talk: Path, transcribe: Transcribe) -> None:
    whole = words_of(transcribe(talk, configuration(FIXED), 300.0))
    assert len(whole) > 50
    length_s = soundfile.info(talk).duration
    changed = {FIXED: 0, QUIET: 0}
    for number in range(2, 7):
        edges_s = [length_s * index / number for index in range(1, number)]
        for method in changed:
            transcripts = transcribe(talk, configuration(method), length_s / number)
            assert len(transcripts) == number
            for before, after in itertools.pairwise(transcripts):
                assert before.end_s == after.start_s
            changed[method] += changes_near(whole, words_of(transcripts), edges_s)
    assert changed[FIXED] == 0
    # The same edges do go through words: whoever hears only what is on one side loses them.
    assert changed[QUIET] >= 5


def test_stitched_emissions_are_those_of_the_whole(talk: Path, recognizer: Recognizer) -> None:
    """Around the edges of windows, frames are heard as in the whole; not so without context."""
    config = configuration(FIXED)
    (waveform,) = waveforms(talk, config.audio_plan)
    whole = recognizer.emit([waveform.samples])[0].log_probs.argmax(axis=1)
    same: dict[float, list[float]] = {0.0: [], 1.5: []}
    for context_s, shares in same.items():
        windows = replace(
            config.segmentation, longest_s=16.0, context_s=context_s, search_s=0.0, seam_s=8.0
        )
        # A shorter recording is parted elsewhere.
        for count in range(len(waveform.samples), len(waveform.samples) - 40_000, -8_000):
            part = replace(waveform, samples=waveform.samples[:count])
            whole = recognizer.emit([part.samples])[0].log_probs.argmax(axis=1)
            first, second = (
                EmittedSegment(each, recognizer.emit([each.samples])[0].log_probs)
                for each in cut_segments(part, windows)
            )
            stitched = stitch([first, second]).argmax(axis=1)
            assert len(stitched) == len(whole)
            edge = second.segment.start_samples // 320 + second.segment.kept_start
            shares.append(float((stitched == whole)[edge - 10 : edge + 10].mean()))
    assert np.mean(same[1.5]) > 0.93
    assert np.mean(same[0.0]) < 0.88
