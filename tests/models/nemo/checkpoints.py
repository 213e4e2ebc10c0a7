"""The `.nemo` files in tests/data/nemo, whole or taken apart."""

import io
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.conftest import DATA

FOLDER = DATA / "nemo"
NAMES = sorted(path.stem for path in FOLDER.glob("*.nemo"))


def members(name: str) -> dict[str, bytes]:
    """The content of every member of one of `NAMES`, by name."""
    found = {}
    with tarfile.open(FOLDER / f"{name}.nemo") as archive:
        for member in archive.getmembers():
            file = archive.extractfile(member)
            if file is not None:
                found[member.name.removeprefix("./")] = file.read()
    return found


def pack(path: Path, content: Mapping[str, bytes], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, data in content.items():
            member = tarfile.TarInfo(f"./{name}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def reconfigured(
    path: Path, name: str, changes: Mapping[str, Any], extra: Mapping[str, bytes] | None = None
) -> Path:
    """One of `NAMES` with settings changed: `{"encoder.d_model": 8}`; None takes one away."""
    content = {**members(name), **(extra or {})}
    root = yaml.safe_load(content["model_config.yaml"])
    for place, value in changes.items():
        *sections, last = place.split(".")
        section = root
        for part in sections:
            section = section[int(part)] if isinstance(section, list) else section[part]
        if value is None:
            section.pop(last, None)
        else:
            section[last] = value
    content["model_config.yaml"] = yaml.safe_dump(root).encode()
    return pack(path, content)
