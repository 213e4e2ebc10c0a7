"""The `hama` 1.7.0 wheel's acoustic model as safetensors for `models.phoneme_ctc`.

    pip download --no-deps hama==1.7.0
    python -m models.weights.convert_hama hama-1.7.0-py3-none-any.whl

writes `en_phoneme_ctc/acoustic.safetensors` (fp16, the filter bank in fp32) and
`en_phoneme_ctc/vocabulary.json` beside this script. The wheel's own file holds, little-endian:
`HAMAPK`, two bytes of version, a count, then for each tensor its name, type (0: f32, 1: f16),
shape, offset and size; the data start at the next multiple of 16.
"""

from __future__ import annotations

import argparse
import json
import struct
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from models.errors import CheckpointError
from models.weights.source import HAMA_SHA256, verified

OUTPUT = Path(__file__).parent / "en_phoneme_ctc"
BLOCKS = 4

Tensors = dict[str, NDArray[np.float32]]


def read_hama_pack(data: bytes) -> Tensors:
    """Every tensor of a `.hama` file, by name. Raises `CheckpointError` for another format."""
    if data[:6] != b"HAMAPK":
        raise CheckpointError("not a .hama file: it does not begin with HAMAPK")
    (count,) = struct.unpack_from("<I", data, 8)
    position = 12
    entries: list[tuple[str, str, tuple[int, ...], int]] = []
    for _ in range(count):
        (name_size,) = struct.unpack_from("<H", data, position)
        position += 2
        name = data[position : position + name_size].decode()
        position += name_size
        kind, rank = data[position], data[position + 1]
        position += 2
        shape = struct.unpack_from(f"<{rank}I", data, position)
        position += 4 * rank
        offset, _size = struct.unpack_from("<QQ", data, position)
        position += 16
        entries.append((name, "<f4" if kind == 0 else "<f2", shape, offset))
    start = -(-position // 16) * 16
    return {
        name: np.frombuffer(data, dtype, int(np.prod(shape)), start + offset)
        .reshape(shape)
        .astype(np.float32)
        for name, dtype, shape, offset in entries
    }


def rename(source: Tensors) -> Tensors:
    """The wheel's names and layouts to those of `PhonemeCtc`'s state."""
    prefix = "acoustic_model.model"
    target = {
        "features.filters": source["mel_fb"],
        "stem.weight": source["onnx::Conv_801"],
        "stem.bias": source["onnx::Conv_802"],
        "projection.weight": source[f"{prefix}.proj.weight"][:, :, 0],
        "projection.bias": source[f"{prefix}.proj.bias"],
    }
    for index in range(BLOCKS):
        theirs, ours = f"{prefix}.blocks.{index}", f"blocks.{index}"
        product, convolution = 829 + 9 * index, 804 + 3 * index

        def linear(number: int, product: int = product) -> NDArray[np.float32]:
            return source[f"onnx::MatMul_{product + number}"].T

        for feed_forward, name, first in (
            ("feed_forward_in", "ffn1", 0),
            ("feed_forward_out", "ffn2", 7),
        ):
            target[f"{ours}.{feed_forward}.0.weight"] = source[f"{theirs}.{name}.norm.weight"]
            target[f"{ours}.{feed_forward}.0.bias"] = source[f"{theirs}.{name}.norm.bias"]
            target[f"{ours}.{feed_forward}.1.weight"] = linear(first)
            target[f"{ours}.{feed_forward}.1.bias"] = source[f"{theirs}.{name}.fc1.bias"]
            target[f"{ours}.{feed_forward}.3.weight"] = linear(first + 1)
            target[f"{ours}.{feed_forward}.3.bias"] = source[f"{theirs}.{name}.fc2.bias"]
        target |= {
            f"{ours}.attention.norm.weight": source[f"{theirs}.attn_norm.weight"],
            f"{ours}.attention.norm.bias": source[f"{theirs}.attn_norm.bias"],
            f"{ours}.attention.projection_in.weight": linear(2),
            f"{ours}.attention.projection_in.bias": source[f"{theirs}.attn.in_proj_bias"],
            f"{ours}.attention.projection_out.weight": linear(6),
            f"{ours}.attention.projection_out.bias": source[f"{theirs}.attn.out_proj.bias"],
            f"{ours}.convolution.norm.weight": source[f"{theirs}.conv.norm.weight"],
            f"{ours}.convolution.norm.bias": source[f"{theirs}.conv.norm.bias"],
            f"{ours}.convolution.gate.weight": source[f"{theirs}.conv.pointwise1.weight"][:, :, 0],
            f"{ours}.convolution.gate.bias": source[f"{theirs}.conv.pointwise1.bias"],
            f"{ours}.convolution.depthwise.weight": source[f"onnx::Conv_{convolution}"],
            f"{ours}.convolution.depthwise.bias": source[f"onnx::Conv_{convolution + 1}"],
            f"{ours}.convolution.pointwise.weight": source[f"{theirs}.conv.pointwise2.weight"][
                :, :, 0
            ],
            f"{ours}.convolution.pointwise.bias": source[f"{theirs}.conv.pointwise2.bias"],
            f"{ours}.norm.weight": source[f"{theirs}.norm.weight"],
            f"{ours}.norm.bias": source[f"{theirs}.norm.bias"],
        }
    return target


def convert(wheel: Path, output: Path) -> None:
    """Write the weights and the vocabulary. Raises `CheckpointError` for another wheel."""
    with zipfile.ZipFile(verified(wheel, HAMA_SHA256)) as archive:
        source = read_hama_pack(archive.read("hama/assets/asr_waveform.hama"))
        decoder = json.loads(archive.read("hama/assets/g2p_vocab.json"))["decoder"]
    output.mkdir(parents=True, exist_ok=True)
    save_file(
        {
            name: np.ascontiguousarray(
                tensor, dtype=np.float32 if name == "features.filters" else np.float16
            )
            for name, tensor in sorted(rename(source).items())
        },
        output / "acoustic.safetensors",
        metadata={"source": "hama 1.7.0", "licence": "Apache-2.0", "wheel_sha256": HAMA_SHA256},
    )
    vocabulary = {"tokens": [*decoder, "<wb>", "<blank>"], "blank": 190, "word_boundary": 189}
    (output / "vocabulary.json").write_text(
        json.dumps(vocabulary, ensure_ascii=False, indent=1) + "\n", encoding="utf-8"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("wheel", type=Path, help="hama-1.7.0-py3-none-any.whl")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    arguments = parser.parse_args()
    convert(arguments.wheel, arguments.output)


if __name__ == "__main__":
    main()
