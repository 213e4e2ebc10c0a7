import pytest

from benchmarks.kills import rows_of
from tests.pipeline.processes import Archive, run, write_manifest


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    """Three short recordings, and what an undisturbed job makes of them."""
    folder = tmp_path_factory.mktemp("archive")
    manifest = write_manifest(folder / "manifest.jsonl")
    exit_code, said = run(manifest, folder / "out")
    assert exit_code == 0, said
    rows = rows_of(folder / "out")
    assert [row["status"] for row in rows["recordings"]] == ["ok"] * 3
    return Archive(manifest, rows)
