"""Train `en-digits-rnnt`: a small Emformer transducer that hears strings of English digits.

    python -m models.weights.train_digits_rnnt FOLDER --held-out george

FOLDER holds the free spoken digit dataset (https://github.com/Jakobovski/free-spoken-digit-dataset,
CC BY-SA 4.0) as one FLAC a speaker and `index.tsv`. The held-out speaker is not heard in training.
Writes `acoustic.safetensors` (fp16), `vocabulary.json` and `shape.json`. On two cores it takes
about half an hour; the seed fixes the strings, their order and the initial weights.

Letters: B batch, T frames, U tokens, C classes.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch
import torchaudio
from safetensors.torch import save_file
from torch import Tensor
from torch.utils.data import DataLoader

from models.emformer_rnnt import EmformerRnnt
from models.weights.digit_batches import BLANK, IGNORED, SHAPE, TOKENS, Batches, TrainingBatch
from models.weights.digit_strings import Clip, read_clips

OUTPUT = Path(__file__).parent / "en_digits_rnnt"


def training_loss(network: EmformerRnnt, labeller: torch.nn.Linear, batch: TrainingBatch) -> Tensor:
    """The transducer loss of a token, and a share of the cross-entropy of the frames' labels.

    Each token is held to its window (alignment-restricted RNN-T: Mahadeokar et al. 2021,
    arXiv:2011.03072): outside it costs 50 nats, so words come when they are said and not when it
    suits the loss. The labels, which only training knows, teach the encoder from the first step.
    """
    state = network.initial_state(len(batch.features))
    encoded, lengths, _ = network.encode(batch.features, batch.lengths, state)
    encoded = encoded[:, : int(lengths.max())]
    prompts = torch.nn.functional.pad(batch.tokens.long(), (1, 0), value=BLANK)
    predicted, _, _ = network.rnnt.predict(prompts, batch.token_lengths + 1, None)
    log_probs = network.log_probs(encoded[:, :, None], predicted[:, None])
    frames = torch.arange(encoded.shape[1])[None, :, None]
    outside = (frames < batch.windows[:, None, :, 0]) | (frames > batch.windows[:, None, :, 1])
    penalty = torch.zeros_like(log_probs)
    penalty[:, :, :-1].scatter_(
        3,
        batch.tokens.long()[:, None, :, None].expand(-1, encoded.shape[1], -1, 1),
        outside.float()[..., None] * -50,
    )
    loss: Tensor = torchaudio.functional.rnnt_loss(
        log_probs + penalty,
        batch.tokens,
        lengths.int(),
        batch.token_lengths.int(),
        blank=BLANK,
        reduction="sum",
        fused_log_softmax=False,
    )
    labelled = torch.nn.functional.cross_entropy(
        labeller(encoded).transpose(1, 2), batch.labels, ignore_index=IGNORED
    )
    return loss / batch.token_lengths.sum().clamp(min=1) + 0.5 * labelled


def train(
    folder: Path, output: Path, held_out: Sequence[str], steps: int, seed: int, peak_rate: float
) -> None:
    """Train for `steps` batches and write the averaged weights, every 500 steps and at the end."""
    torch.manual_seed(seed)
    clips = [clip for clip in read_clips(folder) if clip.speaker not in held_out]
    network = EmformerRnnt(SHAPE, dropout=0.15, token_dropout=0.2)
    fit_statistics(network, clips, seed)
    average = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    labeller = torch.nn.Linear(SHAPE.encoding_width, 11)
    learned = [*network.parameters(), *labeller.parameters()]
    optimiser = torch.optim.AdamW(learned, lr=peak_rate, weight_decay=0.02)
    batches = DataLoader(
        Batches(clips, network, 64, seed), batch_size=None, num_workers=1, prefetch_factor=8
    )
    begun = time.monotonic()
    total = 0.0
    network.train()
    for step, batch in zip(range(1, steps + 1), batches, strict=False):
        warm = min(1.0, step / 300)
        for group in optimiser.param_groups:
            group["lr"] = peak_rate * warm * (0.02 + 0.49 * (1 + math.cos(math.pi * step / steps)))
        loss = training_loss(network, labeller, batch)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(learned, 1.0)
        optimiser.step()
        keep = min(0.999, 1 - 1 / step)
        for name, tensor in network.state_dict().items():
            average[name].lerp_(tensor, 1 - keep)
        total += loss.item()
        if step % 100 == 0:
            spent = time.monotonic() - begun
            print(f"step {step}/{steps}  loss {total / 100:.3f}  {spent:.0f} s", flush=True)
            total = 0.0
        if step % 500 == 0 or step == steps:
            write_model(output, average, held_out, step)


def fit_statistics(network: EmformerRnnt, clips: Sequence[Clip], seed: int) -> None:
    """Set the features' mean and deviation from 40 batches."""
    batches = Batches(clips, network, 12, seed + 1)
    rows = [batch.features.flatten(0, 1) for _, batch in zip(range(40), batches, strict=False)]
    heard = torch.cat(rows)[:, : SHAPE.num_filters]
    heard = heard[heard.abs().sum(dim=1) > 0]
    network.features.mean.copy_(heard.mean(dim=0))
    network.features.invstddev.copy_(1 / heard.std(dim=0))


def write_model(output: Path, state: dict[str, Tensor], held_out: Sequence[str], step: int) -> None:
    output.mkdir(parents=True, exist_ok=True)
    save_file(
        {name: tensor.half().contiguous() for name, tensor in state.items()},
        output / "acoustic.safetensors",
        metadata={
            "source": "free spoken digit dataset",
            "licence": "CC-BY-SA-4.0",
            "held_out": " ".join(held_out),
            "steps": str(step),
        },
    )
    vocabulary = {"tokens": list(TOKENS), "blank": BLANK}
    for name, fields in (("vocabulary", vocabulary), ("shape", asdict(SHAPE))):
        text = json.dumps(fields, ensure_ascii=False, indent=1) + "\n"
        (output / f"{name}.json").write_text(text, encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="index.tsv and one FLAC a speaker")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    parser.add_argument("--held-out", nargs="*", default=["george"], metavar="SPEAKER")
    parser.add_argument("--steps", type=int, default=4_000)
    parser.add_argument("--seed", type=int, default=20)
    parser.add_argument("--peak-rate", type=float, default=2e-3)
    arguments = parser.parse_args()
    train(
        arguments.folder,
        arguments.output,
        arguments.held_out,
        arguments.steps,
        arguments.seed,
        arguments.peak_rate,
    )


if __name__ == "__main__":
    main()
