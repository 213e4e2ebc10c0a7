"""NeMo's own outputs, and what a batch may not change.

`benchmarks.nemo_parity` wrote the files in tests/data/nemo with NeMo 3.0.0: a small model of each
architecture with seeded random weights, and the log-probabilities that NeMo computes with it.
"""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from models.errors import CheckpointError
from models.nemo.checkpoint import NemoCheckpoint
from models.nemo.ctc import NemoCtc, load_network
from tests.models.nemo.checkpoints import FOLDER, NAMES, members, pack, reconfigured

SAMPLES = (14_400, 9_137, 3_200)
Network = tuple[str, NemoCheckpoint, NemoCtc]


def waveforms() -> list[NDArray[np.float32]]:
    """As `benchmarks.nemo_parity.waveforms`, which cannot be imported without NeMo."""
    rng = np.random.default_rng(13)
    made = []
    for samples in SAMPLES:
        noise = rng.normal(0, 0.1, samples).astype(np.float32)
        tone = np.sin(np.cumsum(np.linspace(0.02, 0.9, samples)), dtype=np.float64)
        made.append(np.asarray(noise * (1 + tone) + 0.05 * tone, np.float32))
    return made


@pytest.fixture(scope="module", params=NAMES)
def network(request: pytest.FixtureRequest) -> Network:
    checkpoint = NemoCheckpoint.read(FOLDER / f"{request.param}.nemo")
    return request.param, checkpoint, load_network(checkpoint).eval()


def test_every_architecture_is_there() -> None:
    assert NAMES == [
        "citrinet",
        "conformer",
        "fastconformer",
        "hybrid",
        "jasper",
        "local",
        "quartznet",
        "streaming",
    ]


def test_log_probabilities_are_those_of_nemo(network: Network) -> None:
    name, _, own = network
    reference = np.load(FOLDER / f"{name}.npz")
    for index, waveform in enumerate(waveforms()):
        log_probs, lengths = own.emit([torch.from_numpy(waveform)])
        expected = reference[f"arr_{index}"]
        assert log_probs.shape == (1, *expected.shape) and lengths.tolist() == [len(expected)]
        np.testing.assert_allclose(log_probs[0].numpy(), expected, atol=1e-5)
    assert expected.std() > 0.1, "a flat emission would agree with anything"


def test_a_frame_is_as_long_as_the_checkpoint_says(network: Network) -> None:
    name, checkpoint, _ = network
    frames = len(np.load(FOLDER / f"{name}.npz")["arr_0"])
    # Causal subsampling has a frame more.
    assert 0 <= frames - 14_400 / checkpoint.frame_samples < 2


def test_a_batch_changes_nothing(network: Network) -> None:
    _, _, own = network
    items = [torch.from_numpy(waveform) for waveform in waveforms()]
    for order in ([0, 1, 2], [2, 0], [1, 2, 1]):
        together, lengths = own.emit([items[index] for index in order])
        for row, length, index in zip(together, lengths.tolist(), order, strict=True):
            alone, _ = own.emit([items[index]])
            torch.testing.assert_close(row[:length], alone[0], atol=1e-5, rtol=0)


def test_padding_is_invisible_whatever_it_holds(network: Network) -> None:
    _, checkpoint, own = network
    torch.manual_seed(0)
    lengths = torch.tensor([61, 40, 9, 1])
    features = torch.randn(4, 61, checkpoint.mel.filters)
    garbage = features.clone()
    for row, length in enumerate(lengths.tolist()):
        garbage[row, length:] = torch.inf
    clean, emitted = own(features, lengths)
    dirty, _ = own(garbage, lengths)
    for row, length in enumerate(emitted.tolist()):
        torch.testing.assert_close(dirty[row, :length], clean[row, :length], rtol=0, atol=0)
    torch.testing.assert_close(
        clean[0].exp().sum(dim=-1), torch.ones(int(emitted[0])), atol=1e-5, rtol=0
    )


def test_no_gradient_reaches_padding_or_a_neighbour(network: Network) -> None:
    _, checkpoint, own = network
    torch.manual_seed(0)
    features = torch.randn(2, 48, checkpoint.mel.filters, requires_grad=True)
    log_probs, emitted = own(features, torch.tensor([48, 21]))
    log_probs[1, : emitted[1]].square().sum().backward()
    assert features.grad is not None
    assert features.grad[1, :21].abs().max() > 0
    assert features.grad[1, 21:].abs().max() == 0
    assert features.grad[0].abs().max() == 0


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("conformer", {"encoder.n_layers": 1}, "belong to no part of the configured network"),
        ("conformer", {"encoder.n_layers": 3}, "the weights lack encoder.layers.2."),
        ("fastconformer", {"encoder.use_bias": True}, "the weights lack encoder.layers.0."),
        ("quartznet", {"encoder.jasper.1.filters": 30}, r"shape .* but the configuration says"),
    ],
)
def test_weights_of_another_configuration(
    tmp_path_factory: pytest.TempPathFactory, name: str, changes: dict[str, object], message: str
) -> None:
    path = reconfigured(tmp_path_factory.mktemp("nemo") / "odd.nemo", name, changes)
    with pytest.raises(CheckpointError, match=message):
        load_network(NemoCheckpoint.read(path))


def test_a_gzipped_file_is_the_same_model(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = pack(tmp_path_factory.mktemp("nemo") / "q.nemo", members("quartznet"), "w:gz")
    zipped = load_network(NemoCheckpoint.read(path)).eval()
    plain = load_network(NemoCheckpoint.read(FOLDER / "quartznet.nemo")).eval()
    item = torch.from_numpy(waveforms()[1])
    torch.testing.assert_close(zipped.emit([item])[0], plain.emit([item])[0], atol=0, rtol=0)
