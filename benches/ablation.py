"""What each method of a solver is worth: its time without the method over its time with it.

    python benches/ablation.py transport | assignment | flow [--repeat N] [--only FAMILY] [--large]

A method is switched off through the solver's table of tuned numbers (csrc/gridcompute/*/tuning.hpp)
or by `method=`. Times are processor seconds of one thread, with and without in turn, the least of
some repetitions; the objectives are compared. A ratio of 1.3 on two families that occur in practice
is what a method must show to be kept.
"""

from __future__ import annotations

import argparse
import gzip
import json
import platform
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import gridcompute as gc
from gridcompute import _core

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tests")]
import transport_instances as jobs  # noqa: E402
from published import Parser  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable

DATA = HERE.parent / "examples" / "data" / "solver"

# Method -> (solver in the table, numbers that switch it off, keyword arguments of the call).
OFF: dict[str, dict[str, tuple[str, dict[str, float], dict[str, Any]]]] = {
    "transport": {
        "small_problem (in memory)": ("transport", {}, {"method": "exact"}),
        "merged_classes": ("transport", {"merge_jobs": 1 << 30}, {}),
        "float32 filter": ("transport", {"filter_classes": 1 << 20}, {}),
        "measured price drops": ("transport", {"measured_drops": 0}, {}),
        "samples (all but one)": ("transport", {"sample_growth": 1 << 10}, {}),
        "Newton (one step)": ("transport", {"evaluations": 1}, {}),
        "repair in a wider box": ("transport", {"repair_widenings": 0}, {}),
        "shorter Newton steps": ("transport", {"shorter_steps": 0}, {}),
        "perturbation of ties": (
            "transport",
            {"tie_distance": 0, "spread_bits_most": 1, "spread_bits_least": 1},
            {},
        ),
    },
    "assignment": {
        "JV in place": (
            "assignment",
            {"in_place_entries": 0, "in_place_passes": 0, "in_place_passes_large": 0},
            {},
        ),
        "small buffers, registers": ("assignment", {"small_entries": 0, "inline_entries": 0}, {}),
        "outlier cap": ("assignment", {"cap_tail_share": 2.0**-40}, {}),
        "sparse in disguise": ("assignment", {"big_m_share": 64, "big_m_columns": 0}, {}),
        "column minima as prices": ("assignment", {"minima_matched": 1.0, "minima_gain": 8.0}, {}),
        "whole rows first": (
            "assignment",
            {"rows_first_entries": 0, "rows_first_entries_uneven": 0},
            {},
        ),
        "row reduction on lists": (
            "assignment",
            {"reduction_bids": 0},
            {},
        ),
        "auction on lists": ("assignment", {"trial_bids": 0}, {}),
        "auction on whole rows": ("assignment", {"row_phases": 0}, {}),
        "searches over lists": ("assignment", {"list_passes": 0}, {}),
        "Hopcroft-Karp phases": ("assignment", {"phase_free_rows": 4096}, {}),
        "order of tied columns": ("assignment", {"tie_order_columns": 4096}, {}),
        "column offsets": ("assignment", {"column_variance": 16.0}, {}),
        "first row reduction": ("assignment", {"first_bids": 0}, {}),
        "prefetching": (
            "assignment",
            {"prefetch_prices": 0, "prefetch_lists": 0, "prefetch_places": 0},
            {},
        ),
    },
    "flow": {
        "cost scaling": ("flow", {}, {"method": "network_simplex"}),
        "network simplex": ("flow", {}, {"method": "cost_scaling"}),
        "start by cost scaling": ("flow", {"scaled_start_work": 0}, {}),
        "start from stars": ("flow", {"star_cost_ratio": 0}, {}),
        "start from a forest": (
            "flow",
            {
                "forest_cut_sources": 100000,
                "forest_cut_nodes_sparse": 100000,
                "forest_cut_nodes": 100000,
                "forest_sink_path": 0,
            },
            {},
        ),
        "several pivots a pass": ("flow", {"pivots_per_pass": 1, "pivots_per_pass_cheap": 1}, {}),
        "changing block length": ("flow", {"pivots_per_pace": 65536}, {}),
        "scattered blocks": ("flow", {"scatter_after_rounds": 1024}, {}),
        "paths that prove the flow": ("flow", {"path_passes": 0}, {}),
        "subtree potentials": ("flow", {"subtree_share": 1024}, {}),
        "local pricing (warm)": ("flow", {"local_passes": 0}, {}),
        "dual repair (warm)": ("flow", {"repair_passes": 0}, {}),
    },
}


def transport_families() -> dict[str, Callable[[], Any]]:
    """Twelve families at sizes of about a tenth of a second."""
    sizes = {
        "structured": (200_000, 100),
        "uniform": (200_000, 100),
        "ties": (200_000, 100),
        "coarse": (200_000, 100),
        "skewed": (100_000, 100),
        "sparse": (200_000, 200),
    }

    def drawn(name: str) -> Any:
        cost, room = jobs.FAMILIES[name](*sizes[name], 1)
        return lambda **k: gc.transport(cost, room, threads=1, **k).objective

    def small(n: int, s: int, scale: float) -> Any:
        cost, room = jobs.structured(n, s, 1)
        cost = cost * scale if scale != 1 else cost
        return lambda **k: sum(
            gc.transport(cost, room, threads=1, **k).objective for _ in range(max(1, 20_000 // n))
        )

    def points(n: int, s: int, dtype: Any = np.int32) -> Any:
        r = np.random.default_rng(1)
        a, b = r.random((n, 2)), r.random((s, 2))
        cost = (1e6 * np.hypot(a[:, :1] - b[:, 0], a[:, 1:] - b[:, 1])).astype(dtype)
        room = r.multinomial(int(1.02 * n) + s, np.full(s, 1 / s)).astype(np.int64)
        return lambda **k: gc.transport(cost, room, threads=1, **k).objective

    def copies(n: int, s: int) -> Any:
        r = np.random.default_rng(1)
        cost = np.ascontiguousarray(
            r.integers(0, 8000, (n, s // 4), dtype=np.int32)[:, r.integers(0, s // 4, s)]
        )
        room = r.multinomial(int(1.02 * n) + s, np.full(s, 1 / s)).astype(np.int64)
        return lambda **k: gc.transport(cost, room, threads=1, **k).objective

    def terms(n: int, s: int) -> Any:
        parts, room = jobs.day(n, s, 1)
        cost = gc.Terms(parts)
        return lambda **k: gc.transport(cost, room, threads=1, **k).objective

    def low_rank(n: int, s: int, dtype: Any = np.int32) -> Any:
        r = np.random.default_rng(1)
        cost = (1000 * (r.random((n, 3)) @ r.random((3, s)))).astype(dtype)
        room = r.multinomial(int(1.05 * n) + s, r.dirichlet(np.full(s, 3.0))).astype(np.int64)
        return lambda **k: gc.transport(cost, room, threads=1, **k).objective

    def large(name: str, n: int, s: int, scale: float = 1, dtype: Any = None) -> Any:
        cost, room = jobs.FAMILIES[name](n, s, 1)
        cost = cost * scale if scale != 1 else cost
        cost = cost.astype(dtype or cost.dtype, copy=False)
        return lambda **k: gc.transport(cost, room, threads=1, **k).objective

    def gangs(n: int, s: int) -> Any:
        cost, room, demand = jobs.gangs(n, s, 1)
        return lambda **k: gc.transport(cost, room, demand=demand, gap=1e-3, threads=1, **k).status

    return {
        **{f"{k}-{sizes[k][0] // 1000}kx{sizes[k][1]}": (lambda k=k: drawn(k)) for k in sizes},
        "small-100x10": lambda: small(100, 10, 1),
        "small-2kx40": lambda: small(2000, 40, 1),
        "small-reals-2kx40": lambda: small(2000, 40, np.pi),
        "points-50kx300": lambda: points(50_000, 300),
        "copies-100kx200": lambda: copies(100_000, 200),
        "terms-200kx300": lambda: terms(200_000, 300),
        "gangs-20kx100": lambda: gangs(20_000, 100),
        "large structured-1mx100": lambda: large("structured", 1_000_000, 100),
        "large uniform-1mx100": lambda: large("uniform", 1_000_000, 100),
        "large skewed-1mx100": lambda: large("skewed", 1_000_000, 100),
        "large reals-300kx100": lambda: large("structured", 300_000, 100, np.pi),
        "large structured-100kx1000": lambda: large("structured", 100_000, 1000),
        "large structured-30kx2000": lambda: large("structured", 30_000, 2000),
        "large reals-60kx1000": lambda: large("structured", 60_000, 1000, np.pi),
        "large uniform-60kx1000": lambda: large("uniform", 60_000, 1000),
        "large int64-60kx1000": lambda: large("uniform", 60_000, 1000, dtype=np.int64),
        "large points-100kx500": lambda: points(100_000, 500),
        "large points, reals-60kx500": lambda: points(60_000, 500, float),
        "large low rank-200kx200": lambda: low_rank(200_000, 200),
        "large low rank, reals-100kx500": lambda: low_rank(100_000, 500, float),
        "large terms-100kx100": lambda: terms(100_000, 100),
        "large terms-400kx256": lambda: terms(400_000, 256),
        "large terms-150kx1000": lambda: terms(150_000, 1000),
        "large terms-300kx1000": lambda: terms(300_000, 1000),
        "large terms-1mx1000": lambda: terms(1_000_000, 1000),
        "large terms-30kx2000": lambda: terms(30_000, 2000),
        "large terms-1mx256": lambda: terms(1_000_000, 256),
    }  # fmt: skip


def assignment_families() -> dict[str, Callable[[], Any]]:
    """Families of the bench of assignment, and published instances where they can be read."""
    from bench_assignment import FAMILIES

    from assignment_instances import CLASSES

    def solved(cost: Any, times: int = 1) -> Any:
        return lambda **k: sum(
            float(cost[gc.linear_sum_assignment(cost, **k)].sum()) for _ in range(times)
        )

    out: dict[str, Callable[[], Any]] = {}
    for name in (
        "uniform",
        "geometric",
        "product",
        "narrow",
        "offsets",
        "low_rank",
        "line",
        "binary",
    ):
        out[f"{name}-1000"] = lambda name=name: solved(CLASSES[name](1000, 1), 3)
    for name in FAMILIES:
        out[f"{name}-800"] = lambda name=name: solved(FAMILIES[name](800, 1), 3)
    out["uniform-60"] = lambda: solved(CLASSES["uniform"](60, 1), 300)
    out["wide-100x5000"] = lambda: solved(
        np.random.default_rng(1).integers(0, 10**6, (100, 5000)), 10
    )
    out["due dates, 1000"] = lambda: solved(due_dates(1000), 3)
    out["due dates, reals, 1000"] = lambda: solved(due_dates(1000) * 0.37, 3)
    out["tall-3000x300"] = lambda: solved(np.random.default_rng(1).random((3000, 300)), 3)
    for share in (1e-4, 0.01, 0.3):  # costs that are far beyond all others, as penalties are
        out[f"penalties {share:g}, integers"] = lambda share=share: solved(
            penalties(share, 10**14), 3
        )
        out[f"penalties {share:g}, reals"] = lambda share=share: solved(penalties(share, 1e30), 3)
    for degree in (4, 10, 50):
        out[f"sparse-5000, {degree} a row"] = lambda degree=degree: sparse(5000, degree, 10**6)
        out[f"sparse-5000, {degree} a row, ties"] = lambda degree=degree: sparse(5000, degree, 20)
    for file in sorted((DATA / "orlib_assign").glob("assign[48]00.txt*")):
        out[f"OR-Library {file.name.split('.')[0]}"] = lambda file=file: solved(orlib(file), 10)
    return out


def due_dates(n: int) -> Any:
    """Jobs of unit length with weights: what each is late in each of n slots."""
    r = np.random.default_rng(1)
    late = np.arange(n) - r.integers(0, n, n)[:, None]
    return np.maximum(0, late) * r.integers(1, 20, n)[:, None]


def penalties(share: float, penalty: float) -> Any:
    """Costs of 0 to 9,999, of which a share is a penalty, integer or real like it."""
    r = np.random.default_rng(1)
    cost = np.where(r.random((800, 800)) < share, penalty, r.integers(0, 10_000, (800, 800)))
    return cost + r.random((800, 800)) if isinstance(penalty, float) else cost


def sparse(n: int, degree: int, largest: int) -> Any:
    """A sparse square matrix that has a perfect matching."""
    from scipy.sparse import coo_array

    r = np.random.default_rng(1)
    rows = np.r_[np.repeat(np.arange(n), degree - 1), np.arange(n)]
    cols = np.r_[r.integers(0, n, n * (degree - 1)), r.permutation(n)]
    _, first = np.unique(rows * n + cols, return_index=True)
    values = r.integers(1, largest, len(first))
    cost = coo_array((values, (rows[first], cols[first])), shape=(n, n)).tocsr()
    return lambda **k: float(np.asarray(cost[gc.linear_sum_assignment(cost, **k)]).sum())


def orlib(file: Path) -> Any:
    """An assignment problem of the OR-Library: n, then its costs row by row."""
    text = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
    numbers = np.array(text.split(), dtype=np.int64)
    return numbers[1:].reshape(numbers[0], numbers[0])


def layered(layers: int, width: int, degree: int, units: int, largest: int) -> Any:
    """Layers of nodes, each node with arcs to the next layer, from one source to one sink."""
    r = np.random.default_rng(1)
    here = np.arange((layers - 1) * width).reshape(layers - 1, width, 1)
    there = r.integers(0, width, (layers - 1, width, degree))
    there[:, :, 0] = np.arange(width)  # wide arcs, on which all units reach the sink
    n, end = layers * width + 2, np.arange(width)
    tail = np.broadcast_to(here, there.shape).ravel()
    head = (there + width * np.arange(1, layers)[:, None, None]).ravel()
    cost, capacity = r.integers(1, 1000, len(tail)), r.integers(1, largest, len(tail))
    capacity[::degree] = units
    tail = np.r_[tail, np.full(width, n - 2), end + (layers - 1) * width]
    head = np.r_[head, end, np.full(width, n - 1)]
    capacity = np.r_[capacity, np.full(2 * width, units)]
    supply = np.zeros(n, np.int64)
    supply[-2:] = units * width, -units * width
    return tail, head, capacity, np.r_[cost, np.zeros(2 * width, np.int64)], supply


def flow_families() -> dict[str, Callable[[], Any]]:
    """Instances of the bench of flow, cold and after changes of cost, and published ones."""
    from bench_flow import INSTANCES

    def cold(problem: Any) -> Any:
        return lambda **k: gc.min_cost_flow(*problem, **k).objective

    def warm(problem: Any) -> Any:
        tail, head, capacity, cost, supply = problem
        r = np.random.default_rng(1)
        changed = cost.copy()
        some = r.choice(len(cost), max(1, len(cost) // 100), replace=False)
        changed[some] = np.maximum(0, changed[some] + r.integers(-50, 50, len(some)))
        first = gc.min_cost_flow(*problem)
        return lambda **k: sum(
            gc.min_cost_flow(
                tail,
                head,
                capacity,
                changed,
                supply,
                start=first,
                **k,
            ).objective
            for _ in range(3)
        )

    def resized(problem: Any) -> Any:
        tail, head, capacity, cost, supply = problem
        r = np.random.default_rng(2)
        some = r.choice(len(capacity), len(capacity) // 100, replace=False)
        changed = capacity.copy()
        changed[some] = (changed[some] * r.uniform(0.5, 1.5, len(some))).astype(np.int64)
        first = gc.min_cost_flow(*problem)
        return lambda **k: sum(
            gc.min_cost_flow(tail, head, changed, cost, supply, start=first, **k).objective
            for _ in range(3)
        )

    out: dict[str, Callable[[], Any]] = {
        k: (lambda make=make: cold(make())) for k, make in INSTANCES.items()
    }
    for name in ("netgen-4k", "time-50x168", "grid-64"):
        out[f"{name}, 1 % of costs changed"] = lambda name=name: warm(INSTANCES[name]())
    out["layered-40x100"] = lambda: cold(layered(40, 100, 6, 20, 40))
    out["layered-20x300"] = lambda: cold(layered(20, 300, 5, 10, 8))
    for name in ("netgen-4k", "time-50x168"):
        out[f"{name}, 1 % of capacities changed"] = lambda name=name: resized(INSTANCES[name]())
    for folder in ("dimacs", "flowlessly"):
        for file in sorted(
            (DATA / folder).glob("*.min*" if folder == "dimacs" else "graph_*m_*p.in*")
        )[:6]:
            out[f"{folder} {file.name.split('.min')[0]}"] = lambda file=file: cold(
                gc.read_dimacs(file)
            )
    return out


MADE = {"transport": transport_families, "assignment": assignment_families, "flow": flow_families}


def seconds(run: Callable[..., Any], **options: Any) -> tuple[float, Any]:
    """Processor seconds of one run, and its objective."""
    start = time.process_time()
    value = run(**options)
    return time.process_time() - start, value


def ratio(
    run: Callable[..., Any],
    solver: str,
    off: dict[str, float],
    options: dict[str, Any],
    repeat: int,
) -> float:
    """Least time without the method over least time with it, run in turn."""
    least, value = [np.inf, np.inf], [None, None]
    for _ in range(repeat):
        for without in (0, 1):
            _core.set_tuning(solver, off if without else {})
            try:
                took, found = seconds(run, **(options if without else {}))
            finally:
                _core.set_tuning(solver, {})
            least[without], value[without] = min(least[without], took), found
    same = value[0] == value[1] or np.isclose(value[0], value[1], rtol=1e-9)
    assert same, f"{off} {options}: {value[1]!r} without, {value[0]!r} with"
    return least[1] / least[0]


def main(solver: str, repeat: int, out: Path | None, only: str, large: bool) -> None:
    """Measure and print the table, families as rows."""
    table: dict[str, dict[str, float]] = {}
    methods = OFF[solver]
    for number, name in enumerate(methods, 1):
        print(f"{number:2d} without {name}")
    print(
        f"{'family':32s} {'with, ms':>9s} "
        + " ".join(f"{k:5d}" for k in range(1, len(methods) + 1)),
        flush=True,
    )
    for family, make in MADE[solver]().items():
        if only not in family or family.startswith("large ") != large:
            continue
        run = make()
        run()
        row = {"ms": 1e3 * min(seconds(run)[0] for _ in range(2))}
        for name, (table_of, off, options) in methods.items():
            row[name] = ratio(run, table_of, off, options, repeat)
        table[family] = row
        print(
            f"{family:32s} {row['ms']:9.1f} " + " ".join(f"{row[k]:5.2f}" for k in methods),
            flush=True,
        )
    print("families on which a method wins 1.3 or more, and loses 1.05 or more:")
    for name in methods:
        wins = sum(row[name] >= 1.3 for row in table.values())
        losses = sum(row[name] <= 1 / 1.05 for row in table.values())
        print(f"  {name:32s} {wins:3d} {losses:3d}")
    if out is not None:
        out.write_text(
            json.dumps(
                {"machine": platform.processor() or platform.machine(), "ratios": table}, indent=1
            )
            + "\n"
        )


if __name__ == "__main__":
    p = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("solver", choices=sorted(OFF))
    p.add_argument("--repeat", type=int, default=3)
    p.add_argument("--only", default="", help="families whose names contain this")
    p.add_argument("--large", action="store_true", help="the largest families instead: 2 GB")
    p.add_argument("--json", type=Path, default=None)
    a = p.parse_args()
    main(a.solver, a.repeat, a.json, a.only, a.large)
