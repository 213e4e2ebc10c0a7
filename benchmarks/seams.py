"""What cutting costs: speech without pauses recognised whole, and cut at every offset.

    python -m benchmarks.seams tests/data/manifest.jsonl --step 1.0

strings recordings together, without the quiet at their ends, to talks that the model can hear at
once. Each is recognised whole, then as two spans with every offset as the edge between them, in
each way of segmentation, with the edge where it falls and at the quietest place near it. Printed
are the words that change within a second of the edge and elsewhere (there because the model hears
less at once), and the word error rates where there are references.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import jiwer
import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.workload import load_workload
from models import load_recognizer
from pipeline.config import TranscriptionConfig
from pipeline.normalise import normalise_text
from transforms.quiet import quietest_sample
from transforms.recognize import place_words
from transforms.records import Recording, TimedWord, Track, Waveform
from transforms.segment import FIXED, QUIET, cut_segments
from transforms.stitch import EmittedSegment, cut_stretches

LONGEST_S = 29.0
NEAR_S = 1.0
EARLIEST_S = 3.0
QUIET_END_DB = 35.0

Samples = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Talk:
    """Speech that is one after another, and what is said; None where a part has no reference."""

    samples: Samples
    reference: str | None


class Reader:
    """Waveforms into words, as a job does it."""

    def __init__(self, configs: Sequence[TranscriptionConfig]) -> None:
        self.configs = {config.segmentation_method: config for config in configs}
        self.recognizer = load_recognizer(configs[0].model)
        recipe = configs[0].recognition.decoder
        if recipe is None:
            raise ValueError("words are needed: the decoder must be the beam search")
        self.decoder = recipe.load()
        self.rate_hz = self.recognizer.card.sample_rate_hz

    def read(self, samples: Samples, edges: Sequence[int], method: str) -> list[TimedWord]:
        """The words of a recording whose spans meet at `edges`."""
        config = self.configs[method]
        words: list[TimedWord] = []
        for waveform in self._spans(samples, edges, config.segmentation.around_span_s):
            segments = cut_segments(waveform, config.segmentation)
            for _, group in itertools.groupby(segments, key=lambda each: each.passage.index):
                emitted = [
                    EmittedSegment(each, self.recognizer.emit([each.samples])[0].log_probs)
                    for each in group
                ]
                for stretch in cut_stretches(emitted, config.stretches):
                    hypothesis = self.decoder.decode(stretch.log_probs)
                    frame_samples = config.stretches.frame_samples
                    words += place_words(stretch, hypothesis, frame_samples).words
        return words

    def _spans(self, samples: Samples, edges: Sequence[int], around_s: float) -> Iterator[Waveform]:
        count, around = len(samples), round(around_s * self.rate_hz)
        bounds = [0, *edges, count]
        recording = Recording("talk", "talk")
        track = Track(recording, None, self.rate_hz, 1, count, 0, count, "", len(bounds) - 1)
        for index, (start, end) in enumerate(itertools.pairwise(bounds)):
            first, last = max(0, start - around), min(count, end + around)
            yield Waveform(
                (track,),
                index,
                first,
                self.rate_hz,
                samples[first:last],
                start if first < start else None,
                end if end < last else None,
            )


def load_talks(config: TranscriptionConfig) -> list[Talk]:
    """The recordings of `config` in their order, as many in a talk as the model hears at once."""
    talks: list[Talk] = []
    parts: list[Samples] = []
    texts: list[str | None] = []
    rate_hz = config.card.sample_rate_hz
    longest = round(LONGEST_S * rate_hz)

    def close() -> None:
        if parts:
            known = [text for text in texts if text is not None]
            reference = " ".join(known) if len(known) == len(texts) else None
            talks.append(Talk(np.concatenate(parts), reference))
        parts.clear()
        texts.clear()

    for segment in load_workload(config, minutes=0).segments:
        samples = _without_quiet_ends(segment.samples, rate_hz)
        if sum(map(len, parts)) + len(samples) > longest:
            close()
        # Only the first piece of a long recording is taken, whose text is then not known.
        whole = segment.tracks[0].num_spans == 1 and len(segment.samples) < longest
        if segment.passage.index == 0:
            parts.append(samples[:longest])
            texts.append(segment.tracks[0].recording.reference if whole else None)
    close()
    return talks


def _without_quiet_ends(samples: Samples, rate_hz: int) -> Samples:
    block = rate_hz // 50
    power = np.square(samples[: len(samples) // block * block].reshape(-1, block)).mean(axis=1)
    loud = np.flatnonzero(power > power.max() * 10 ** (-QUIET_END_DB / 10))
    return samples[loud[0] * block : (loud[-1] + 1) * block]


def changes(whole: list[TimedWord], cut: list[TimedWord], edge_s: float) -> tuple[int, int]:
    """How many words were lost, added or changed near the edge, and elsewhere."""
    if not cut:
        return 0, len(whole)
    aligned = jiwer.process_words(
        " ".join(word.text for word in whole), " ".join(word.text for word in cut)
    )
    changed = [
        word
        for chunk in aligned.alignments[0]
        if chunk.type != "equal"
        for word in (
            cut[chunk.hyp_start_idx : chunk.hyp_end_idx]
            if chunk.type == "insert"
            else whole[chunk.ref_start_idx : chunk.ref_end_idx]
        )
    ]
    near = sum(abs((word.start_s + word.end_s) / 2 - edge_s) <= NEAR_S for word in changed)
    return near, len(changed) - near


def errors(reference: str, words: list[TimedWord]) -> int:
    text = normalise_text(" ".join(word.text for word in words))
    expected = normalise_text(reference)
    if not text:
        return len(expected.split())
    scored = jiwer.process_words(expected, text)
    return scored.substitutions + scored.deletions + scored.insertions


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("manifest")
    parser.add_argument("--step", type=float, default=1.0, help="seconds between offsets; 1")
    arguments = parser.parse_args()

    torch.set_num_threads(1)
    quiet, fixed = (
        TranscriptionConfig(sources=(arguments.manifest,), output="", segmentation_method=method)
        for method in (QUIET, FIXED)
    )
    reader = Reader((quiet, fixed))
    rate_hz = reader.rate_hz
    reach = round(quiet.audio_plan.search_s * rate_hz)
    found: dict[tuple[str, str], list[tuple[int, int]]] = {}
    wrong: dict[tuple[str, str], int] = {}
    spoken = wrong_whole = 0
    for talk in load_talks(quiet):
        whole = reader.read(talk.samples, (), QUIET)
        earliest = round(EARLIEST_S * rate_hz)
        for offset in range(
            earliest, len(talk.samples) - earliest, round(arguments.step * rate_hz)
        ):
            nearby = talk.samples[offset - reach : offset + reach]
            places = {
                "anywhere": offset,
                "at the quietest place": offset - reach + quietest_sample(nearby, rate_hz),
            }
            for method, (place, edge) in itertools.product((QUIET, FIXED), places.items()):
                words = reader.read(talk.samples, (edge,), method)
                found.setdefault((method, place), []).append(changes(whole, words, edge / rate_hz))
                if talk.reference is not None:
                    wrong.setdefault((method, place), 0)
                    wrong[method, place] += errors(talk.reference, words)
            if talk.reference is not None:
                spoken += len(normalise_text(talk.reference).split())
                wrong_whole += errors(talk.reference, whole)
    print(f"whole: {wrong_whole / max(1, spoken):.2%} word errors")
    for (method, place), pairs in found.items():
        near, far = (sum(column) / len(pairs) for column in zip(*pairs, strict=True))
        untouched = sum(pair[0] == 0 for pair in pairs) / len(pairs)
        print(
            f"{method}, edge {place}: {len(pairs)} cuts, {untouched:.0%} change no word near them; "
            f"changes a cut: {near:.3f} near, {far:.3f} elsewhere; "
            f"{wrong.get((method, place), 0) / max(1, spoken):.2%} word errors"
        )


if __name__ == "__main__":
    main()
