"""Best-path decoding of a transducer, for a whole batch at once.

Every item has a pointer of its own into its frames. In each round all of them look at the next
few frames under the prediction they have, skip the blanks, and take one token each (label
looping: Bataev et al. 2024, arXiv:2406.06220). So the prediction network runs once for each token
of the longest item, not once for each frame, and no item waits for the frames of another. The
result is that of the loop over frames, one item after another.

Letters: B batch, A items not yet through, W frames looked at, T frames, D features, C classes.
"""

from __future__ import annotations

import torch
from torch import Tensor

from models.decode.transducer import Prediction, TokenPath, Transducer

LOOK_FRAMES = 8
"""Frames that one round looks at: more saves rounds in silence and wastes joins in speech."""

MOST_TOKENS = 10
"""Tokens that one frame may emit; a model gone astray would not leave it otherwise."""


def rnnt_greedy(
    model: Transducer,
    encoded: Tensor,
    lengths: Tensor,
    blank: int,
    start: Prediction,
    *,
    most_tokens: int = MOST_TOKENS,
) -> tuple[list[TokenPath], Prediction]:
    """Decode `(B, T, D)` encodings with `(B,)` lengths after what was predicted at their `start`.

    Frames count from the first of `encoded`. Returns a path for each item and the predictions to
    go on from. A score is the log-probability of the path, blanks included.
    """
    if most_tokens < 1:
        raise ValueError(f"a frame must be allowed a token, got most_tokens={most_tokens}")
    device = encoded.device
    offsets = torch.arange(LOOK_FRAMES, device=device)
    pointer = torch.zeros_like(lengths)
    emitted = torch.zeros_like(lengths)
    scores = torch.zeros(len(lengths), dtype=torch.float64, device=device)
    predicted = start
    rounds: list[tuple[Tensor, Tensor, Tensor, Tensor]] = []
    active = torch.nonzero(lengths > 0).flatten()
    while len(active):
        frames = pointer[active, None] + offsets
        real = frames < lengths[active, None]
        looked = encoded[active[:, None], frames.clamp(max=encoded.shape[1] - 1)]
        log_probs = model.log_probs(looked, predicted.output[active, None])
        best, tokens = log_probs.max(dim=2)
        # A frame that has emitted its most gets a blank, at the price that the model asks.
        full = emitted[active] >= most_tokens
        tokens[:, 0] = torch.where(full, blank, tokens[:, 0])
        best[:, 0] = torch.where(full, log_probs[:, 0, blank], best[:, 0])

        skipped = ((tokens == blank) & real).cumprod(dim=1)
        count = skipped.sum(dim=1)
        scores[active] += (best * skipped).sum(dim=1, dtype=torch.float64)
        pointer[active] += count
        emitted[active] = torch.where(count > 0, 0, emitted[active])

        inside = pointer[active] < lengths[active]
        speaks = torch.nonzero((count < LOOK_FRAMES) & inside).flatten()
        if len(speaks):
            items, place = active[speaks], count[speaks]
            said, said_log_probs = tokens[speaks, place], best[speaks, place]
            scores[items] += said_log_probs
            emitted[items] += 1
            rounds.append((items, said, pointer[items], said_log_probs))
            predicted = predicted.replace(items, model.predict(said, predicted.select(items)))
        active = active[inside]
    return _collect(rounds, scores), predicted


def _collect(
    rounds: list[tuple[Tensor, Tensor, Tensor, Tensor]], scores: Tensor
) -> list[TokenPath]:
    found: list[list[tuple[int, int, float]]] = [[] for _ in range(len(scores))]
    if rounds:
        items, tokens, frames, log_probs = (torch.cat(part) for part in zip(*rounds, strict=True))
        for item, *event in zip(
            items.tolist(), tokens.tolist(), frames.tolist(), log_probs.tolist(), strict=True
        ):
            found[item].append(tuple(event))
    return [
        TokenPath(
            tuple(token for token, _, _ in events),
            tuple(frame for _, frame, _ in events),
            tuple(log_prob for _, _, log_prob in events),
            score,
        )
        for events, score in zip(found, scores.tolist(), strict=True)
    ]
