"""Tiny transducers with random weights, and every path through one, added up."""

import itertools
import math

import torch
from torch import Tensor

from models.decode.transducer import Prediction


class TableTransducer:
    """Predicts from the last two tokens by table; `D` is the number of contexts.

    Log-probabilities of context c and frame t are those of `scores[t, c]`.
    """

    def __init__(self, frames: int, classes: int, seed: int, sharp: float = 1.0) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.classes = classes
        self.blank = classes - 1
        contexts = classes * classes
        self.scores = sharp * torch.randn(frames, contexts, classes, generator=generator)

    def encoded(self) -> Tensor:
        """`(1, T, T)`: each frame names itself."""
        return torch.eye(len(self.scores))[None]

    def predict(self, tokens: Tensor, after: Prediction | None) -> Prediction:
        last = torch.full_like(tokens, self.blank) if after is None else after.state[0][0]
        context = last * self.classes + tokens
        output = torch.nn.functional.one_hot(context, self.classes**2).float()
        return Prediction(output, ((tokens,),))

    def begin(self, batch: int) -> Prediction:
        return self.predict(torch.full((batch,), self.blank), None)

    def log_probs(self, encoded: Tensor, predicted: Tensor) -> Tensor:
        encoded, predicted = torch.broadcast_tensors(encoded[..., :, None], predicted[..., None, :])
        scores = torch.einsum("...tc,tcv->...v", encoded * predicted, self.scores)
        return torch.log_softmax(scores, dim=-1)

    def lattice(self, tokens: tuple[int, ...]) -> Tensor:
        """`(T, U + 1, C)` log-probabilities along one token sequence."""
        prediction = self.begin(1)
        outputs = [prediction.output]
        for token in tokens:
            prediction = self.predict(torch.tensor([token]), prediction)
            outputs.append(prediction.output)
        return self.log_probs(self.encoded()[0][:, None], torch.cat(outputs)[None])


def sum_of_paths(model: TableTransducer, tokens: tuple[int, ...], most_tokens: int) -> float:
    """The log of the summed probability of every alignment of `tokens`, one by one."""
    frames = len(model.scores)
    lattice = model.lattice(tokens)
    total = -math.inf
    for counts in itertools.product(range(most_tokens + 1), repeat=frames):
        if sum(counts) != len(tokens):
            continue
        place, log_prob = 0, 0.0
        for frame, count in enumerate(counts):
            for _ in range(count):
                log_prob += float(lattice[frame, place, tokens[place]])
                place += 1
            log_prob += float(lattice[frame, place, model.blank])
        total = float(torch.logaddexp(torch.tensor(total), torch.tensor(log_prob)))
    return total


def greedy_one_by_one(
    model: TableTransducer, encoded: Tensor, most_tokens: int
) -> tuple[list[int], list[int], float]:
    """The textbook loop over the frames of `(T, D)`: tokens, their frames, the path's score."""
    tokens: list[int] = []
    frames: list[int] = []
    score, prediction = 0.0, model.begin(1)
    for frame, row in enumerate(encoded):
        for count in range(most_tokens + 1):
            log_probs = model.log_probs(row, prediction.output[0])
            token = model.blank if count == most_tokens else int(log_probs.argmax())
            score += float(log_probs[token])
            if token == model.blank:
                break
            tokens.append(token)
            frames.append(frame)
            prediction = model.predict(torch.tensor([token]), prediction)
    return tokens, frames, score
