"""An Emformer transducer: encoder, prediction network, joiner.

Graves, "Sequence Transduction with Recurrent Neural Networks" (2012, arXiv:1211.3711) with the
encoder of `models.emformer`. The modules are torchaudio's `RNNT`, so its checkpoints load as they
are.

Letters: B batch, T frames, U tokens, D features, C classes; layout `(B, T, ·)`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torchaudio.models import emformer_rnnt_model

from models.decode.transducer import Prediction
from models.emformer import EncoderState, initial_state, run_emformer, select_items
from models.emformer_features import GlobalLogMel
from models.emformer_shape import EmformerRnntShape
from models.padding import pad_batch

WINDOW_SEGMENTS = 64
"""Segments that are encoded at once: about ten seconds."""


class EmformerRnnt(nn.Module):
    """Features, and torchaudio's transducer; `dropout` matters in training only."""

    def __init__(
        self, shape: EmformerRnntShape, dropout: float = 0.1, token_dropout: float = 0.3
    ) -> None:
        super().__init__()
        self.shape = shape
        self.features = GlobalLogMel(
            shape.sample_rate_hz,
            shape.num_fft,
            shape.hop_samples,
            shape.num_filters,
            shape.lowest_hz,
            shape.highest_hz,
            shape.echoes,
            shape.echo_frames,
        )
        self.rnnt = emformer_rnnt_model(
            input_dim=shape.feature_width,
            encoding_dim=shape.encoding_width,
            num_symbols=shape.classes,
            segment_length=shape.segment_frames,
            right_context_length=shape.right_context_frames,
            time_reduction_input_dim=shape.reduced_width,
            time_reduction_stride=shape.stride,
            transformer_num_heads=shape.heads,
            transformer_ffn_dim=shape.hidden,
            transformer_num_layers=shape.layers,
            transformer_dropout=dropout,
            transformer_activation=shape.activation,
            transformer_left_context_length=shape.left_context,
            transformer_max_memory_size=shape.memories,
            transformer_weight_init_scale_strategy="depthwise",
            transformer_tanh_on_mem=True,
            symbol_embedding_dim=shape.token_width,
            num_lstm_layers=shape.lstm_layers,
            lstm_layer_norm=True,
            lstm_layer_norm_epsilon=1e-3,
            lstm_dropout=token_dropout,
        )

    def initial_state(self, batch: int) -> EncoderState:
        transcriber = self.rnnt.transcriber
        return initial_state(transcriber.transformer, batch, transcriber.output_linear.weight)

    def encode(
        self, features: Tensor, lengths: Tensor, state: EncoderState
    ) -> tuple[Tensor, Tensor, EncoderState]:
        """Encode `(B, segments * segment_frames + right_context_frames, D)` features.

        `lengths` `(B,)` count real feature frames without right context; what follows an item's
        end is zero. Returns `(B, T, encoding_width)`, lengths in encoder frames, and the state.
        """
        transcriber = self.rnnt.transcriber
        batch, num_frames, _ = features.shape
        reduced = transcriber.input_linear(features)
        reduced = reduced.reshape(batch, num_frames // self.shape.stride, -1)
        lengths = lengths // self.shape.stride
        encoded, state = run_emformer(transcriber.transformer, reduced, lengths, state)
        return transcriber.layer_norm(transcriber.output_linear(encoded)), lengths, state

    def pad(self, items: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Feature matrices `(T_i, D)` to whole segments and right context, with their lengths."""
        features, lengths = pad_batch(items)
        segment = self.shape.segment_frames
        num_segments = max(1, -(-features.shape[1] // segment))
        wanted = num_segments * segment + self.shape.right_context_frames
        features = nn.functional.pad(features, (0, 0, 0, wanted - features.shape[1]))
        return features, lengths.to(features.device)

    def encode_waveforms(self, waveforms: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Waveforms `(samples,)` to encodings `(B, T, encoding_width)` and lengths `(B,)`.

        An item's frames do not depend on the others of the batch. The encoder goes in windows
        that carry its state, so that its memory does not grow with the length.
        """
        features, lengths = self.pad([self.features(waveform) for waveform in waveforms])
        window = WINDOW_SEGMENTS * self.shape.segment_frames
        right = self.shape.right_context_frames
        encoded = features.new_zeros(
            len(features), int(lengths.max()) // self.shape.stride, self.shape.encoding_width
        )
        active = torch.arange(len(features), device=features.device)
        state = self.initial_state(len(features))
        for start in range(0, features.shape[1] - right, window):
            left = lengths[active] - start
            if int(left.min()) <= 0:
                state = select_items(state, torch.nonzero(left > 0).flatten())
                active, left = active[left > 0], left[left > 0]
            frames, _, state = self.encode(
                features[active, start : start + window + right], left.clamp(max=window), state
            )
            place = start // self.shape.stride
            count = min(frames.shape[1], encoded.shape[1] - place)
            encoded[active, place : place + count] = frames[:, :count]
        return encoded, lengths // self.shape.stride

    def predict(self, tokens: Tensor, after: Prediction | None) -> Prediction:
        """What follows `(N,)` tokens, each said `after` its row; None: at the beginning."""
        state = None if after is None else [list(layer) for layer in after.state]
        output, _, state = self.rnnt.predict(tokens[:, None], torch.ones_like(tokens), state)
        return Prediction(output[:, 0], tuple(tuple(layer) for layer in state))

    def begin(self, batch: int) -> Prediction:
        """What `batch` items predict before anything was said."""
        blanks = torch.full((batch,), self.shape.classes - 1, device=self.features.mean.device)
        return self.predict(blanks, None)

    def log_probs(self, encoded: Tensor, predicted: Tensor) -> Tensor:
        """Join encodings `(..., D)` with predictions `(..., D)` into log-probs `(..., C)`."""
        joiner = self.rnnt.joiner
        return torch.log_softmax(joiner.linear(joiner.activation(encoded + predicted)), dim=-1)
