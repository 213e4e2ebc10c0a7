import io
import pickle
import tarfile
import tempfile
from pathlib import Path

import pytest
import torch

from models.errors import CheckpointError
from models.nemo import archive
from models.nemo.archive import NemoArchive
from tests.models.nemo.checkpoints import FOLDER, members, pack

GOOD = {"model_config.yaml": b"a: 1\n", "model_weights.ckpt": b"", "x_vocab.txt": b"hello"}


def state(tensors: object) -> bytes:
    file = io.BytesIO()
    torch.save(tensors, file)
    return file.getvalue()


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_members_are_read(tmp_path: Path, mode: str) -> None:
    content = {**GOOD, "model_weights.ckpt": state({"w": torch.ones(3)})}
    found = NemoArchive(pack(tmp_path / "m.nemo", content, mode))
    assert found.configuration() == {"a": 1}
    assert found.artifact("nemo:x_vocab.txt") == b"hello"
    assert found.weights()["w"].tolist() == [1, 1, 1]


def test_what_nemo_saves_is_read() -> None:
    found = NemoArchive(FOLDER / "conformer.nemo")
    configuration = found.configuration()
    assert configuration["target"].endswith("EncDecCTCModelBPE")
    reference = configuration["tokenizer"]["model_path"]
    assert found.artifact(reference) == members("conformer")[reference.removeprefix("nemo:")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read"),
        (b"", "is no .nemo file"),
        (b"RIFF....WAVE" * 99, "is no .nemo file"),
    ],
)
def test_other_files(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "other.nemo"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CheckpointError, match=f"other.nemo.*{message}"):
        NemoArchive(path).configuration()


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_a_file_that_is_cut_short(tmp_path: Path, mode: str) -> None:
    content = {**GOOD, "model_weights.ckpt": state({"w": torch.randn(40_000)})}
    path = pack(tmp_path / "m.nemo", content, mode)
    path.write_bytes(path.read_bytes()[:80_000])
    with pytest.raises(CheckpointError, match=r"m\.nemo"):
        NemoArchive(path).weights()


def test_a_missing_member_is_named(tmp_path: Path) -> None:
    path = pack(tmp_path / "m.nemo", {"readme.txt": b""})
    with pytest.raises(CheckpointError, match=r"no member model_config\.yaml; it has readme\.txt"):
        NemoArchive(path).configuration()


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return eval, ("open('/nonexistent/pwned', 'w')",)


@pytest.mark.parametrize(
    "content", [pickle.dumps(Bomb(), protocol=2), state({"w": Bomb()}), b"junk"]
)
def test_nothing_but_tensors_is_unpickled(tmp_path: Path, content: bytes) -> None:
    path = pack(tmp_path / "m.nemo", {**GOOD, "model_weights.ckpt": content})
    with pytest.raises(CheckpointError, match="something else than tensors"):
        NemoArchive(path).weights()


@pytest.mark.parametrize("content", [state([torch.ones(1)]), state({"w": 1})])
def test_weights_are_a_mapping_to_tensors(tmp_path: Path, content: bytes) -> None:
    path = pack(tmp_path / "m.nemo", {**GOOD, "model_weights.ckpt": content})
    with pytest.raises(CheckpointError, match="no mapping of names to tensors"):
        NemoArchive(path).weights()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a: !!python/object/apply:os.system ['true']", "not plain YAML"),
        (b"a: [", "not plain YAML"),
        (b"\xff\xfe\x00", "not plain YAML"),
        (b"- 1", "no mapping"),
    ],
)
def test_the_configuration_is_plain(tmp_path: Path, content: bytes, message: str) -> None:
    path = pack(tmp_path / "m.nemo", {**GOOD, "model_config.yaml": content})
    with pytest.raises(CheckpointError, match=message):
        NemoArchive(path).configuration()


def test_a_large_configuration_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MOST_CONFIGURATION_BYTES", 4)
    path = pack(tmp_path / "m.nemo", GOOD)
    with pytest.raises(CheckpointError, match=r"model_config\.yaml has 5 bytes; at most 4"):
        NemoArchive(path).configuration()


def test_a_member_on_the_way_is_not_unpacked_where_it_is_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "MOST_WEIGHT_BYTES", 1_000)
    path = pack(tmp_path / "m.nemo", {"bomb": b"\0" * 2_000, **GOOD}, "w:gz")
    with pytest.raises(CheckpointError, match="bomb has 2,000 bytes"):
        NemoArchive(path).configuration()


def test_many_members_are_not_searched(tmp_path: Path) -> None:
    crowd = {f"{index}": b"" for index in range(archive.MOST_MEMBERS + 1)}
    with pytest.raises(CheckpointError, match="more than 256 members"):
        NemoArchive(pack(tmp_path / "m.nemo", {**crowd, **GOOD})).configuration()


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("a: 1")
    path = tmp_path / "m.nemo"
    with tarfile.open(path, "w") as made:
        link = tarfile.TarInfo("model_config.yaml")
        link.type, link.linkname = tarfile.SYMTYPE, str(secret)
        made.addfile(link)
    with pytest.raises(CheckpointError, match="no regular file"):
        NemoArchive(path).configuration()


def test_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    content = {**GOOD, "../escaped": b"x", "model_weights.ckpt": state({"w": torch.ones(1)})}
    found = NemoArchive(pack(tmp_path / "m.nemo", content))
    found.configuration()
    found.weights()
    assert sorted(tmp_path.iterdir()) == [tmp_path / "m.nemo", scratch]
    assert list(scratch.iterdir()) == []
