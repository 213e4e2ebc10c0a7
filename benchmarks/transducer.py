"""A transducer on strings of digits that it was not trained on: errors, speed, latency.

    python -m benchmarks.transducer FOLDER --speaker george --model en-digits-rnnt

FOLDER is what `models.weights.train_digits_rnnt` takes. The strings are recordings of the speaker
one after the other with pauses: clean, with noise at 10 dB, and through a telephone. All of it
runs in one process; speed is by processor time, latency by the clock.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jiwer
import numpy as np
import soxr
import torch
from numpy.typing import NDArray
from torchaudio.models import RNNTBeamSearch

from models.decode.rnnt_greedy import rnnt_greedy
from models.recognizer import load_model
from models.stream_update import StreamedWord
from models.streaming import StreamingRecognizer
from models.transducer_recognizer import TransducerRecognizer
from models.transducer_stream import TransducerEngine
from models.weights.digit_batches import WORDS
from models.weights.digit_strings import RATE_HZ, Clip, read_clips

Samples = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Spoken:
    """A string of digits at the model's rate, and its words."""

    samples: Samples
    text: str


def strings_of(
    clips: Sequence[Clip], count: int, rate_hz: int, condition: str, seed: int
) -> list[Spoken]:
    """`count` strings of 1 to 12 digits with pauses up to 1.5 s, every clip about as often."""
    random = np.random.default_rng(seed)
    order: list[int] = []
    spoken = []
    for _ in range(count):
        parts = [np.zeros(int(random.uniform(0.1, 1.0) * RATE_HZ), dtype=np.float32)]
        words = []
        longest_s = random.choice([0.1, 0.5, 1.5])
        for _ in range(int(random.integers(1, 13))):
            order = order or random.permutation(len(clips)).tolist()
            clip = clips[order.pop()]
            gap = np.zeros(int(random.uniform(0, longest_s) * RATE_HZ), dtype=np.float32)
            parts += [0.5 * clip.samples, gap]
            words.append(WORDS[clip.digit])
        parts.append(np.zeros(int(random.uniform(0.1, 1.0) * RATE_HZ), dtype=np.float32))
        sound = _condition(np.concatenate(parts), condition, random)
        samples = soxr.resample(sound, RATE_HZ, rate_hz).astype(np.float32)
        spoken.append(Spoken(samples, " ".join(words)))
    return spoken


def _condition(sound: Samples, condition: str, random: np.random.Generator) -> Samples:
    if condition == "noise":
        level = float(np.sqrt((sound**2).mean())) * 10 ** (-10 / 20)
        return sound + (level * random.standard_normal(len(sound))).astype(np.float32)
    if condition == "telephone":
        spectrum = np.fft.rfft(sound)
        places_hz = np.linspace(0, RATE_HZ / 2, len(spectrum))
        spectrum[(places_hz < 300) | (places_hz > 3400)] = 0
        return np.fft.irfft(spectrum, len(sound)).astype(np.float32)
    return sound


def streamed_text(
    engine: TransducerEngine, samples: Samples, chunk: int
) -> tuple[str, list[float]]:
    """The final text of a stream in chunks, and the seconds that each took."""
    stream = StreamingRecognizer(engine)
    words: list[StreamedWord] = []
    spent_s: list[float] = []
    for start in range(0, len(samples), chunk):
        begun = time.perf_counter()
        update = stream.accept(samples[start : start + chunk])
        spent_s.append(time.perf_counter() - begun)
        words += update.final
    words += stream.finish().final
    return " ".join(word.text for word in words), spent_s


def one_by_one(model: TransducerRecognizer, spoken: Sequence[Spoken]) -> list[str]:
    """torchaudio's decoder with beam 1, an item at a time, on its own encoder."""
    search = RNNTBeamSearch(
        model.network.rnnt, model.vocabulary.blank, hypo_sort_key=lambda hypothesis: hypothesis[3]
    )
    right = model.network.shape.right_context_frames
    texts = []
    for item in spoken:
        features = model.network.features(torch.from_numpy(item.samples))
        padded = torch.nn.functional.pad(features, (0, 0, 0, right))
        hypotheses = search(padded, torch.tensor([len(features)]), 1)
        texts.append(_spell(hypotheses[0][0][1:], model))
    return texts


def batched(model: TransducerRecognizer, spoken: Sequence[Spoken], size: int) -> list[str]:
    """The batched greedy decoder, `size` items at a time, longest first."""
    order = sorted(range(len(spoken)), key=lambda index: -len(spoken[index].samples))
    texts = [""] * len(spoken)
    for start in range(0, len(order), size):
        rows = order[start : start + size]
        found = model.recognize_greedily([spoken[row].samples for row in rows])
        for row, hypothesis in zip(rows, found, strict=True):
            texts[row] = hypothesis.text
    return texts


def _spell(tokens: Sequence[int], model: TransducerRecognizer) -> str:
    vocabulary = model.vocabulary
    pieces = (
        (" " if vocabulary.starts_word(token) else "") + vocabulary.text(token) for token in tokens
    )
    return " ".join("".join(pieces).split())


def _timed(name: str, audio_s: float, begun: float) -> None:
    spent_s = time.process_time() - begun
    print(f"{name:<42} RTFx {audio_s / spent_s:8.0f}")


def measure_errors(model: TransducerRecognizer, clips: Sequence[Clip], count: int) -> None:
    rate_hz = model.card.sample_rate_hz
    engine = TransducerEngine(model)
    for condition in ("clean", "noise", "telephone"):
        spoken = strings_of(clips, count, rate_hz, condition, seed=7)
        truth = [item.text for item in spoken]
        offline = batched(model, spoken, 16)
        beam = [found.text for found in model.recognize([item.samples for item in spoken])]
        streamed = [streamed_text(engine, item.samples, rate_hz // 5)[0] for item in spoken]
        alone = [model.recognize_greedily([item.samples])[0].text for item in spoken]
        digits = sum(len(text.split()) for text in truth)
        print(
            f"{condition:<10} {digits} digits; error: "
            f"greedy {100 * jiwer.wer(truth, offline):.2f} %, "
            f"beam {100 * jiwer.wer(truth, beam):.2f} %, "
            f"streamed {100 * jiwer.wer(truth, streamed):.2f} %; "
            f"streamed as offline {sum(map(str.__eq__, streamed, offline))}/{count}, "
            f"alone as in the batch {sum(map(str.__eq__, alone, offline))}/{count}"
        )


@torch.inference_mode()
def measure_speed(model: TransducerRecognizer, clips: Sequence[Clip], count: int) -> None:
    spoken = strings_of(clips, count, model.card.sample_rate_hz, "clean", seed=8)
    audio_s = sum(len(item.samples) for item in spoken) / model.card.sample_rate_hz
    batched(model, spoken[:16], 16)
    one_by_one(model, spoken[:2])
    begun = time.process_time()
    theirs = one_by_one(model, spoken)
    _timed("torchaudio, beam 1, one by one", audio_s, begun)
    begun = time.process_time()
    ours = batched(model, spoken, 32)
    _timed("batched greedy, 32 at a time", audio_s, begun)
    print(f"{'the same text':<42} {sum(map(str.__eq__, ours, theirs))}/{count}")

    waveforms = [torch.from_numpy(item.samples) for item in spoken[:32]]
    encoded, lengths = model.network.encode_waveforms(waveforms)
    heard_s = sum(len(waveform) for waveform in waveforms) / model.card.sample_rate_hz
    search = RNNTBeamSearch(model.network.rnnt, model.vocabulary.blank)
    begun = time.process_time()
    for row, length in zip(encoded, lengths.tolist(), strict=True):
        search._search(row[None, :length], None, 1)
    _timed("decoding alone: torchaudio, one by one", heard_s, begun)
    begun = time.process_time()
    rnnt_greedy(
        model.network, encoded, lengths, model.vocabulary.blank, model.network.begin(len(encoded))
    )
    _timed("decoding alone: batched greedy", heard_s, begun)

    for chunk_s in (0.04, 0.16, 0.64):
        spent_s: list[float] = []
        for item in spoken[:8]:
            chunk = round(chunk_s * model.card.sample_rate_hz)
            spent_s += streamed_text(TransducerEngine(model), item.samples, chunk)[1]
        ranked = sorted(spent_s)
        print(
            f"chunks of {1000 * chunk_s:3.0f} ms took {1000 * statistics.median(ranked):.1f} ms "
            f"(median), {1000 * ranked[int(0.99 * len(ranked))]:.1f} ms (99 %)"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="index.tsv and one FLAC a speaker")
    parser.add_argument("--speaker", default="george", help="one that training did not hear")
    parser.add_argument("--model", default="en-digits-rnnt")
    parser.add_argument("--strings", type=int, default=80, metavar="N")
    arguments = parser.parse_args()
    model = load_model(arguments.model)
    if not isinstance(model, TransducerRecognizer):
        parser.error(f"{arguments.model} is no transducer")
    clips = [clip for clip in read_clips(arguments.folder) if clip.speaker == arguments.speaker]
    if not clips:
        parser.error(f"{arguments.folder} has no speaker {arguments.speaker}")
    measure_errors(model, clips, arguments.strings)
    measure_speed(model, clips, arguments.strings)


if __name__ == "__main__":
    main()
