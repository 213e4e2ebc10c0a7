"""What is done: the ledger rows of a committed run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pipeline.errors import ConfigurationError

if TYPE_CHECKING:
    import fsspec


def read_run(
    filesystem: fsspec.AbstractFileSystem, root: str, run_id: str, columns: Sequence[str]
) -> list[dict[str, Any]]:
    """Some columns of every row of a run's ledger, under `root` of an output directory.

    Raises `ConfigurationError` naming a file that cannot be read or lacks one of the columns.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows: list[dict[str, Any]] = []
    for path in filesystem.find(f"{root}/recordings/run={run_id}", maxdepth=1):
        if not path.endswith(".parquet"):
            continue
        try:
            with filesystem.open(path, "rb") as file:
                table = pq.ParquetFile(file).read(columns=list(columns))
        except (OSError, pa.ArrowInvalid) as error:
            raise ConfigurationError(f"cannot read the ledger {path}: {error}") from error
        missing = sorted(set(columns) - set(table.column_names))
        if missing:
            raise ConfigurationError(f"the ledger {path} lacks {', '.join(missing)}")
        rows += table.select(list(columns)).to_pylist()
    return rows
