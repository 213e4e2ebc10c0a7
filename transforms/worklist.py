"""What a run has to do, laid out in its staging so that workers can read it.

A job's graph holds names of these files only: a manifest of millions of rows neither fills the
launcher's memory nor exceeds what an engine takes as a job.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict

import apache_beam as beam
from apache_beam.pvalue import TaggedOutput

from transforms.commit import RunOutput, write_whole
from transforms.errors import OutputError
from transforms.records import Failure, Recording
from transforms.store import Stores

ITEMS_PER_FILE = 10_000

Item = Recording | Failure


def write_worklist(items: Iterable[Item], output: RunOutput) -> list[str]:
    """Write recordings and broken manifest lines to files; their URIs. Raises `OutputError`."""
    names: list[str] = []
    source = iter(items)
    while chunk := list(itertools.islice(source, ITEMS_PER_FILE)):
        uri = f"{output.staging}/worklist/{len(names):06}.jsonl"
        text = "".join(json.dumps(_encode(item), ensure_ascii=False) + "\n" for item in chunk)
        try:
            write_whole(uri, text, output.stores)
        except OSError as error:
            raise OutputError(f"cannot write {uri}: {error}") from error
        names.append(uri)
    return names


def read_worklist(uri: str, stores: Stores) -> Iterator[Item]:
    """The items of one file, in order. Raises `OutputError` where it is gone."""
    try:
        filesystem, path = stores.locate(uri)
        with filesystem.open(path, "r", encoding="utf-8") as file:
            for line in file:
                yield _decode(json.loads(line))
    except OSError as error:
        raise OutputError(f"cannot read {uri}, which this run wrote: {error}") from error


class ReadWorklist(beam.PTransform):
    """Files of a worklist into `recordings`, spread over workers, and `failures`."""

    def __init__(self, stores: Stores) -> None:
        super().__init__()
        self.stores = stores

    def expand(self, uris: beam.PCollection) -> beam.pvalue.DoOutputsTuple:
        return uris | "Read" >> beam.ParDo(_ReadWorklist(self.stores)).with_outputs(
            "failures", main="recordings"
        )


class _ReadWorklist(beam.DoFn):
    def __init__(self, stores: Stores) -> None:
        self.stores = stores

    def process(self, uri: str) -> Iterator[Recording | TaggedOutput]:
        for item in read_worklist(uri, self.stores):
            yield item if isinstance(item, Recording) else TaggedOutput("failures", item)


def _encode(item: Item) -> dict[str, object]:
    return asdict(item)


def _decode(fields: dict[str, object]) -> Item:
    if "recording" not in fields:
        return _recording(fields)
    inner = fields["recording"]
    if not isinstance(inner, dict):
        raise ValueError("a worklist's failure holds no recording")
    return Failure(**{**fields, "recording": _recording(inner)})  # type: ignore[arg-type]


def _recording(fields: dict[str, object]) -> Recording:
    """JSON has lists where a recording has tuples."""
    tuples = {
        name: tuple(tuple(part) if isinstance(part, list) else part for part in value)
        for name, value in fields.items()
        if isinstance(value, list)
    }
    return Recording(**{**fields, **tuples})  # type: ignore[arg-type]
