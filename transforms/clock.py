"""Where each decoded frame of a stream belongs: by its timestamp, or behind the one before it."""

from __future__ import annotations

UNSTAMPED = {"mp3", "aac", "amr", "ac3"}
"""Demuxers of frames without timestamps: FFmpeg counts the frames that it finds."""
SEEKABLE = {"flac", "ogg"}
"""Demuxers of frames or pages that say which sample they are: one may begin anywhere."""
LONGEST_HOLE_S = 3600
"""A timestamp further ahead than this is damaged, not a pause."""


class Clock:
    """The next sample's position in its file, and whether something was lost before it.

    Timestamps move it only where they leave a hole of more than a tenth of a second, so that
    rounded ones do not tear the sound. A FLAC frame says exactly where it belongs.
    """

    def __init__(self, demuxer: str, rate_hz: int, begins_anywhere: bool) -> None:
        """`begins_anywhere`: the first frame's timestamp is believed, for reading was moved."""
        self.position = 0
        self.lost = False
        self._demuxer = demuxer
        self._least_hole = 0 if demuxer == "flac" else rate_hz // 10
        self._longest_hole = LONGEST_HOLE_S * rate_hz
        self._begins_anywhere = begins_anywhere
        self._started = False
        self._shift = 0

    def miss(self) -> None:
        """Something did not decode. Before the first sound it is no loss."""
        self.lost = self._started

    def skip(self, num_samples: int) -> None:
        """So many samples are missing here."""
        if self._started:
            self.position += num_samples

    def place(self, stamped: int | None, num_samples: int) -> None:
        """Move to the frame of `num_samples` that a timestamp puts at sample `stamped`.

        The position is negative where the frame begins with a coder's delay.
        """
        if not self._started:
            self._begin(stamped or 0, num_samples)
        elif stamped is not None and self._demuxer not in UNSTAMPED:
            ahead = stamped - self._shift - self.position
            if self._least_hole < ahead <= self._longest_hole:
                self.position += ahead
                # Nothing pauses in a stream whose samples are counted.
                self.lost = self.lost or self._demuxer in SEEKABLE
        self._started = True

    def advance(self, num_samples: int) -> None:
        """The frame was taken, so many samples of it."""
        self.position += num_samples
        self.lost = False

    def _begin(self, stamped: int, num_samples: int) -> None:
        if self._demuxer == "aac":
            # Its first frame holds nothing but the coder's delay, and ADTS does not say so.
            self.position = stamped - num_samples
        elif self._begins_anywhere or self._least_hole < stamped <= self._longest_hole:
            self.position = max(0, stamped)
        else:
            self._shift = stamped
