"""The device-pattern linear program, solved by column generation.

Problem. Shapes of pods, each between two counts, are to be served by groups of devices of one
model; a device may hold one pattern, a multiset of parts. CPU and memory are pooled over the nodes
of a model. The program maximises the weight served::

    max  sum_s w_s x_s - M sum_s u_s
    s.t. sum_g x_sg + u_s >= low_s,  sum_g x_sg <= high_s         (every shape)
         sum_s count(s, m) x_sg <= sum_p a_pm y_gp                (every group and part m)
         sum_p y_gp <= devices_g, CPU and memory of every group
         x, u, y >= 0

A group of equal nodes is refined: a node is cut into single devices, which hold patterns, and
blocks of several, each for one pod that takes that many whole devices. Then::

         sum_p y_gp <= sum_q single_q z_gq
         sum_s x_sg <= sum_q block_kq z_gq     (the shapes of k whole devices)
         sum_q z_gq <= nodes_g

Its duals say what capacity is worth: rho (a part of a device), mu (a device), gamma and delta (CPU
and memory). *Any* rho, gamma, delta >= 0 give a bound, with mu the value of the best content of a
device: that is what `bound` states and what `certificate` checks. So it is of no importance for
validity whether column generation has ended, nor which solver is used. So are blocks: the best cut
of a node at any prices of its blocks takes the place of its devices.

Steps. Start with each part as often as a device holds it; solve; price the patterns of each group
by an exact knapsack in the core, and cuts of its nodes by another; add what is worth more than the
device or the node; until none is.

Source. Gilmore and Gomory, Operations Research 9 (1961) and 11 (1963); Lübbecke and Desrosiers,
Selected Topics in Column Generation, Operations Research 53 (2005).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _core
from .._extras import extra

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from .templates import Table

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


#: Integer duals are in units of 1 / SCALE milli of a device: of the weight of one milli.
SCALE = 1000
#: Cost of an unserved pod below its lower count, in its weights. Any value gives valid bounds.
_PENALTY = 4.0
#: Rounds of column generation; of a program of merged shapes fewer, for its duals are no better.
_MOST_ROUNDS, _MERGED_ROUNDS = 100, 20
#: Largest program of merged shapes: a larger one takes minutes for a digit without effect.
MOST_COLUMNS = 4000
_STEPS = (1, 10, 20, 50, 100, 250)
_CPU, _MEMORY = 1000.0, 1024.0  # the program's units of CPU and memory, for its conditioning

#: Patterns found before, by group: the warm start of the next program.
Patterns = dict[int, dict[tuple[tuple[Any, int], ...], None]]

#: The division of a node: the number of blocks of each size; the rest are single devices.
Cut = dict[int, int]


@dataclass(frozen=True)
class Duals:
    """Integer duals: of parts, CPU and memory of each group, in `SCALE` per milli.

    CPU and memory are per unit (milli CPU, MiB) and so are kept as numerators over `unit`. Of a
    group of equal nodes, `block` prices the whole devices that one pod takes, by their number.
    """

    part: tuple[dict[Any, int], ...]
    cpu: tuple[int, ...]
    memory: tuple[int, ...]
    unit: int = 1_000_000
    block: tuple[dict[int, int], ...] = ()


def solve(
    groups: list[Group],
    shapes: list[Shape],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    patterns: Patterns,
) -> Duals:
    """Return duals of the program, rounded to integers; `patterns` is added to.

    A program of too many columns is solved for shapes that are merged: by devices, list of models
    and part, rounded down to steps of milli, with their mean CPU and memory. A part's price is then
    that of the merged one: valid duals, if not the best.
    """
    asked = [s for s in range(len(shapes)) if high[s] > 0]
    step = 1
    for step in _STEPS:
        merged: dict[tuple[int, Part, frozenset[str] | None], list[int]] = {}
        for s in asked:
            key = (shapes[s].gpus, _rounded(shapes[s].part, step), shapes[s].models)
            merged.setdefault(key if step > 1 else (s, 0, None), []).append(s)
        if len(merged) * len(groups) <= MOST_COLUMNS:
            break
    if step == 1:
        few = [shapes[s] for s in asked]
        return _solve(groups, few, low[asked], high[asked], patterns, _MOST_ROUNDS)
    # The most asked for, where even whole steps are too many.
    weight = [sum(shapes[s].weight * high[s] for s in rows) for rows in merged.values()]
    order = np.argsort(-np.array(weight), kind="stable")[: max(1, MOST_COLUMNS // len(groups))]
    rows_of = [list(merged.values())[k] for k in order.tolist()]
    few = []
    for rows in rows_of:
        of = shapes[rows[0]]
        total = max(1.0, float(high[rows].sum()))
        cpu, memory = (
            int(sum(getattr(shapes[s], name) * high[s] for s in rows) / total)
            for name in ("cpu", "memory")
        )
        part = _rounded(of.part, step)
        weigh = int(sum(shapes[s].weight * high[s] for s in rows) / total)
        few.append(Shape(cpu, memory, of.gpus, part, of.models, weigh))
    sums = [np.array([v[rows].sum() for rows in rows_of]) for v in (low, high)]
    duals = _solve(groups, few, sums[0], sums[1], patterns, _MERGED_ROUNDS)
    parts = []
    for g, group in enumerate(groups):
        rho: dict[Any, int] = {}
        for s in asked:
            if shapes[s].gpus and not group.in_blocks(shapes[s]) and group.serves(shapes[s]):
                rho[shapes[s].part] = duals.part[g].get(_rounded(shapes[s].part, step), 0)
        parts.append(rho)
    return Duals(tuple(parts), duals.cpu, duals.memory, duals.unit, duals.block)


def _rounded(part: Part, step: int) -> Part:
    """Return a part rounded down to a step of milli, whole devices and profiles as they are."""
    if isinstance(part, str) or part == 1000:
        return part
    return max(1, part // step * step)


def best_cut(single: int, blocks: dict[int, int], devices: int) -> tuple[int, Cut]:
    """Return the most that a node is worth at prices of a single device and of blocks, and how."""
    worth, last = [0], [1]
    for d in range(1, devices + 1):
        options = [(worth[d - 1] + single, 1)]
        options += [(worth[d - k] + price, k) for k, price in blocks.items() if k <= d]
        most, size = max(options, key=lambda option: (option[0], -option[1]))
        worth.append(most)
        last.append(size)
    cut: Cut = {}
    d = devices
    while d > 0:
        if last[d] > 1:
            cut[last[d]] = cut.get(last[d], 0) + 1
        d -= last[d]
    return worth[devices], cut


def _solve(
    groups: list[Group],
    shapes: list[Shape],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    known: Patterns,
    most_rounds: int,
) -> Duals:
    """Solve the program as it is."""
    with extra("grid"):
        import highspy

    # The plain binding: highspy.Highs prints a greeting as soon as it is made.
    model: Any = highspy.Highs.__base__()
    model.setOptionValue("output_flag", False)
    # Not "threads": HiGHS keeps one pool a process, and refuses a second number of them.
    model.setOptionValue("parallel", "off")
    model.setOptionValue("random_seed", 1)
    model.changeObjectiveSense(highspy.ObjSense.kMaximize)
    infinite = highspy.kHighsInf

    # Rows: a demand row a shape; devices, CPU and memory a group; a link row a group and part, and
    # of equal nodes a row a group and a row a size of blocks.
    lower: list[float] = [float(v) for v in low]
    upper: list[float] = [float(v) for v in high]
    devices: list[int] = []
    cpu: list[int] = []
    memory: list[int] = []
    link: list[dict[Any, int]] = []
    nodes: list[int] = []
    block: list[dict[int, int]] = []
    for group in groups:
        single = group.devices if group.nodes is None else 0  # then cuts of nodes give devices
        for rows, limit in ((nodes, group.nodes or 0), (devices, single), (cpu, group.cpu / _CPU)):
            rows.append(len(lower))
            lower.append(-infinite)
            upper.append(float(limit))
        memory.append(len(lower))
        lower.append(-infinite)
        upper.append(group.memory / _MEMORY)
        link.append({})
        block.append({})
    serving = []  # (shape, group, entries)
    for g, group in enumerate(groups):
        for s, shape in enumerate(shapes):
            if high[s] <= 0 or not group.serves(shape):
                continue
            entries = [(s, 1.0), (cpu[g], shape.cpu / _CPU), (memory[g], shape.memory / _MEMORY)]
            if group.in_blocks(shape):
                if shape.gpus not in block[g]:
                    block[g][shape.gpus] = len(lower)
                    lower.append(-infinite)
                    upper.append(0.0)
                entries.append((block[g][shape.gpus], 1.0))
            elif shape.gpus:
                if shape.part not in link[g]:
                    link[g][shape.part] = len(lower)
                    lower.append(-infinite)
                    upper.append(0.0)
                entries.append((link[g][shape.part], float(shape.gpus)))
            serving.append((s, entries))
    for a, b in zip(lower, upper, strict=True):
        model.addRow(a, b, 0, [], [])

    def add(cost: float, entries: list[tuple[int, float]]) -> None:
        index = np.array([k for k, _ in entries], np.int32)
        model.addCol(
            cost, 0.0, infinite, len(entries), index, np.array([v for _, v in entries], np.float64)
        )

    for s, entries in serving:
        add(shapes[s].weight / 1000, entries)
    for s, shape in enumerate(shapes):
        if low[s] > 0:
            add(-_PENALTY * max(shape.weight, 1) / 1000, [(s, 1.0)])

    present: list[set[tuple[tuple[Any, int], ...]]] = [set() for _ in groups]

    def add_pattern(g: int, pattern: tuple[tuple[Any, int], ...]) -> bool:
        if pattern in present[g] or any(part not in link[g] for part, _ in pattern):
            return False
        present[g].add(pattern)
        known.setdefault(g, {})[pattern] = None
        add(0.0, [(devices[g], 1.0)] + [(link[g][part], -float(n)) for part, n in pattern])
        return True

    cuts: list[set[tuple[tuple[int, int], ...]]] = [set() for _ in groups]

    def add_cut(g: int, cut: Cut) -> bool:
        key = tuple(sorted(cut.items()))
        if key in cuts[g]:
            return False
        cuts[g].add(key)
        rest = groups[g].most_devices - sum(k * n for k, n in key)
        entries = [(nodes[g], 1.0), (devices[g], -float(rest))]
        add(0.0, entries + [(block[g][k], -float(n)) for k, n in key])
        return True

    for g, group in enumerate(groups):
        if group.nodes is not None:
            add_cut(g, {})
            for k in block[g]:
                add_cut(g, {k: group.most_devices // k})
        for part in link[g]:
            add_pattern(g, ((part, group.most(part)),))
        for pattern in list(known.get(g, {})):
            add_pattern(g, pattern)

    # Plain demand, where the program is never solved: a part costs its milli.
    prices = np.zeros(len(lower))
    for linked in link:
        for part, row in linked.items():
            prices[row] = part / 1000 if isinstance(part, int) else 0.0
    for _ in range(most_rounds):
        model.run()
        if model.getModelStatus() != highspy.HighsModelStatus.kOptimal:
            break  # nothing to serve, or a failure: the last duals are valid, if not the best
        prices = np.array(model.getSolution().row_dual)
        found = False
        for g, group in enumerate(groups):
            if group.nodes is not None:
                worth = {k: round(max(prices[row], 0.0) * 1e6) for k, row in block[g].items()}
                single = round(max(prices[devices[g]], 0.0) * 1e6)
                best, cut = best_cut(single, worth, group.most_devices)
                if best > prices[nodes[g]] * 1e6 + 1000 and best > 0:
                    found |= add_cut(g, cut)
            if not link[g]:
                continue
            parts = list(link[g])
            value = np.rint(np.maximum([prices[link[g][p]] for p in parts], 0.0) * 1e6)
            best, count = group.best_content(parts, value.astype(np.int64))
            if best > prices[devices[g]] * 1e6 + 1000 and best > 0:
                chosen = zip(parts, count.tolist(), strict=True)
                found |= add_pattern(g, tuple((p, n) for p, n in chosen if n))
        if not found:
            break
    unit = Duals.unit
    return Duals(
        tuple(
            {p: max(0, round(prices[row] * 1000 * SCALE)) for p, row in rows.items()}
            for rows in link
        ),
        tuple(max(0, round(prices[row] * SCALE * 1000 * unit / _CPU)) for row in cpu),
        tuple(max(0, round(prices[row] * SCALE * 1000 * unit / _MEMORY)) for row in memory),
        unit,
        tuple(
            {k: max(0, round(prices[row] * 1000 * SCALE)) for k, row in rows.items()}
            for rows in block
        ),
    )
