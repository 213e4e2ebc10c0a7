"""NeMo's own CTC models beside beamscribe's reading of the files that NeMo saves.

In an environment that has NeMo and beamscribe (made with nemo-toolkit 3.0.0),

    python -m benchmarks.nemo_parity

makes a small model of each architecture with seeded random weights, saves it as NeMo does, and
prints how far both readings of it differ, alone and in a padded batch. `--write FOLDER` keeps the
files and NeMo's outputs as the references of the tests.
"""

from __future__ import annotations

import argparse
import copy
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import sentencepiece
import torch
from nemo.collections.asr import models as nemo_models
from numpy.typing import NDArray
from omegaconf import OmegaConf

from models.nemo.checkpoint import NemoCheckpoint
from models.nemo.ctc import load_network

SAMPLES = (14_400, 9_137, 3_200)
LABELS = [" ", *"abcdefghijklmnopqrstuvwxyz'"]
TEXT = "it was the best of times it was the worst of times it was the age of wisdom "

MEL = {
    "_target_": "nemo.collections.asr.modules.AudioToMelSpectrogramPreprocessor",
    "sample_rate": 16_000,
    "window_size": 0.025,
    "window_stride": 0.01,
    "window": "hann",
    "normalize": "per_feature",
    "features": 16,
    "n_fft": 512,
    "dither": 1e-5,
    "pad_to": 0,
}
BLOCK = {
    "filters": 24,
    "repeat": 1,
    "kernel": [5],
    "stride": [1],
    "dilation": [1],
    "dropout": 0.0,
    "residual": False,
    "separable": True,
}
CITRINET = {"se": True, "se_context_size": -1, "kernel_size_factor": 0.5, "stride_last": True}
CONFORMER = {
    "_target_": "nemo.collections.asr.modules.ConformerEncoder",
    "feat_in": 16,
    "n_layers": 2,
    "d_model": 16,
    "n_heads": 2,
    "conv_kernel_size": 5,
    "subsampling": "striding",
    "subsampling_factor": 4,
    "self_attention_model": "rel_pos",
}
TRANSDUCER = {
    "model_defaults": {"enc_hidden": 16, "pred_hidden": 8, "joint_hidden": 8},
    "decoder": {
        "_target_": "nemo.collections.asr.modules.RNNTDecoder",
        "prednet": {"pred_hidden": 8, "pred_rnn_layers": 1},
        "vocab_size": -1,
    },
    "joint": {
        "_target_": "nemo.collections.asr.modules.RNNTJoint",
        "jointnet": {
            "encoder_hidden": 16,
            "pred_hidden": 8,
            "joint_hidden": 8,
            "activation": "relu",
        },
        "num_classes": -1,
        "vocabulary": [],
    },
    "decoding": {"strategy": "greedy", "greedy": {"max_symbols": 5}},
    "loss": {"loss_name": "default"},
}


def convolutional(*blocks: Mapping[str, Any], activation: str = "relu") -> dict[str, Any]:
    return {
        "_target_": "nemo.collections.asr.modules.ConvASREncoder",
        "feat_in": 16,
        "activation": activation,
        "conv_mask": True,
        "jasper": [{**BLOCK, **block} for block in blocks],
    }


MODELS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "quartznet": (
        "EncDecCTCModel",
        {"window_size": 0.02, "pad_to": 16},
        convolutional(
            {"kernel": [11], "stride": [2]},
            {"repeat": 3, "kernel": [7], "residual": True},
            {"kernel": [9], "dilation": [2], "filters": 32},
            {"kernel": [1], "filters": 40, "separable": False},
        ),
    ),
    "jasper": (
        "EncDecCTCModel",
        {"normalize": "all_features", "mag_power": 1.0, "log_zero_guard_type": "clamp"},
        convolutional(
            {"separable": False, "stride": [2]},
            *(
                {"separable": False, "repeat": 2, "residual": True, "residual_dense": True}
                for _ in range(3)
            ),
            {"separable": False, "kernel": [1], "residual_mode": "max", "residual": True},
            activation="hardtanh",
        ),
    ),
    "citrinet": (
        "EncDecCTCModelBPE",
        {},
        convolutional(
            {**CITRINET, "kernel": [5]},
            {
                **CITRINET,
                "kernel": [11],
                "repeat": 3,
                "stride": [2],
                "residual": True,
                "residual_mode": "stride_add",
            },
            {**CITRINET, "kernel": [13], "repeat": 2, "stride": [2], "residual": True},
            {**CITRINET, "kernel": [15], "future_context": 2, "filters": 32},
            activation="swish",
        ),
    ),
    "conformer": ("EncDecCTCModelBPE", {}, CONFORMER),
    "fastconformer": (
        "EncDecCTCModelBPE",
        {},
        {
            **CONFORMER,
            "subsampling": "dw_striding",
            "subsampling_factor": 8,
            "subsampling_conv_channels": 8,
            "xscaling": False,
            "use_bias": False,
        },
    ),
    "local": (
        "EncDecCTCModelBPE",
        {},
        {
            **CONFORMER,
            "subsampling": "dw_striding",
            "self_attention_model": "rel_pos_local_attn",
            "att_context_size": [4, 4],
            "feat_out": 12,
        },
    ),
    "streaming": (
        "EncDecCTCModelBPE",
        {"normalize": "NA"},
        {
            **CONFORMER,
            "subsampling": "dw_striding",
            "causal_downsampling": True,
            "att_context_style": "chunked_limited",
            "att_context_size": [[6, 2], [6, 0]],
            "conv_context_size": "causal",
            "conv_norm_type": "layer_norm",
        },
    ),
    "hybrid": ("EncDecHybridRNNTCTCBPEModel", {}, {**CONFORMER, "n_layers": 1}),
}


def waveforms() -> list[NDArray[np.float32]]:
    """Noise whose colour changes, one of each length of `SAMPLES`."""
    rng = np.random.default_rng(13)
    made = []
    for samples in SAMPLES:
        noise = rng.normal(0, 0.1, samples).astype(np.float32)
        tone = np.sin(np.cumsum(np.linspace(0.02, 0.9, samples)), dtype=np.float64)
        made.append(np.asarray(noise * (1 + tone) + 0.05 * tone, np.float32))
    return made


def make_tokenizer(folder: Path) -> None:
    """A SentencePiece model of 40 pieces, in the files that NeMo looks for."""
    corpus = folder / "corpus.txt"
    corpus.write_text("\n".join(TEXT[i:] for i in range(len(TEXT))), encoding="utf-8")
    sentencepiece.SentencePieceTrainer.train(
        input=str(corpus),
        model_prefix=str(folder / "tokenizer"),
        vocab_size=40,
        model_type="bpe",
        normalization_rule_name="identity",
        bos_id=-1,
        eos_id=-1,
        minloglevel=2,
    )
    pieces = [line.split("\t")[0] for line in (folder / "tokenizer.vocab").read_text().splitlines()]
    (folder / "vocab.txt").write_text("\n".join(pieces), encoding="utf-8")


def make_model(name: str, tokenizer: Path) -> Any:
    """One of `MODELS` with seeded weights; norms get statistics that are none of their defaults."""
    kind, mel, encoder = MODELS[name]
    width = encoder["jasper"][-1]["filters"] if "jasper" in encoder else encoder["d_model"]
    config: dict[str, Any] = {
        "sample_rate": 16_000,
        "preprocessor": {**MEL, **mel},
        "encoder": copy.deepcopy(encoder),
        "decoder": {
            "_target_": "nemo.collections.asr.modules.ConvASRDecoder",
            "feat_in": encoder.get("feat_out", width),
            "num_classes": -1,
            "vocabulary": [],
        },
    }
    if kind == "EncDecCTCModel":
        config["labels"] = config["decoder"]["vocabulary"] = LABELS
        config["decoder"]["num_classes"] = len(LABELS)
    else:
        config["tokenizer"] = {"dir": str(tokenizer), "type": "bpe"}
    if kind == "EncDecHybridRNNTCTCBPEModel":
        config = {
            **config,
            **TRANSDUCER,
            "aux_ctc": {"decoder": config["decoder"], "decoding": {"strategy": "greedy"}},
        }
    torch.manual_seed(sum(name.encode()))
    model = getattr(nemo_models, kind)(OmegaConf.create(config)).eval()
    with torch.no_grad():
        for key, value in model.state_dict().items():
            if key.endswith(("pos_bias_u", "pos_bias_v", "running_mean")):
                value.normal_(0, 0.3)
            elif key.endswith("running_var"):
                value.uniform_(0.5, 2.0)
            elif key.endswith(("norm.weight", "batch_norm.weight", "norm_out.weight")):
                value.uniform_(0.5, 1.5)
    return model


@torch.no_grad()
def nemo_log_probs(model: Any, batch: list[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
    """Log-probabilities `(T_i, C)` of a padded batch, by NeMo."""
    signal = torch.nn.utils.rnn.pad_sequence(
        [torch.from_numpy(waveform) for waveform in batch], batch_first=True
    )
    outputs = model(
        input_signal=signal,
        input_signal_length=torch.tensor([len(waveform) for waveform in batch]),
    )
    log_probs, lengths = outputs[:2]
    if hasattr(model, "ctc_decoder"):  # a hybrid gives what its encoder does
        log_probs = model.ctc_decoder(encoder_output=log_probs)
    return [
        np.asarray(row[:length], np.float32)
        for row, length in zip(log_probs.numpy(), lengths.tolist(), strict=True)
    ]


@torch.inference_mode()
def own_log_probs(path: Path, batch: list[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
    """Log-probabilities `(T_i, C)` of a padded batch, by beamscribe."""
    network = load_network(NemoCheckpoint.read(path)).eval()
    log_probs, lengths = network.emit([torch.from_numpy(waveform) for waveform in batch])
    return [row[:length].numpy() for row, length in zip(log_probs, lengths.tolist(), strict=True)]


def furthest(one: list[NDArray[np.float32]], other: list[NDArray[np.float32]]) -> float:
    """The largest difference. Raises `ValueError` where shapes differ."""
    return max(float(np.abs(a - b).max()) for a, b in zip(one, other, strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--write", type=Path, metavar="FOLDER")
    arguments = parser.parse_args()
    batch = waveforms()
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.write or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        make_tokenizer(Path(scratch))
        print(f"{'':<16}{'NeMo alone':>12}{'NeMo batch':>12}{'own batch':>12}")
        for name in MODELS:
            model = make_model(name, Path(scratch))
            if "tokenizer" in model.cfg:
                model.cfg.tokenizer.dir = None  # what was there is of this machine
            path = folder / f"{name}.nemo"
            model.save_to(str(path))
            alone = [nemo_log_probs(model, [waveform])[0] for waveform in batch]
            own = [own_log_probs(path, [waveform])[0] for waveform in batch]
            together = own_log_probs(path, batch)
            differences = (
                furthest(own, alone),
                furthest(together, nemo_log_probs(model, batch)),
                furthest(together, own),
            )
            print(f"{name:<16}" + "".join(f"{value:>12.1e}" for value in differences))
            if arguments.write:
                np.savez_compressed(folder / f"{name}.npz", *alone)


if __name__ == "__main__":
    main()
