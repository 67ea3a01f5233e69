"""The edge grid: every public function at every odd shape, dtype, option and way of stopping.

`python edge_cases.py FUNCTION` runs all cases of one function in this process and writes the name
of each case before it begins, so that a crash names its case; `run_all` does so in child processes
and goes on behind a crash. EDGE_SEED draws other values, options and ways of stopping. A case is
judged by what holds for any input: an error of a documented class, or an answer that its
certificate accepts, that agrees with its status, and that equals scipy's on small numbers.
"""

from __future__ import annotations

import itertools
import json
import math
import os
import resource
import signal
import subprocess
import sys
import traceback
import zlib
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.optimize
import scipy.sparse

import gridcompute as gc

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

EDGE_SEED = int(os.environ.get("EDGE_SEED", "0"))
MEMORY = 6 << 30  # bytes of address space: a hundred threads reserve one of them
SIDES = (0, 1, 2, 3, 63, 64, 65, 127, 128, 129, 200, 300)
SMALL = (0, 1, 2, 3, 64, 129)
DTYPES = ("i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f4", "f8", "?", "f2", ">i4", ">f8")
VALUES = ("few", "equal", "negative", "wide", "forbidden", "powers", "subnormal", "huge")
SUM = np.finfo(np.float64).max  # beyond, no double holds what an answer costs
STATUSES = {"optimal", "feasible", "infeasible", "time_limit", "stopped"}


class HookFailedError(Exception):
    """What a progress hook of a case raises."""


@dataclass(frozen=True)
class Ending:
    """A way of stopping: keyword arguments, and what it may legitimately end in."""

    name: str
    options: dict[str, Any] = field(default_factory=dict)
    alarm: float = 0.0  # seconds until Ctrl-C

    def may_stop(self):
        return bool(self.options.keys() & {"time_limit", "progress"}) or self.alarm > 0


def _stop_at(call):
    """A progress hook that asks for a stop at its `call`-th call."""
    calls = itertools.count(1)
    return lambda _: next(calls) >= call


def _raise(_):
    raise HookFailedError


def endings():
    """Every way of stopping; hooks are made for each case, since they count."""
    return [
        Ending("whole"),
        Ending("limit 0", {"time_limit": 0}),
        Ending("limit 1 ns", {"time_limit": 1e-9}),
        Ending("limit 0.1 ms", {"time_limit": 1e-4}),
        Ending("limit 1 ms", {"time_limit": 1e-3}),
        Ending("limit 10 ms", {"time_limit": 1e-2}),
        Ending("no limit", {"time_limit": float("inf")}),
        Ending("hook stops at once", {"progress": _stop_at(1)}),
        Ending("hook stops later", {"progress": _stop_at(2)}),
        Ending("hook raises", {"progress": _raise}),
        Ending("hook looks on", {"progress": lambda _: False}),
        Ending("interrupt at once", alarm=1e-6),
        Ending("interrupt after 0.3 ms", alarm=3e-4),
        Ending("interrupt after 3 ms", alarm=3e-3),
    ]


def matrix(shape, dtype, values, r):
    """A cost matrix of a dtype, as near to the wanted family of values as the dtype allows."""
    kind = np.dtype(dtype)
    if kind.kind == "b":
        return r.integers(0, 2, shape).astype(bool)
    if kind.kind in "iu":
        low, high = np.iinfo(kind).min, np.iinfo(kind).max
        if values == "equal":
            return np.full(shape, 7, kind)
        if values in ("wide", "huge"):
            return r.integers(low, high, shape, dtype=kind.newbyteorder("="), endpoint=True).astype(
                kind
            )
        if values == "powers":
            bits = r.integers(0, 8 * kind.itemsize - 1, shape)
            near = (np.uint64(1) << bits.astype(np.uint64)).astype(kind.newbyteorder("="))
            return (near - r.integers(0, 2, shape).astype(near.dtype)).astype(kind)
        least = -9 if values == "negative" and kind.kind == "i" else 0
        return r.integers(least, 10, shape).astype(kind)
    few = r.integers(-9 if values == "negative" else 0, 10, shape).astype(np.float64)
    info = np.finfo(kind)
    if values == "equal":
        few[:] = 0.1
    elif values == "wide":
        few = r.standard_normal(shape) * 10.0 ** r.integers(-6, 4, shape)
    elif values == "forbidden":
        few[r.random(shape) < 0.4] = np.inf
    elif values == "powers":
        exponent = r.integers(info.minexp, info.maxexp, shape)
        one = np.ldexp(np.ones(shape), exponent).astype(kind)
        steps = r.integers(-1, 2, shape)
        one = np.where(steps > 0, np.nextafter(one, kind.type(np.inf)), one)
        return np.where(steps < 0, np.nextafter(one, kind.type(0)), one).astype(kind)
    elif values == "subnormal":
        return (r.integers(0, 10, shape) * info.smallest_subnormal).astype(kind)
    elif values == "huge":
        few = few * (float(info.max) / 10)
    return few.astype(kind)


class Refused(Exception):
    """The library refused the input by a documented class of error; nothing is left to judge."""


def run(ending, call):
    """Call with the ending's options; raise Refused for a documented error or a stop."""
    options = dict(ending.options)
    try:
        try:
            if ending.alarm:
                signal.setitimer(signal.ITIMER_REAL, ending.alarm)
            return call(**options)
        finally:
            if ending.alarm:
                signal.setitimer(signal.ITIMER_REAL, 0)
    except KeyboardInterrupt:
        if ending.alarm:
            raise Refused from None
        raise
    except HookFailedError:
        raise Refused from None
    except (gc.CostRangeError, gc.InfeasibleError, TypeError) as error:
        raise Refused(type(error).__name__) from None
    except gc.InvalidProblemError as error:
        if "2**63 - 1" not in str(error):
            raise
        raise Refused("beyond int64") from None


# ---------------------------------------------------------------- what must hold of an answer


def judge_transport(m, cost, capacity, demand, unplaced):
    """Statuses, shapes, certificate; where demand is 1 and numbers are small the true optimum."""
    n, s = cost.shape
    assert m.status in STATUSES, m.status
    assert m.assignment.shape == (n,), m.assignment.shape
    assert m.load.shape == m.prices.shape == (s,), (m.load.shape, m.prices.shape)
    assert ((m.assignment >= -1) & (m.assignment < s)).all()
    found = m.verify()
    assert found.valid, found.reasons
    if m.status == "infeasible":
        return
    assert m.gap >= 0, m.gap
    assert m.bound <= m.objective, (m.bound, m.objective)
    if m.status == "optimal" and math.isfinite(m.bound) and abs(m.objective) < SUM:
        assert m.gap <= 1e-9, (m.gap, m.objective, m.bound)
        assert found.gap <= 1e-9, (found.gap, found.objective, found.bound_low)
    if m.status == "optimal" and demand is None and n * s <= 20_000 and is_small(cost, unplaced):
        best = least_cost(cost, capacity, unplaced)
        assert np.isclose(m.objective, best, rtol=1e-9, atol=1e-9), (m.objective, best)


def is_small(cost, unplaced):
    """Do doubles hold every sum of these costs well enough for scipy to be the judge?"""
    finite = np.abs(cost[np.isfinite(cost)].astype(np.float64)) if cost.size else np.zeros(1)
    top = max(float(finite.max(initial=0)), abs(float(unplaced or 0)))
    return top < 1e6 and (cost.dtype.kind != "f" or float(finite[finite > 0].min(initial=1)) > 1e-9)


def least_cost(cost, capacity, unplaced):
    """The optimum of unit demand by scipy: a column a slot, and one a job for being left out."""
    n = len(cost)
    wide = np.repeat(cost.astype(np.float64), np.minimum(capacity, n), axis=1)
    if unplaced is not None:
        out = np.full((n, n), np.inf)
        np.fill_diagonal(out, unplaced)
        wide = np.hstack([wide, out])
    if wide.shape[1] < n:
        return np.inf
    try:
        rows, columns = scipy.optimize.linear_sum_assignment(wide)
    except ValueError:
        return np.inf
    return float(wide[rows, columns].sum())


def judge_assignment(a, cost, maximize):
    """Statuses, shapes, certificate, and scipy's optimum."""
    assert a.status in STATUSES, a.status
    assert a.assignment.shape == (cost.shape[0],), a.assignment.shape
    found = a.verify()
    if a.status in ("optimal", "infeasible"):
        assert found.valid, found
    if a.status == "optimal":
        matched = a.assignment[a.assignment >= 0]
        assert len(matched) == min(cost.shape), (len(matched), cost.shape)
        assert len(np.unique(matched)) == len(matched)
        if is_small(cost, None):
            rows, columns = scipy.optimize.linear_sum_assignment(cost.astype(float), maximize)
            best = float(cost.astype(float)[rows, columns].sum())
            assert np.isclose(float(a.objective), best, rtol=1e-9, atol=1e-9), (a.objective, best)


def judge_pairs(found, cost, maximize):
    """Pairs as scipy gives them, of scipy's cost."""
    rows, columns = found
    assert len(rows) == len(columns) == min(cost.shape), (len(rows), cost.shape)
    assert (np.diff(rows) > 0).all()
    assert len(np.unique(columns)) == len(columns)
    if is_small(cost, None):
        best = scipy.optimize.linear_sum_assignment(cost.astype(float), maximize)
        paid, least = cost.astype(float)[rows, columns].sum(), cost.astype(float)[best].sum()
        assert np.isclose(paid, least, rtol=1e-9, atol=1e-9), (paid, least)


def judge_flow(f):
    """Statuses and certificate."""
    assert f.status in {"optimal", "infeasible", "unbounded", "time_limit", "stopped"}, f.status
    assert f.flow.shape == f.problem.tail.shape
    assert f.potentials.shape == f.problem.supply.shape
    found = f.verify()
    if f.status in ("optimal", "infeasible", "unbounded"):
        assert found.valid, found.reasons


# ---------------------------------------------------------------- the cases of each function

Case = tuple[str, "Callable[[], None]"]


class Grid(dict[str, "Callable[[], Iterator[Case]]"]):
    """The cases of each function, by the name of what checks one."""

    def cases(self, sides, **lists):
        """Each shape with each ending; of every list an entry drawn for that shape and ending."""

        def every(check):
            for n, s in itertools.product(sides, sides):
                for end in endings():
                    r = seeded((n, s), end.name)
                    drawn = {name: of[r.integers(len(of))] for name, of in lists.items()}
                    name = f"{n} x {s} {drawn}"
                    yield f"{name} | {end.name}", partial(check, n, s, end, seeded(name), **drawn)

        return partial(self._add, every)

    def product(self, **lists):
        """Each entry of each list with each of all others."""

        def every(check):
            for number, entries in enumerate(itertools.product(*lists.values())):
                given = dict(zip(lists, entries, strict=True))
                name = f"{number} {given}"
                yield name, partial(check, seeded(name), **given)

        return partial(self._add, every)

    def _add(self, every, check):
        self[check.__name__.replace("_", " ")] = partial(every, check)


GRID = Grid()


def seeded(*parts):
    """A generator that depends on the case's name and on EDGE_SEED alone."""
    return np.random.default_rng([EDGE_SEED, zlib.crc32(repr(parts).encode())])


ROOM = ("enough", "tight", "short", "none", "endless", "one class")
UNPLACED = (None, None, 5.0, 0, -3.5, float("inf"), 2.0**600, 5e-324)
THREADS = (None, 1, 2, 7, 100)


def room(kind, n, s, total, r):
    """Capacities for `total` slots of demand in s classes."""
    if s == 0:
        return np.zeros(0, np.int64)
    if kind == "none":
        return np.zeros(s, np.int64)
    if kind == "endless":
        return np.full(s, 2**62 // max(s, 1))
    if kind == "one class":
        return np.eye(1, s, s - 1, dtype=np.int64)[0] * total
    wanted = {"enough": 2 * total + 1, "tight": total, "short": total // 2}[kind]
    return r.multinomial(wanted, np.full(s, 1 / s)).astype(np.int64)


def as_source(kind, cost):
    """The same costs given in another form, and as a float matrix for the judge."""
    if kind == "csr":
        stored = cost != 0 if cost.dtype.kind in "iu" else np.isfinite(cost)
        rows, columns = np.nonzero(stored)
        start = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=len(cost)))])
        sparse = scipy.sparse.csr_array(
            (cost[rows, columns], columns.astype(np.int32), start.astype(np.int32)), cost.shape
        )
        return sparse, np.where(stored, cost.astype(np.float64), np.inf)
    if kind == "fortran":
        return np.asfortranarray(cost), cost
    if kind == "strided":
        wide = np.repeat(cost, 2, axis=1)
        return wide[:, ::2], cost
    if kind == "read-only":
        cost = cost.copy()
        cost.flags.writeable = False
        return cost, cost
    return cost, cost


@GRID.cases(
    SIDES,
    dtype=DTYPES,
    values=VALUES,
    kind=ROOM,
    out=UNPLACED,
    threads=THREADS,
    form=("dense", "csr", "dense", "fortran", "strided", "read-only"),
    method=("auto", "exact", "auto", "auction", "auto"),
    gap=(0.0, 0.0, 0.01, 1e300),
)
def transport(n, s, end, r, dtype, values, kind, out, threads, form, method, gap):
    cost, judged = as_source(form, matrix((n, s), dtype, values, r))
    capacity = room(kind, n, s, n, r)
    options = {"unplaced": out, "threads": threads, "method": method, "gap": gap}
    m = run(end, lambda **o: gc.transport(cost, capacity, **options, **o))
    judge_transport(m, judged, capacity, None, out)
    assert m.status != "stopped" or "progress" in end.options, m.status
    assert m.status != "time_limit" or "time_limit" in end.options, m.status


@GRID.cases(
    (0, 1, 2, 3, 7, 64, 129),
    dtype=DTYPES,
    values=VALUES,
    kind=ROOM,
    out=UNPLACED,
    threads=THREADS,
)
def gangs(n, s, end, r, dtype, values, kind, out, threads):
    cost = matrix((n, s), dtype, values, r)
    demand = r.choice([1, 2, 3, 4, 8, 2**31 - 1], n, p=[0.4, 0.2, 0.1, 0.2, 0.09, 0.01])
    capacity = room(kind, n, s, int(demand.sum()), r)
    options = {"unplaced": out, "threads": threads, "demand": demand}
    m = run(end, lambda **o: gc.transport(cost, capacity, **options, **o))
    judge_transport(m, cost, capacity, demand, out)


@GRID.cases(
    SMALL,
    values=VALUES,
    kind=ROOM,
    out=UNPLACED,
    threads=THREADS,
    keyed=("keys", "coefs", "both", "none"),
)
def terms(n, s, end, r, values, kind, out, threads, keyed):
    table = matrix((3, s), "f8", values, r) / 4
    key = r.integers(0, 3, n) if keyed in ("keys", "both") else None
    coef = r.integers(0, 3, n).astype(float) if keyed in ("coefs", "both") else None

    def call(**o):
        if keyed == "none":  # some part has to give the number of jobs
            terms = gc.Terms([(table, None, np.ones(n)), (table[::-1], None, None)])
        else:
            terms = gc.Terms([(table, key, coef), (table[::-1], key, None)])
        return terms, gc.transport(
            terms, room(kind, n, s, n, r), unplaced=out, threads=threads, **o
        )

    terms, m = run(end, call)
    judge_transport(m, terms.dense(), None, [1], out)


@GRID.cases(
    SIDES,
    dtype=DTYPES,
    values=VALUES,
    maximize=(False, True),
    threads=THREADS,
    form=("dense", "fortran", "strided", "read-only"),
)
def assignment(n, s, end, r, dtype, values, maximize, threads, form):
    given, judged = as_source(form, matrix((n, s), dtype, values, r))
    if maximize and judged.dtype.kind == "f":
        given = judged = np.where(np.isinf(judged), -np.inf, judged).astype(judged.dtype)
    options = {"maximize": maximize, "threads": threads}
    a = run(end, lambda **o: gc.assignment(given, **options, **o))
    judge_assignment(a, judged, maximize)
    assert a.status != "stopped" or "progress" in end.options, a.status
    assert a.status != "time_limit" or "time_limit" in end.options, a.status


@GRID.cases(
    SIDES,
    dtype=DTYPES,
    values=VALUES,
    maximize=(False, True),
    way=("dense", "fortran", "strided", "batch", "csr", "batch of two"),
)
def pairs(n, s, end, r, dtype, values, maximize, way):
    if "time_limit" in end.options or "progress" in end.options:
        raise Refused  # these take neither
    cost = matrix((n, s), dtype, values, r)
    if maximize and cost.dtype.kind == "f":
        cost = np.where(np.isinf(cost), -np.inf, cost).astype(cost.dtype)
    if way.startswith("batch"):
        stack = np.stack([cost, cost]) if way == "batch of two" else cost[None]
        rows, columns = run(end, lambda **o: gc.linear_sum_assignment_batch(stack, maximize, **o))
        assert rows.shape == columns.shape == (len(stack), min(n, s)), rows.shape
        for k in range(len(stack)):
            judge_pairs((rows[k], columns[k]), cost, maximize)
        return
    given = as_source(way, cost)[0]
    if way == "csr" and maximize:
        raise Refused  # what is absent is not what the judge sees
    found = run(end, lambda **o: gc.linear_sum_assignment(given, maximize, **o))
    if way != "csr":
        judge_pairs(found, cost, maximize)


@GRID.cases(
    (0, 1, 2, 3, 64, 129, 300),
    family=("few", "negative", "wide", "huge"),
    room_of=("few", "none", "endless", "huge"),
    supply_of=("balanced", "short", "none"),
    method=("auto", "network_simplex", "cost_scaling"),
    threads=THREADS,
    extra=("plain", "lower", "loops"),
    start=("cold", "warm"),
)
def flow(n, arcs, end, r, family, room_of, supply_of, method, threads, extra, start):
    arcs = arcs if n else 0
    tail, head = r.integers(0, max(n, 1), arcs), r.integers(0, max(n, 1), arcs)
    if extra == "loops":
        head[::2] = tail[::2]
    top = {"few": 9, "negative": 9, "wide": 2**40, "huge": 2**62}[family]
    cost = r.integers(-top if family != "few" else 0, top, arcs, endpoint=True)
    most = {"few": 9, "none": 0, "endless": 2**63 - 1, "huge": 2**61}[room_of]
    capacity = np.full(arcs, most) if most > 9 else r.integers(0, most + 1, arcs)
    lower = r.integers(0, 2, arcs) if extra == "lower" else None
    if lower is not None:
        capacity = np.maximum(capacity, lower)
    supply = np.zeros(n, np.int64)
    if supply_of != "none" and n:
        np.add.at(supply, r.integers(0, n, n), 2)
        np.add.at(supply, r.integers(0, n, n), -2)
        supply[0] += supply_of == "short"
    problem = (tail, head, capacity, cost, supply, lower)
    options = {"method": method, "threads": threads}
    if start == "warm":
        try:
            before = gc.min_cost_flow(*problem[:3], cost // 2, supply, lower)
        except (gc.CostRangeError, gc.InvalidProblemError):
            raise Refused from None
        options["start"] = before
    try:
        f = run(end, lambda **o: gc.min_cost_flow(*problem, **options, **o))
    except gc.InvalidProblemError:
        assert family == "huge" or room_of in ("endless", "huge"), "refused for no reason"
        raise Refused from None
    judge_flow(f)


@GRID.cases(
    SMALL,
    values=VALUES,
    kind=ROOM,
    out=UNPLACED,
    threads=THREADS,
    event=("grow", "shrink", "leave", "update", "classes", "lose room", "nothing"),
)
def matcher(n, s, end, r, values, kind, out, threads, event):
    table = matrix((3, s), "f8", values, r) / 4
    unplaced = float("inf") if out is None else out

    def rounds(**o):
        world = gc.Matcher(
            room(kind, n, s, n, r),
            cost=[(table, "key", None)],
            unplaced=unplaced,
            threads=threads,
        )
        ids = world.add({"key": r.integers(0, 3, n)})
        first = world.match(**o)
        assert first.assignment.shape == (n,), first.assignment.shape
        if event == "grow":
            world.add({"key": r.integers(0, 3, n + 1)})
        elif event in ("shrink", "leave"):
            world.remove(ids if event == "leave" else ids[: n // 2])
        elif event == "update":
            world.update(ids[: n // 2], {"key": r.integers(0, 3, n // 2)})
        elif event == "lose room":
            world.set_capacity(np.arange(s), np.zeros(s, np.int64))
        elif event == "classes":
            world.add_slots([2, 0], [matrix((3, 2), "f8", values, r) / 4])
        return world, world.match(**o)

    world, m = run(end, rounds)
    assert m.status in STATUSES, m.status
    found = m.verify()
    assert found.valid, found.reasons
    if m.status == "optimal":
        assert world.match().changes["id"].size == 0, "a second round moves jobs again"


def main(grid, function, first=0):
    """Run the cases of a function from number `first` on; 1 if any fails."""

    def interrupt(*_):
        raise KeyboardInterrupt

    signal.signal(signal.SIGALRM, interrupt)
    if "ASAN_OPTIONS" not in os.environ:  # a sanitizer reserves more than there is
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    done = refused = 0
    for number, (name, case) in enumerate(grid[function]()):
        if number < first:
            continue
        report("case", number, name)
        try:
            case()
        except Refused:
            refused += 1
        except Exception as error:  # a case that fails must not hide those behind it
            where = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{Path(where.filename).name}:{where.lineno}"
            report("fail", number, f"{name}: {type(error).__name__}: {error} ({place})")
        except KeyboardInterrupt:
            refused += 1  # the alarm came after the call had returned
        done += 1
    report("done", done, f"{refused} refused")
    return 0


def report(*parts):
    """Write a line at once, so that it is there if the process dies."""
    os.write(1, (json.dumps(parts) + "\n").encode())


@dataclass
class Outcome:
    """What became of the cases of one function."""

    done: int = 0
    refused: str = ""
    failures: list[str] = field(default_factory=list)


def run_all(function, script=__file__, most_crashes=20):
    """Run all cases of a function in child processes: one, and another behind each crash."""
    outcome, first = Outcome(), 0
    for _ in range(most_crashes):
        child = subprocess.run(
            [sys.executable, script, function, str(first)],
            capture_output=True,
            text=True,
            check=False,
        )
        lines = [json.loads(line) for line in child.stdout.splitlines()]
        outcome.failures += [text for kind, _, text in lines if kind == "fail"]
        if lines and lines[-1][0] == "done":
            outcome.done, outcome.refused = first + lines[-1][1], lines[-1][2]
            return outcome
        cases = [line for line in lines if line[0] == "case"]
        if not cases:
            outcome.failures.append(f"{function} did not begin: {child.stderr[-2000:]}")
            return outcome
        _, number, name = cases[-1]
        died = f"{name}: the process died of {child.returncode}: {child.stderr[-500:]}"
        outcome.failures.append(died)
        first = number + 1
    outcome.done = first
    return outcome


if __name__ == "__main__":
    sys.exit(main(GRID, sys.argv[1], *map(int, sys.argv[2:])))
