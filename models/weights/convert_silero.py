"""The 16 kHz network of the `silero-vad` 6.2.0 wheel as safetensors for `models.voice_activity`.

    pip download --no-deps silero-vad==6.2.0
    python -m models.weights.convert_silero silero_vad-6.2.0-py3-none-any.whl

writes `silero_vad/voice_activity.safetensors` (fp32) beside this script. Of the wheel's TorchScript
module only the tensors are taken; its code is not run.
"""

from __future__ import annotations

import argparse
import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from models.weights.source import SILERO_VAD_SHA256, verified

OUTPUT = Path(__file__).parent / "silero_vad" / "voice_activity.safetensors"
MODULE = "silero_vad/data/silero_vad.jit"


def rename(source: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The wheel's names to those of `VoiceActivity`'s state. Its STFT is a Hann window's DFT."""
    target = {
        f"encoder.{index}.{part}": source[f"_model.encoder.{index}.reparam_conv.{part}"]
        for index in range(4)
        for part in ("weight", "bias")
    }
    for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
        target[f"memory.{part}_l0"] = source[f"_model.decoder.rnn.{part}"]
    target["decoder.weight"] = source["_model.decoder.decoder.2.weight"][:, :, 0]
    target["decoder.bias"] = source["_model.decoder.decoder.2.bias"]
    return {name: tensor.contiguous() for name, tensor in target.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("wheel", type=Path, help="silero_vad-6.2.0-py3-none-any.whl")
    arguments = parser.parse_args()
    with zipfile.ZipFile(verified(arguments.wheel, SILERO_VAD_SHA256)) as archive:
        module = torch.jit.load(io.BytesIO(archive.read(MODULE)))  # type: ignore[no-untyped-call]
    OUTPUT.parent.mkdir(exist_ok=True)
    save_file(rename(module.state_dict()), OUTPUT)


if __name__ == "__main__":
    main()
