"""The problem as the linear program sees it: groups of devices, shapes of pods, their parts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _core

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .templates import Table

__all__ = ["Group", "Part", "Shape"]

#: A part of a device: milli of it, 1000 for all of it, or the name of a template's profile.
Part = int | str


@dataclass(frozen=True)
class Shape:
    """What a pod asks for. `models` None: any; `weight`: milli of devices that it counts for."""

    cpu: int
    memory: int
    gpus: int
    part: Part
    models: frozenset[str] | None
    weight: int


@dataclass(frozen=True)
class Group:
    """All nodes of one model: their devices, CPU and memory together, and the largest node."""

    model: str
    devices: int
    cpu: int
    memory: int
    most_cpu: int
    most_memory: int
    most_devices: int
    table: Table | None = None

    def serves(self, shape: Shape) -> bool:
        """Whether an empty node of the group might hold such a pod."""
        if shape.cpu > self.most_cpu or shape.memory > self.most_memory:
            return False
        if shape.gpus == 0:
            return True
        if shape.models is not None and self.model not in shape.models:
            return False
        return shape.gpus <= self.most_devices and self.most(shape.part) > 0

    def most(self, part: Part) -> int:
        """How many of a part one device holds."""
        if self.table is None:
            return 0 if isinstance(part, str) else 1000 // part
        if isinstance(part, str):
            return self.table.most(part)
        return 1 if part == 1000 else 0

    def best_content(
        self, parts: list[Part], value: NDArray[np.int64]
    ) -> tuple[int, NDArray[np.int32]]:
        """Return the value of the best content of a device, and how often it has each part."""
        if self.table is None:
            best, count = _core.packing_content(np.array(parts, np.int32), value)
            return int(best), count
        names = self.table.profiles
        by_name = {p: int(v) for p, v in zip(parts, value.tolist(), strict=True)}
        whole = by_name.get(1000, 0)
        priced: Any = np.array([by_name.get(name, 0) for name in names], np.int64)
        best, taken = _core.packing_template_content(self.table.native(), priced)
        if whole > best:
            return whole, np.array([int(p == 1000) for p in parts], np.int32)
        held: dict[Any, int] = dict(zip(names, taken.tolist(), strict=True))
        return int(best), np.array([held.get(p, 0) for p in parts], np.int32)
