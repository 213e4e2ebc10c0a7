import json
from dataclasses import asdict
from pathlib import Path
from urllib.error import URLError

import pytest
import torch
from safetensors.torch import save_file

from models import TransducerRecognizer, find_model, load_model, load_recognizer
from models.emformer_card import EmformerBundle
from models.errors import CheckpointError
from tests.models.emformers import SHAPE, emformer, write_folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_folder(tmp_path, emformer(seed=4))


def test_a_folder_is_a_model(folder: Path) -> None:
    model = load_model(f"emformer:{folder}")
    assert isinstance(model, TransducerRecognizer)
    assert model.card.language == "und"
    assert model.card.frame_samples == 640
    # Four feature frames make one of the encoder; the middle of the first four is at 240 samples.
    assert model.card.frame_edge_samples(0) == -80
    expected = emformer(seed=4).state_dict()
    for name, tensor in model.network.state_dict().items():
        torch.testing.assert_close(tensor, expected[name])


def test_a_card_beside_it_says_what_it_is(folder: Path) -> None:
    (folder / "card.json").write_text('{"language": "en", "licence": "CC0", "description": "d"}')
    card = find_model(f"emformer:{folder}")
    assert (card.language, card.licence, card.description) == ("en", "CC0", "d")


def test_another_file_is_another_fingerprint(folder: Path) -> None:
    before = find_model(f"emformer:{folder}").acoustic_fingerprint()
    state = emformer(seed=5).state_dict()
    save_file({n: t.contiguous() for n, t in state.items()}, folder / "acoustic.safetensors")
    assert find_model(f"emformer:{folder}").acoustic_fingerprint() != before


def test_a_transducer_has_no_emissions(folder: Path) -> None:
    with pytest.raises(CheckpointError, match="is a transducer"):
        load_recognizer(f"emformer:{folder}")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("shape.json", '{"sizes": 1}', "its fields are sample_rate_hz, "),
        ("shape.json", "[]", "no JSON object"),
        ("shape.json", None, "No such file"),
        ("vocabulary.json", '{"tokens": ["a", "b"], "blank": 0}', "expected the last, 1"),
        ("vocabulary.json", "{", "Expecting property name"),
        ("acoustic.safetensors", "no", "cannot be used"),
    ],
)
def test_what_is_wrong_with_a_folder_is_said(
    folder: Path, name: str, content: str | None, message: str
) -> None:
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_text(content)
    with pytest.raises(CheckpointError, match=message) as raised:
        load_model(f"emformer:{folder}")
    assert name in str(raised.value)


def test_weights_of_another_shape_are_refused(folder: Path) -> None:
    (folder / "shape.json").write_text(json.dumps({**asdict(SHAPE), "hidden": 48}))
    with pytest.raises(CheckpointError, match="size mismatch"):
        load_model(f"emformer:{folder}")


def test_a_bundle_that_cannot_be_fetched_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    class Offline:
        def get_token_processor(self) -> None:
            raise URLError("no route to host")

    monkeypatch.setattr(
        "torchaudio.pipelines.EMFORMER_RNNT_BASE_LIBRISPEECH", Offline(), raising=True
    )
    card = find_model("emformer-rnnt-librispeech")
    assert card.frame_samples == 640
    with pytest.raises(CheckpointError, match=r"cannot be fetched.*no route to host"):
        card.vocabulary()


def test_a_bundles_pieces_statistics_and_weights_become_a_model(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The same architecture with other weights, in the form in which torchaudio hands it over."""
    reference = emformer(seed=7)

    class Pieces:
        def id_to_piece(self, index: int) -> str:
            return ("<s>", "<pad>", "</s>", "<unk>", "▁a", "b")[index]

        def get_piece_size(self) -> int:
            return 6

        def unk_id(self) -> int:
            return 3

        def bos_id(self) -> int:
            return 0

        def eos_id(self) -> int:
            return 2

        def pad_id(self) -> int:
            return 1

    class Processor:
        sp_model = Pieces()

    class Extractor(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            statistics = torch.nn.Module()
            statistics.register_buffer("mean", reference.features.mean)
            statistics.register_buffer("invstddev", reference.features.invstddev)
            self.pipeline = torch.nn.Sequential(torch.nn.Identity(), statistics)

    class Decoder:
        model = reference.rnnt

    class Bundle:
        def get_token_processor(self) -> Processor:
            return Processor()

        def get_feature_extractor(self) -> Extractor:
            return Extractor()

        def get_decoder(self) -> Decoder:
            return Decoder()

    monkeypatch.setattr("torchaudio.pipelines.EMFORMER_RNNT_BASE_LIBRISPEECH", Bundle())
    monkeypatch.setattr("models.emformer_card.EmformerRnntShape", lambda: SHAPE)
    model = EmformerBundle("a-bundle", "EMFORMER_RNNT_BASE_LIBRISPEECH")
    vocabulary = model.vocabulary()
    assert vocabulary.blank == 6
    assert [vocabulary.text(index) for index in range(7)] == ["", "", "", "", "a", "b", ""]
    network = model.load()
    for name, tensor in reference.state_dict().items():
        torch.testing.assert_close(network.state_dict()[name], tensor)
