"""The sizes of an Emformer transducer; readable without torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class EmformerRnntShape:
    """The sizes that the weights fix; the defaults are torchaudio's `emformer_rnnt_base`.

    A feature frame holds `echoes` earlier ones, each `echo_frames` before the last.
    `segment_frames` and `right_context_frames` count feature frames, `left_context` and
    `memories` encoder frames. `classes` include the blank, which is the last.
    """

    sample_rate_hz: int = 16_000
    num_fft: int = 400
    hop_samples: int = 160
    num_filters: int = 80
    lowest_hz: float = 0.0
    highest_hz: float = 8_000.0
    echoes: int = 0
    echo_frames: int = 4
    segment_frames: int = 16
    right_context_frames: int = 4
    stride: int = 4
    reduced_width: int = 128
    heads: int = 8
    hidden: int = 2048
    layers: int = 20
    left_context: int = 30
    memories: int = 0
    activation: str = "gelu"
    encoding_width: int = 1024
    token_width: int = 512
    lstm_layers: int = 3
    classes: int = 4097

    @property
    def feature_width(self) -> int:
        return self.num_filters * (1 + self.echoes)

    @property
    def frame_samples(self) -> int:
        """Samples from one encoder frame to the next."""
        return self.stride * self.hop_samples

    @property
    def segment(self) -> int:
        """Encoder frames in a segment."""
        return self.segment_frames // self.stride

    @property
    def right_context(self) -> int:
        """Encoder frames of right context."""
        return self.right_context_frames // self.stride
