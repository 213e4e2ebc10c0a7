"""A configuration's values, each read as the type it must have."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from models.errors import CheckpointError

_REFERENCE = re.compile(r"\$\{(?:model\.)?([\w.]+)\}")

Number = TypeVar("Number", int, float)


@dataclass(frozen=True, slots=True)
class Section:
    """Part of a checkpoint's configuration; `place` names it in errors, `root` is the whole.

    A value `${a.b}` stands for the one at that place of the root, as OmegaConf writes it. Every
    error is a `CheckpointError` that names checkpoint, place, value and what is supported.
    """

    checkpoint: str
    place: str
    values: Mapping[str, Any]
    root: Mapping[str, Any]

    @classmethod
    def of(cls, checkpoint: str, values: Mapping[str, Any]) -> Section:
        return cls(checkpoint, "", values, values)

    def has(self, name: str) -> bool:
        return self._find(name) is not None

    def section(self, name: str) -> Section:
        value = self._find(name)
        if not isinstance(value, Mapping):
            raise self.wrong(name, "a mapping")
        return Section(self.checkpoint, self._at(name), value, self.root)

    def sections(self, name: str) -> Iterator[Section]:
        value = self._find(name)
        if not isinstance(value, list) or not all(isinstance(item, Mapping) for item in value):
            raise self.wrong(name, "a list of mappings")
        for index, item in enumerate(value):
            yield Section(self.checkpoint, f"{self._at(name)}[{index}]", item, self.root)

    def integer(self, name: str, default: int | None = None, least: int = 1) -> int:
        value = self._find(name, default)
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise self.wrong(name, f"a whole number of at least {least}")
        return value

    def number(self, name: str, default: float | None = None) -> float:
        value = self._find(name, default)
        # YAML 1.1 reads 1e-05 as text.
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise self.wrong(name, "a number")
        try:
            return float(value)
        except ValueError:
            raise self.wrong(name, "a number") from None

    def boolean(self, name: str, default: bool) -> bool:
        value = self._find(name, default)
        if not isinstance(value, bool):
            raise self.wrong(name, "true or false")
        return value

    def text(self, name: str, default: str | None = None) -> str:
        value = self._find(name, default)
        if not isinstance(value, str):
            raise self.wrong(name, "text")
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        value = self._find(name)
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self.wrong(name, "a list of texts")
        return tuple(value)

    def integers(self, name: str, default: Sequence[int] | None = None) -> tuple[int, ...]:
        value = self._find(name, default)
        if not isinstance(value, list | tuple) or not all(type(item) is int for item in value):
            raise self.wrong(name, "a list of whole numbers")
        return tuple(value)

    def one_of(self, name: str, choices: Sequence[str], default: str | None = None) -> str:
        value = self._find(name, default)
        if value not in choices:
            raise self.wrong(name, " or ".join(choices))
        return str(value)

    def only(self, name: str, *supported: object) -> None:
        """Refuse a setting that, where it is given, is none of `supported`; null always passes."""
        value = self._find(name)
        if value is not None and value not in supported:
            raise self.wrong(name, " or ".join(map(repr, supported)))

    def wrong(self, name: str, supported: str) -> CheckpointError:
        return CheckpointError(
            f"{self.checkpoint}: {self._at(name)} is {self._find(name)!r}; supported: {supported}"
        )

    def _at(self, name: str) -> str:
        return f"{self.place}.{name}" if self.place else name

    def _find(self, name: str, default: object = None) -> Any:
        value = self.values.get(name)
        if isinstance(value, str) and (reference := _REFERENCE.fullmatch(value)):
            value = self.root
            for part in reference[1].split("."):
                value = value.get(part) if isinstance(value, Mapping) else None
        return default if value is None else value
