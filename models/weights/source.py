"""The releases that the embedded models are made from, known by their hashes."""

from __future__ import annotations

import hashlib
from pathlib import Path

from models.errors import CheckpointError

HAMA_SHA256 = "be48d6379d288fc588ff9a5f609462b2fb81287dd84afaa2dfb1d283cb280c4d"  # 1.7.0
SILERO_VAD_SHA256 = "8a31f1e58e73cdc20820d842f757e678e0ae1b0ee1cb7b8aa50f20f8fd7f7638"  # 6.2.0


def verified(path: Path, sha256: str) -> Path:
    """`path`, if its bytes have that hash; raises `CheckpointError` otherwise."""
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != sha256:
        raise CheckpointError(f"{path} has sha256 {found}, not {sha256}: it is another release")
    return path
