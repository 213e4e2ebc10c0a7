"""What lies between the frames of a stream without timestamps, and how long it lasted."""

from __future__ import annotations

import re
from typing import BinaryIO

from av.audio.stream import AudioStream
from av.packet import Packet

from transforms.container import head_of

JUNK_BYTES = 2**20
TAGS = (b"ID3", b"TAG", b"APETAGEX", b"LYRICS")
XING = re.compile(rb".{0,60}?(?:Xing|Info)(.{4})(.{4})", re.DOTALL)


def is_no_sound(content: bytes) -> bool:
    """Tags, and the header frame of an MP3: what is found inside of files put together."""
    return content.startswith(TAGS) or XING.match(content) is not None


def promised_by_xing(stored: BinaryIO) -> int:
    """Samples that the header frame of an MP3 promises at least, 0 where there is none.

    Of the last two frames some may be padding.
    """
    head, _ = head_of(stored)
    xing = XING.match(head)
    if xing is None or not xing[1][3] & 1:
        return 0
    frame_samples = 1152 if head[1] & 0x08 else 576
    return max(0, int.from_bytes(xing[2]) - 2) * frame_samples


class Junk:
    """Bytes between the frames of a stream without timestamps, and how long they lasted.

    A damaged frame loses its sync word, and FFmpeg passes over what does not begin with one. Where
    the next good frame lies in the file tells how many are missing, at the size of those around.
    """

    def __init__(self, stored: BinaryIO) -> None:
        self._stored = stored
        self._frame_bytes = 0.0
        self._place = 0

    def frames_before(self, packet: Packet[AudioStream], after_loss: bool) -> int | None:
        """How many frames are missing before a packet that was decoded; None: it was no loss."""
        count: int | None = 0
        if not self._frame_bytes:
            self._place = packet.pos or 0
        elif after_loss:
            between = self._bytes_before(packet)
            self._place += len(between)
            count = None if is_no_sound(between) else round(len(between) / self._frame_bytes)
        self._place += packet.size
        weight = 0.1 if self._frame_bytes else 1.0
        self._frame_bytes += (packet.size - self._frame_bytes) * weight
        return count

    def ends_in_tag(self) -> bool:
        """Whether what follows the last frame that was decoded is no sound."""
        rest = self._bytes_ahead()
        return is_no_sound(rest) or not rest.strip(b"\0")

    def frames_at_end(self) -> int:
        """How many frames are missing behind the last one that was decoded."""
        return round(len(self._bytes_ahead()) / self._frame_bytes) if self._frame_bytes else 0

    def _bytes_before(self, packet: Packet[AudioStream]) -> bytes:
        ahead = self._bytes_ahead()
        return ahead[: max(0, ahead.find(bytes(packet)))]

    def _bytes_ahead(self) -> bytes:
        position = self._stored.tell()
        self._stored.seek(self._place)
        ahead = self._stored.read(JUNK_BYTES)
        self._stored.seek(position)
        return ahead
