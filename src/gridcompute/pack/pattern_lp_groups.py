"""The problem as the linear program sees it: groups of devices, shapes of pods, their parts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _core

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from .templates import Table

__all__ = ["Group", "Part", "Shape", "groups_of_equal_nodes", "groups_of_models"]

#: A part of a device: milli of it, 1000 for all of it, or the name of a template's profile.
Part = int | str


@dataclass(frozen=True)
class Shape:
    """The demand of a pod. `models` None: any; `weight`: milli of devices that it counts for."""

    cpu: int
    memory: int
    gpus: int
    part: Part
    models: frozenset[str] | None
    weight: int


@dataclass(frozen=True)
class Group:
    """Nodes of one model: their devices, CPU and memory together, and the largest node.

    Of all nodes of the model, or of `nodes` equal ones, with ``most_devices`` devices each; then
    whole devices that one pod takes together come out of one node.
    """

    model: str
    devices: int
    cpu: int
    memory: int
    most_cpu: int
    most_memory: int
    most_devices: int
    table: Table | None = None
    nodes: int | None = None

    def in_blocks(self, shape: Shape) -> bool:
        """Whether such a pod takes a block of whole devices of one node."""
        return self.nodes is not None and shape.gpus > 1 and shape.part == 1000

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
        """Return how many of a part one device holds."""
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


def groups_of_models(
    columns: Mapping[str, NDArray[np.int64]], models: Sequence[str], tables: Mapping[str, Table]
) -> list[Group]:
    """Return a group for each model, in the order of their names."""
    names = np.array(models, dtype=np.str_)
    return [
        _group(columns, np.flatnonzero(names == name), str(name), tables)
        for name in np.unique(names)
    ]


def groups_of_equal_nodes(
    columns: Mapping[str, NDArray[np.int64]], models: Sequence[str], tables: Mapping[str, Table]
) -> list[Group]:
    """Return a group for each kind of node, by model, devices, CPU and memory."""
    rows: dict[tuple[Any, ...], list[int]] = {}
    kinds = zip(
        models, *(columns[c].tolist() for c in ("gpu", "cpu_milli", "memory_mib")), strict=True
    )
    for row, kind in enumerate(kinds):
        rows.setdefault(kind, []).append(row)
    return [
        replace(_group(columns, np.array(of), kind[0], tables), nodes=len(of))
        for kind, of in sorted(rows.items())
    ]


def _group(
    columns: Mapping[str, NDArray[np.int64]],
    rows: NDArray[np.int64],
    model: str,
    tables: Mapping[str, Table],
) -> Group:
    cpu, memory, gpu = (columns[c][rows] for c in ("cpu_milli", "memory_mib", "gpu"))
    return Group(
        model,
        devices=sum(gpu.tolist()),
        cpu=sum(cpu.tolist()),
        memory=sum(memory.tolist()),
        most_cpu=int(cpu.max(initial=0)),
        most_memory=int(memory.max(initial=0)),
        most_devices=int(gpu.max(initial=0)),
        table=tables.get(model),
    )
