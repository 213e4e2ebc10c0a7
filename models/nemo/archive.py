"""The members of a `.nemo` file: a tar, gzipped or not, of configuration, weights, tokenizer.

Nothing of it is unpickled but tensors, nothing is written outside an anonymous temporary file,
and every size is checked before anything of that size is read.
"""

from __future__ import annotations

import gzip
import pickle
import shutil
import struct
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import yaml

from models.errors import CheckpointError

if TYPE_CHECKING:
    from torch import Tensor

CONFIGURATION = "model_config.yaml"
WEIGHTS = "model_weights.ckpt"

MOST_MEMBERS = 256
MOST_CONFIGURATION_BYTES = 4 << 20
MOST_ARTIFACT_BYTES = 64 << 20
MOST_WEIGHT_BYTES = 32 << 30

# The reader of tensors trips over foreign bytes in many ways.
_NOT_TENSORS = (
    AttributeError,
    EOFError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
    pickle.UnpicklingError,
    struct.error,
)
_DAMAGED = (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError)


@dataclass(frozen=True, slots=True)
class NemoArchive:
    """A `.nemo` file on this machine. Every error is a `CheckpointError` that names it."""

    path: Path

    def configuration(self) -> dict[str, Any]:
        """The mapping in `model_config.yaml`, read by YAML's safe loader."""
        text = self._read(CONFIGURATION, MOST_CONFIGURATION_BYTES)
        try:
            loaded = yaml.safe_load(text)
        except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
            raise CheckpointError(f"{self.path}: {CONFIGURATION} is not plain YAML: {error}") from (
                error
            )
        if not isinstance(loaded, dict):
            raise CheckpointError(f"{self.path}: {CONFIGURATION} holds no mapping")
        return loaded

    def artifact(self, reference: str) -> bytes:
        """The content of a member that the configuration names, with or without `nemo:`."""
        return self._read(reference.removeprefix("nemo:"), MOST_ARTIFACT_BYTES)

    def weights(self, values: bool = True) -> dict[str, Tensor]:
        """The state dict in `model_weights.ckpt`; what is no tensor is refused.

        Without `values` the tensors have names, shapes and types only.
        """
        import torch

        device = "cpu" if values else "meta"
        with self._member(WEIGHTS, MOST_WEIGHT_BYTES) as member, tempfile.TemporaryFile() as file:
            shutil.copyfileobj(member, file, 1 << 20)
            file.seek(0)
            try:
                state = torch.load(file, map_location=device, weights_only=True)
            except _NOT_TENSORS as error:
                reason = (str(error).splitlines() or [type(error).__name__])[0]
                raise CheckpointError(
                    f"{self.path}: {WEIGHTS} holds something else than tensors, or is damaged: "
                    f"{reason}"
                ) from error
        if not isinstance(state, dict) or not all(
            isinstance(name, str) and isinstance(value, torch.Tensor)
            for name, value in state.items()
        ):
            raise CheckpointError(f"{self.path}: {WEIGHTS} is no mapping of names to tensors")
        return state

    def _read(self, name: str, most_bytes: int) -> bytes:
        with self._member(name, most_bytes) as member:
            return member.read()

    @contextmanager
    def _member(self, name: str, most_bytes: int) -> Iterator[IO[bytes]]:
        try:
            with tarfile.open(self.path, "r:*") as archive:
                yield self._find(archive, name, most_bytes)
        except OSError as error:
            raise CheckpointError(f"{self.path} cannot be read: {error}") from error
        except _DAMAGED as error:
            raise CheckpointError(
                f"{self.path} is no .nemo file (a tar, gzipped or not), or it is cut short: {error}"
            ) from error

    def _find(self, archive: tarfile.TarFile, name: str, most_bytes: int) -> IO[bytes]:
        # Headers are read one by one: passing over a member unpacks it, so its size comes first.
        seen: list[str] = []
        while (member := archive.next()) is not None:
            if len(seen) == MOST_MEMBERS:
                raise CheckpointError(f"{self.path} has more than {MOST_MEMBERS} members")
            plain = member.name.removeprefix("./")
            seen.append(plain)
            most = most_bytes if plain == name else MOST_WEIGHT_BYTES
            if member.size > most:
                raise CheckpointError(
                    f"{self.path}: {plain} has {member.size:,} bytes; at most {most:,} are read"
                )
            if plain == name:
                file = archive.extractfile(member) if member.isreg() else None
                if file is None:
                    raise CheckpointError(f"{self.path}: {plain} is no regular file")
                return file
        raise CheckpointError(
            f"{self.path} has no member {name}; it has {', '.join(seen[:12]) or 'none'}"
        )
