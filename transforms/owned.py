"""What a segment that is read by itself owns, so that words near its edges come once."""

from __future__ import annotations

import numpy as np

from transforms.records import Segment
from transforms.stitch import Stretch


def owned_stretch(segment: Segment, frame_samples: int, first_centre_samples: int) -> Stretch:
    """What a segment owns of the words that are found in it: those of the frames it keeps.

    The segments of a passage own all of it between them, and nothing twice.
    """
    passage, grid = segment.passage, segment.start_samples
    closing = segment.index + 1 == passage.num_segments

    def edge(row: int) -> int:
        # The edge between two frames lies half a frame before the later one.
        return grid + row * frame_samples - frame_samples // 2

    first_row, start = segment.kept_start, edge(segment.kept_start)
    if segment.index == 0:
        first_row = (passage.start_samples - grid) // frame_samples
        start = passage.start_samples
    last_row = segment.kept_end
    if last_row is None:
        last_row = len(segment.samples) // frame_samples + 1
    elif closing:
        last_row = (passage.end_samples - grid) // frame_samples
    return Stretch(
        tracks=segment.tracks,
        span_index=segment.span_index,
        sample_rate_hz=segment.sample_rate_hz,
        start_samples=start,
        end_samples=passage.end_samples if closing else edge(last_row),
        row_samples=grid + first_centre_samples,
        first_row=first_row,
        last_row=last_row,
        log_probs=np.zeros((0, 0), dtype=np.float32),
        closes_tracks=passage.closes_tracks and closing,
    )
