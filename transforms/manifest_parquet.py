"""Manifests in Parquet, read a batch of rows at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from transforms.errors import ManifestError, ManifestLineError
from transforms.manifest_lines import Row
from transforms.manifest_table import check_columns

BATCH_ROWS = 1024


def read_parquet(stream: BinaryIO, source: str) -> Iterator[Row]:
    """Rows by their column names, numbered from 1. Columns of bytes are not read.

    Raises `ManifestError` for a file that cannot be read, or that has no column of audio.
    """
    try:
        file = pq.ParquetFile(stream)
        names = _columns(file.schema_arrow, source)
        number = 0
        for batch in file.iter_batches(batch_size=BATCH_ROWS, columns=names):
            for fields in _rows(batch):
                number += 1
                yield f"{source}:{number}", fields
    except (pa.ArrowException, OSError) as error:
        raise ManifestError(f"{source} cannot be read: {error}") from error


def _columns(schema: pa.Schema, source: str) -> list[str]:
    names = [
        field.name
        for field in schema
        if not _holds_bytes(field.type) and not field.name.startswith("__index_level_")
    ]
    if "audio" in schema.names and "audio" not in names:
        try:
            check_columns(names, source)
        except ManifestError:
            raise ManifestError(
                f"{source} holds the audio itself, in its column 'audio'; write it to files, "
                "and name their paths"
            ) from None
    check_columns(names, source)
    return names


def _holds_bytes(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind) or pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return any(_holds_bytes(kind.field(index).type) for index in range(kind.num_fields))
    return bool(
        pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_binary_view(kind)
        or pa.types.is_fixed_size_binary(kind)
    )


def _rows(batch: pa.RecordBatch) -> Iterator[dict[str, Any] | ManifestLineError]:
    batch = pa.RecordBatch.from_arrays(
        [_as_text(column) for column in batch.columns], names=batch.schema.names
    )
    try:
        yield from batch.to_pylist()
    except UnicodeDecodeError:
        for index in range(len(batch)):
            try:
                yield batch.slice(index, 1).to_pylist()[0]
            except UnicodeDecodeError as error:
                yield ManifestLineError(f"is not UTF-8: {error}")


def _as_text(column: pa.Array) -> pa.Array:
    """Points in time as text: Python has none of a nanosecond."""
    return column.cast(pa.string()) if pa.types.is_temporal(column.type) else column
