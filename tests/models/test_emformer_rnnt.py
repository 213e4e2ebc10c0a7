import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torchaudio.models import emformer_rnnt_base

from models.emformer_rnnt import EmformerRnnt
from models.emformer_shape import EmformerRnntShape
from tests.models.emformers import emformer


def test_the_default_shape_is_torchaudios_base(monkeypatch: pytest.MonkeyPatch) -> None:
    # 77 million weights are not needed to know their names and shapes; the features' filters are.
    monkeypatch.setattr("models.emformer_rnnt.GlobalLogMel", lambda *_: torch.nn.Identity())
    with torch.device("meta"):
        ours = EmformerRnnt(EmformerRnntShape()).rnnt.state_dict()
        theirs = emformer_rnnt_base(num_symbols=4097).state_dict()
    assert {name: tensor.shape for name, tensor in ours.items()} == {
        name: tensor.shape for name, tensor in theirs.items()
    }


def test_encodings_are_torchaudios(speech: dict[str, NDArray[np.float32]]) -> None:
    network = emformer(seed=4)
    for samples in list(speech.values())[:2]:
        waveform = torch.from_numpy(samples)
        features = network.features(waveform)
        # The bundle's own right padding.
        padded = torch.nn.functional.pad(features, (0, 0, 0, 4))
        reference, _ = network.rnnt.transcribe(padded[None], torch.tensor([len(features)]))
        encoded, lengths = network.encode_waveforms([waveform])
        assert lengths.tolist() == [len(features) // 4]
        torch.testing.assert_close(encoded, reference, atol=1e-4, rtol=1e-4)


def test_a_batch_encodes_as_each_alone(speech: dict[str, NDArray[np.float32]]) -> None:
    network = emformer(seed=5, memories=2)
    waveforms = [torch.from_numpy(samples) for samples in list(speech.values())[:5]]
    waveforms.append(waveforms[0][:201])
    encoded, lengths = network.encode_waveforms(waveforms)
    for waveform, row, length in zip(waveforms, encoded, lengths.tolist(), strict=True):
        alone, (single,) = network.encode_waveforms([waveform])
        assert length == single
        torch.testing.assert_close(row[:length], alone[0], atol=1e-4, rtol=1e-4)


def test_predictions_are_torchaudios() -> None:
    network = emformer(seed=6)
    tokens = torch.tensor([[6, 2, 3, 1], [6, 4, 5, 0]])
    reference, _, _ = network.rnnt.predict(tokens, torch.tensor([4, 4]), None)
    prediction = network.begin(2)
    torch.testing.assert_close(prediction.output, reference[:, 0])
    for place in range(1, 4):
        prediction = network.predict(tokens[:, place], prediction)
        torch.testing.assert_close(prediction.output, reference[:, place])
    joined, _, _ = network.rnnt.join(
        reference, torch.tensor([4, 4]), reference, torch.tensor([4, 4])
    )
    ours = network.log_probs(reference[:, :, None], reference[:, None])
    torch.testing.assert_close(ours, torch.log_softmax(joined, dim=-1))
