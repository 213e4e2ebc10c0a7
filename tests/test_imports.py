"""pipeline -> transforms -> models; no arrow runs back."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = sorted(
    path for room in ("pipeline", "transforms", "models") for path in (ROOT / room).rglob("*.py")
)
FORBIDDEN = {
    "models": {"pipeline", "transforms", "apache_beam", "argparse", "rich", "pyarrow"},
    "transforms": {"pipeline", "argparse", "rich", "torch"},
    "pipeline": set(),
}
STAGES = {"manifest", "audio", "segment", "batch", "recognize", "join", "parquet"}


def imported(path: Path) -> set[str]:
    """Dotted names of every module that a file imports, wherever in the file."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


@pytest.mark.parametrize("path", ROOMS, ids=lambda path: str(path.relative_to(ROOT)))
def test_arrows_run_one_way(path: Path) -> None:
    place = path.relative_to(ROOT).parts
    forbidden = set(FORBIDDEN[place[0]])
    if "weights" in place:
        forbidden -= {"argparse"}  # conversion scripts are commands of their own
    names = imported(path)
    assert not {name.split(".")[0] for name in names} & forbidden
    if place[0] == "transforms":
        stage = path.stem
        others = {f"transforms.{other}" for other in STAGES - {stage}}
        assert not names & others, "stages import records and errors, never each other"
        if stage != "recognize":
            assert not any(name.split(".")[0] == "models" for name in names)


def test_rooms_stay_small() -> None:
    assert {path.name for path in ROOMS if len(path.read_text().splitlines()) > 300} == set()


def test_the_check_sees_imports_inside_functions(tmp_path: Path) -> None:
    source = tmp_path / "room.py"
    source.write_text("def f():\n    from pipeline import run\n    import torch.nn\n")
    assert imported(source) == {"pipeline", "torch.nn"}
