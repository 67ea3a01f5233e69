"""Splitting ties: which of its near-equal options each job takes, from one small linear program.

At good prices most jobs have one option that is clearly the cheapest, and take it. The others would
all rush to the same class and hour, for what makes two options equal (the prices) is shared by all
jobs of a shape. Jobs with the same set of near-cheapest options form a group; the program decides
how many accelerators of each group go to each option, with the capacities, corridors, quotas and
the whole energy block as its rows. It has a few thousand columns however many jobs there are. Its
basic solution splits few groups; rounding them to whole gangs is the only loss.

Source: the restricted master of column generation, over aggregated rows (Lübbecke and Desrosiers
2005, "Selected topics in column generation"). Deviation: groups in place of single jobs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .. import _core
    from .bound import Rows, Supply
    from .columns import Bools, Floats, Int32s, Int64s

__all__ = ["Split", "split_ties"]

#: Above this many columns the slack is halved, and the program with it.
MOST_COLUMNS = 30_000


class Split(NamedTuple):
    """How much of each group goes to each of its options."""

    options: _Options
    #: First column of each job's group, -1 = it has one option only.
    column: Int64s
    #: Accelerators by column.
    amount: Floats
    y: Floats
    value: float
    groups: int
    columns: int


class _Options(NamedTuple):
    """Near-cheapest options of the jobs `job`, entries ``first[i]:first[i + 1]`` each."""

    job: Int32s
    first: Int64s
    klass: Int32s
    start: Int32s
    hours: Int32s
    own: Floats

    def of(self, which: Bools) -> tuple[Int64s, Int64s]:
        """Entries of the jobs in `which`, and the position of each entry's job among them."""
        count = np.diff(self.first)[which]
        owner = np.repeat(np.arange(len(count)), count)
        begin = np.cumsum(count) - count
        return np.repeat(self.first[:-1][which] - begin, count) + np.arange(len(owner)), owner


def split_ties(rows: Rows, market: _core.Market, supply: Supply, y: Floats, slack: float) -> Split:
    """Decide all live jobs of `market` at prices `y`.

    Parameters
    ----------
    rows : Rows
    market : Market
    y : float64 (n_rows,)
    slack : float, yuan per accelerator-hour
        How much above its cheapest an option still counts as near.
    """
    while True:
        options = _Options(*market.near(*rows.unpack(y), slack, rows.threads))
        tied = np.diff(options.first) > 1
        entry, owner = options.of(tied)
        group, size = _groups(rows, options, tied, entry)
        if size.sum() <= MOST_COLUMNS or slack < 1e-7:
            break
        slack /= 2
    return _Program(rows, options, tied, entry, owner, group, size).split(supply, y)


def _groups(rows: Rows, options: _Options, tied: Bools, entry: Int64s) -> tuple[Int64s, Int64s]:
    """The group of each tied job, and how many options each group has."""
    if not tied.any():
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    mixed = [options.klass[entry], options.start[entry], options.hours[entry]]
    code = np.full(len(entry), 0x9E3779B97F4A7C15, np.uint64)
    for part in mixed:  # splitmix64 of the three, summed over a job's options
        code ^= part.astype(np.int64).view(np.uint64) + np.uint64(0x632BE59BD9B4E019)
        code = (code ^ (code >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        code = (code ^ (code >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        code ^= code >> np.uint64(31)
    count = np.diff(options.first)[tied]
    begin = np.cumsum(count) - count
    key = np.add.reduceat(code, begin)
    tenant = rows.problem.jobs.tenant[options.job[tied]]
    key += np.where(rows.priced[tenant], tenant + 1, 0).astype(np.uint64) * np.uint64(0x9E3779B1)
    _, at, group = np.unique(key, return_index=True, return_inverse=True)
    return group, count[at]


class _Program:
    """The program of one splitting."""

    def __init__(
        self,
        rows: Rows,
        options: _Options,
        tied: Bools,
        entry: Int64s,
        owner: Int64s,
        group: Int64s,
        size: Int64s,
    ) -> None:
        self.rows, self.options, self.tied = rows, options, tied
        self.entry, self.owner, self.group, self.size = entry, owner, group, size
        self.jobs = options.job[tied]
        self.gang = rows.problem.jobs.gang[self.jobs].astype(np.float64)
        self.volume = np.bincount(group, self.gang, len(size))
        # Column of each entry: its group's first column, plus its place among the job's options.
        first = np.cumsum(size) - size
        count = np.diff(options.first)[tied]
        place = np.arange(len(entry)) - np.repeat(np.cumsum(count) - count, count)
        self.column = first[group[owner]] + place
        self.first, self.n = first, int(size.sum())

    def split(self, supply: Supply, y: Floats) -> Split:
        """Solve it."""
        options = self.options
        amount, fresh, value = self._solve(supply, y)
        column = np.full(len(options.job), -1, np.int64)
        column[self.tied] = self.first[self.group]
        return Split(options, column, amount, fresh, value, len(self.size), self.n)

    def _solve(self, supply: Supply, y: Floats) -> tuple[Floats, Floats, float]:
        """Accelerators of each group's options, and the program's prices."""
        import highspy
        from scipy.sparse import coo_array

        rows, block, problem = self.rows, self.rows.block, self.rows.problem
        options = self.options
        unit = block.unit
        each = unit / (float(np.median(problem.kwh_per_accelerator_h)) or 1.0)
        fixed = _used(rows, self.options, ~self.tied)
        left = rows.pack(
            supply.accelerators - fixed.capacity,
            supply.load_kwh + fixed.energy,
            supply.data_gb - fixed.corridor,
            supply.quota_h - fixed.quota,
        )
        row, column, value = self._entries()
        n_block = len(block.cost)
        power = slice(int(rows.ends[0]), int(rows.ends[1]))
        touched = np.zeros(len(left), bool)
        touched[row] = True
        touched &= (rows.active > 0) & np.isfinite(left)
        touched[power] = True
        number = np.cumsum(touched) - 1
        keep = touched[row]
        row, column, value = number[row[keep]], column[keep], value[keep]
        is_power = np.zeros(len(left), bool)
        is_power[power] = True
        size = np.where(is_power, unit, each)[touched]
        n_rows, n_groups = int(touched.sum()), len(self.size)
        # Columns: the block, the options (in units of `each`), one way out for each row but energy.
        out = np.flatnonzero(~is_power[touched])
        base = block.matrix.shape[0]
        load = block.column["load"].ravel()
        parts = [
            (block.matrix.tocoo().row, block.matrix.tocoo().col, block.matrix.tocoo().data),
            (base + number[power], load, np.full(len(load), -1.0)),
            (base + row, n_block + column, value * each / size[row]),
            (base + out, n_block + self.n + np.arange(len(out)), np.full(len(out), -1.0)),
            (
                base + n_rows + np.repeat(np.arange(n_groups), self.size),
                n_block + np.arange(self.n),
                np.ones(self.n),
            ),
        ]
        r, c, v = (np.concatenate(part) for part in zip(*parts, strict=True))
        shape = (base + n_rows + n_groups, n_block + self.n + len(out))
        matrix = coo_array((v, (r, c)), shape=shape).tocsc()
        right = left[touched] / size
        right[number[power]] *= -1.0
        low = np.where(is_power[touched], right, -np.inf)
        volume = self.volume / each
        worst = float(np.median(problem.jobs.value_yuan / problem.jobs.gang))
        lp = highspy.HighsLp()
        lp.num_col_, lp.num_row_ = shape[1], shape[0]
        own = self._own() * each / unit
        lp.col_cost_ = np.concatenate([block.cost, own, np.full(len(out), worst * each / unit)])
        block_low, block_high = block.low.copy(), block.high.copy()
        block_low[load] = problem.energy.base_load_kwh.ravel() / unit
        block_high[load] = np.maximum(block.most_kwh.ravel() / unit, -right[number[power]])
        lp.col_cost_[load] = 0.0
        lp.col_lower_ = np.concatenate([block_low, np.zeros(self.n + len(out))])
        most = np.repeat(volume, self.size)
        lp.col_upper_ = np.concatenate([block_high, most, np.full(len(out), np.inf)])
        lp.row_lower_ = np.concatenate([block.row_low, low, volume])
        lp.row_upper_ = np.concatenate([block.row_high, right, volume])
        lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
        lp.a_matrix_.start_, lp.a_matrix_.index_ = matrix.indptr, matrix.indices
        lp.a_matrix_.value_ = matrix.data
        solver = highspy.Highs()
        solver.setOptionValue("output_flag", False)
        solver.setOptionValue("threads", 1)
        solver.passModel(lp)
        solver.run()
        solution = solver.getSolution()
        if len(solution.col_value) != shape[1]:
            return most * 0.0, y, np.inf
        point, dual = np.asarray(solution.col_value), np.asarray(solution.row_dual)
        fresh = y.copy()
        fresh[touched] = -dual[base : base + n_rows] * unit / size
        fresh[power] = -fresh[power]
        value = solver.getInfo().objective_function_value * unit
        value += float(options.own[options.first[:-1][~self.tied]].sum())
        return point[n_block : n_block + self.n] * each, np.maximum(fresh, rows.floor), value

    def _own(self) -> Floats:
        """Own cost of each column per accelerator, averaged over the group."""
        cost = np.bincount(self.column, self.options.own[self.entry], self.n)
        return np.asarray(cost / np.repeat(self.volume, self.size))

    def _entries(self) -> tuple[Int64s, Int64s, Floats]:
        """What one accelerator of each column takes of the rows: (row, column, amount)."""
        problem, options = self.rows.problem, self.options
        some = np.zeros(self.n, np.int64)
        some[self.column] = self.entry
        at = np.flatnonzero(options.klass[some] >= 0)
        c, t, d = (x[some[at]].astype(np.int64) for x in options[2:5])
        hours, ends = problem.hours, self.rows.ends
        owner = np.repeat(np.arange(len(at)), d)
        hour = t[owner] + np.arange(len(owner)) - np.repeat(np.cumsum(d) - d, d)
        capacity = c[owner] * hours + hour
        site = problem.classes.site[c].astype(np.int64)
        energy = ends[0] + site[owner] * hours + hour
        kwh = problem.kwh_per_accelerator_h[c[owner], hour]
        jobs = problem.jobs
        # Data and quota are the average of the group's jobs.
        placed = options.klass[self.entry] >= 0
        entry, column = self.entry[placed], self.column[placed]
        job = self.jobs[self.owner[placed]]
        to = problem.classes.site[options.klass[entry]].astype(np.int64)
        far = to != jobs.origin[job]
        weight = self.volume[np.repeat(np.arange(len(self.size)), self.size)[column]]
        wire = (jobs.origin[job].astype(np.int64) * len(problem.sites) + to) * hours
        wire += ends[1] + options.start[entry]
        tenant = ends[2] + jobs.tenant[job].astype(np.int64)
        taken = jobs.gang[job] * options.hours[entry]
        parts = [
            (capacity, at[owner], np.ones(len(owner))),
            (energy, at[owner], kwh),
            (wire[far], column[far], (jobs.data_gb[job] / weight)[far]),
            (tenant, column, taken / weight),
        ]
        rows, columns, amounts = (np.concatenate(x) for x in zip(*parts, strict=True))
        return rows, columns, amounts


def _used(rows: Rows, options: _Options, which: NDArray[np.bool_]) -> Any:
    """What the jobs in `which` take with their first option."""
    problem, jobs = rows.problem, rows.problem.jobs
    at = options.first[:-1][which]
    placed = options.klass[at] >= 0
    at, job = at[placed], options.job[which][placed]
    c, t, d = options.klass[at], options.start[at], options.hours[at]
    gang, hours = jobs.gang[job].astype(np.float64), problem.hours
    change = np.zeros((len(problem.classes), hours + 1))
    np.add.at(change, (c, t), gang)
    np.add.at(change, (c, t + d), -gang)
    busy = change.cumsum(axis=1)[:, :hours]
    site = problem.classes.site[c]
    load = np.zeros(rows.shapes[1])
    np.add.at(load, problem.classes.site, busy * problem.kwh_per_accelerator_h)
    data = np.zeros(rows.shapes[2])
    far = site != jobs.origin[job]
    np.add.at(data, (jobs.origin[job][far], site[far], t[far]), jobs.data_gb[job][far])
    quota = np.bincount(jobs.tenant[job], gang * d, len(problem.quotas)).astype(np.float64)
    from .bound import PriceVector

    return PriceVector(busy, load, data, quota)
