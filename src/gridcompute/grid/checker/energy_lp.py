"""The energy block as a linear program, written down plainly, and marginal values at a plan's load.

The checker and the tests solve this program.

Variables by site and hour: load, direct power used, stored and sold by source, bundled and grid
power used and stored, discharge and store by colour; by scope of the mandate: certificates and what
is missing; by site under the direct-connection rule: what is missing to its two shares.

The mandate's prices and those of batteries are marginal values. The least cost of serving a load is
convex in each limit. So what a scope's prices say is recomputed by two more linear programs, one
kWh asked less and more; and what a battery's price says lies between what one kWh (or kW) more
saves and what one less costs. By convexity the second is at least the first, so that a price no
higher than the first needs no program for the second. A program covers the sites that the mandate
pools, no others: at a fixed load nothing else links sites.

The price of the mandate in the bound is a multiplier of the program whose load is free and earns
the prices of energy: it lies between the same two differences of that program's least cost.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..._extras import extra
from .derived_tables import (
    by_hour,
    direct_yuan_per_kwh,
    load_limits,
    lost_yuan_per_kwh,
    most_load_kwh,
    ruled,
    scopes,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ..tables.column import Bools, Floats
    from ..tables.mandate import DirectRule, Mandate
    from ..tables.problem import Problem
    from ..tables.sites import Energy, Sites

Index = NDArray[np.int64]

#: Solvers of a linear program in the order in which they are asked, while one has no answer.
METHODS: tuple[Literal["highs", "highs-ipm", "highs-ds"], ...] = ("highs", "highs-ipm", "highs-ds")
#: The largest load that a program is not scaled to, kWh, or for each kW of the largest battery.
LEAST_LOAD = 1e-6
#: Largest relative error of one operation on doubles.
ROUNDING = 2.0**-53


class LinearProgram:
    """A linear program put together piece by piece; every variable lies in a finite box."""

    def __init__(self) -> None:
        """Begin with no variables and no rows."""
        self._variables: list[tuple[Floats, Floats, Floats]] = []
        self._rows: list[tuple[Floats, Floats]] = []
        self._entries: list[tuple[Index, Index, Floats]] = []
        self._n_variables = self._n_rows = 0

    def variables(self, low: Any, high: Any, cost: Any) -> Index:
        """New variables, one for each entry of the arguments broadcast; their indices."""
        parts = np.broadcast_arrays(*(np.asarray(x, np.float64) for x in (low, high, cost)))
        self._variables.append((parts[0].ravel(), parts[1].ravel(), parts[2].ravel()))
        index = np.arange(self._n_variables, self._n_variables + parts[0].size, dtype=np.int64)
        self._n_variables += parts[0].size
        return index.reshape(parts[0].shape)

    def constraints(self, low: Any, terms: Sequence[tuple[Index, Any]], high: Any) -> None:
        """New rows ``low <= sum of factor * variable <= high``, one for each entry of the bounds.

        A term whose indices have more axes than the bounds is summed over its leading axes.
        """
        low, high = np.broadcast_arrays(np.asarray(low, np.float64), np.asarray(high, np.float64))
        rows = np.arange(self._n_rows, self._n_rows + low.size, dtype=np.int64).reshape(low.shape)
        for index, factor in terms:
            row = np.broadcast_to(rows, index.shape)
            value = np.broadcast_to(np.asarray(factor, np.float64), index.shape)
            self._entries.append((row.ravel(), index.ravel(), value.ravel()))
        self._rows.append((low.ravel(), high.ravel()))
        self._n_rows += low.size

    def entries(self, low: Floats, high: Floats, row: Any, column: Any, value: Any) -> None:
        """New rows ``low <= sum <= high`` with their entries; `row` counts from the first."""
        where = np.asarray(row + self._n_rows, np.int64), np.asarray(column, np.int64)
        self._entries.append((*where, np.asarray(value, np.float64)))
        self._rows.append((np.asarray(low, np.float64), np.asarray(high, np.float64)))
        self._n_rows += len(low)

    def searched(self, whole: Index, gap: float, seconds: float) -> float:
        """Return a lower bound by a search in which the variables `whole` are integers.

        It is the least bound of the branches that HiGHS has left when its own best point is within
        `gap` of it, relatively, or when `seconds` are over; -inf if it has none.
        """
        with extra("grid"):
            from scipy.optimize import Bounds, LinearConstraint, milp
            from scipy.sparse import coo_array

        low, high, cost = (np.concatenate(part) for part in zip(*self._variables, strict=True))
        row_low, row_high = (np.concatenate(part) for part in zip(*self._rows, strict=True))
        row, column, value = (np.concatenate(part) for part in zip(*self._entries, strict=True))
        at = row.astype(np.int32), column.astype(np.int32)  # milp of scipy 1.13 takes no others
        matrix: Any = coo_array((value, at), shape=(self._n_rows, len(cost))).tocsr()
        integrality = np.zeros(len(cost), np.int8)
        integrality[whole] = 1
        options: Any = {"mip_rel_gap": gap, "time_limit": seconds}
        found: Any = milp(
            cost,
            integrality=integrality,
            bounds=Bounds(low, high),
            constraints=LinearConstraint(matrix, row_low, row_high),
            options=options,
        )
        bound = found.mip_dual_bound
        return -np.inf if bound is None else float(bound)

    def solve(self, tolerance: float = 1e-7) -> tuple[Floats | None, float, Floats]:
        """An optimal point (None if none was found), a bound no point goes below, and duals.

        The bound is weak duality at the solver's multipliers, less what rounding may have added:
        whatever they are, it is valid. The duals, one a row, say how fast the optimum grows with
        the row's limits.
        """
        with extra("grid"):
            from scipy.optimize import linprog
            from scipy.sparse import coo_array, vstack

        low, high, cost = (np.concatenate(part) for part in zip(*self._variables, strict=True))
        row_low, row_high = (np.concatenate(part) for part in zip(*self._rows, strict=True))
        row, column, value = (np.concatenate(part) for part in zip(*self._entries, strict=True))
        shape = (self._n_rows, self._n_variables)
        matrix = coo_array((value, (row, column)), shape=shape).tocsr()
        upper, lower = np.flatnonzero(row_high < np.inf), np.flatnonzero(row_low > -np.inf)
        both: Any = vstack([matrix[upper], -matrix[lower]]).tocsr()
        most = np.concatenate([row_high[upper], -row_low[lower]])
        box: Any = np.stack([low, high], axis=1)
        sides = ("primal", "dual")
        for method in METHODS:
            options: Any = {f"{side}_feasibility_tolerance": tolerance for side in sides}
            found: Any = linprog(
                cost, A_ub=both, b_ub=most, bounds=box, method=method, options=options
            )
            if found.status in (0, 2):
                break
        y = np.zeros(len(most))
        if found.status == 0:
            y = np.minimum(found.ineqlin.marginals, 0.0)
        bound = weak_duality(both, most, cost, (low, high), y)
        duals = np.zeros(self._n_rows)
        np.add.at(duals, upper, y[: len(upper)])
        np.subtract.at(duals, lower, y[len(upper) :])
        return (found.x if found.status == 0 else None), bound, duals


def weak_duality(
    matrix: Any, limit: Floats, cost: Floats, box: tuple[Floats, Floats], y: Floats
) -> float:
    """Return a lower bound of ``cost @ x`` where ``matrix @ x <= limit`` and x >= 0 lies in `box`.

    `y` <= 0 are any multipliers of the rows: ``y @ limit + min over the box of (cost - matrix.T @
    y) @ x``. Each reduced cost is taken as low as rounding allows.
    """
    low, high = box
    size = abs(matrix).T @ np.abs(y)
    error = ROUNDING * (matrix.shape[0] + 4) * (size + np.where(size > 0, np.abs(cost), 0.0))
    reduced = cost - matrix.T @ y - error
    terms = np.concatenate([y * limit, np.minimum(reduced * low, reduced * high)])
    return float(terms.sum() - 2 * ROUNDING * (len(terms) + 4) * np.abs(terms).sum())


class EnergyProgram:
    """Least energy cost for loads between two limits, where a kWh of load costs `load_price`
    besides.

    Parameters
    ----------
    problem : Problem
    least_kwh, most_kwh : float64 (n_sites, n_hours)
    load_price : float64 (n_sites, n_hours), yuan/kWh
    asked_more_kwh : float
        Green energy asked for by each scope beside what the mandate asks.
    """

    def __init__(
        self,
        problem: Problem,
        least_kwh: Floats,
        most_kwh: Floats,
        load_price: Floats | float = 0.0,
        asked_more_kwh: float = 0.0,
    ) -> None:
        """Write the program down."""
        self.problem, self._asked_more_kwh = problem, asked_more_kwh
        self.program = LinearProgram()
        #: kWh in one unit of the program, so that its numbers lie near 1.
        self.unit = float(np.max(most_kwh))
        if self.unit <= LEAST_LOAD * max(1.0, float(np.max(problem.energy.battery_kw))):
            self.unit = 1.0
        self._most = most_kwh
        self.index = {
            "load": self.program.variables(least_kwh / self.unit, most_kwh / self.unit, load_price)
        }
        self._supply()
        self._battery()
        self._balance()
        self._limits_of_load()
        self._mandate()
        self._direct_rule()

    def bound(self) -> float:
        """Return a lower bound of every dispatch, yuan."""
        # Duals that lean the wrong way by the solver's tolerance cost the bound that times a box.
        return self.unit * max(self.program.solve(tolerance)[1] for tolerance in (1e-7, 1e-10))

    def value(self) -> float:
        """The cost of the cheapest dispatch, yuan; inf if there is none."""
        point, bound, _ = self.program.solve(1e-10)
        return np.inf if point is None else self.unit * bound

    def values(self) -> dict[str, Floats]:
        """An optimal dispatch, kWh by variable; empty if none is feasible."""
        point = self.program.solve()[0]
        if point is None:
            return {}
        return {name: point[index] * self.unit for name, index in self.index.items()}

    def _supply(self) -> None:
        energy, unit, new = self.problem.energy, self.unit, self.program.variables
        sites, index, bound = self.problem.sites, self.index, self.program.constraints
        grams = by_hour(sites.carbon_g_per_kwh, self.problem.hours)
        carbon = energy.carbon_yuan_per_t * grams / 1e6
        wear, kw = energy.wear_yuan_per_kwh[:, None], energy.battery_kw[:, None] / unit
        direct, price = energy.direct_kwh / unit, direct_yuan_per_kwh(self.problem)
        index["direct"] = new(0, np.minimum(direct, self._most / unit), price)
        index["direct_in"] = new(0, np.minimum(direct, kw), price + wear)
        sellable = energy.export_yuan_per_kwh > 0
        index["sold"] = new(0, direct * sellable, -energy.export_yuan_per_kwh)
        uses = [(index[k], 1) for k in ("direct", "direct_in", "sold")]
        least: Any = -np.inf
        lost = lost_yuan_per_kwh(self.problem)
        if lost.any():
            costs = np.broadcast_to(lost != 0, direct.shape)
            index["lost"] = new(0, direct * costs, lost)
            uses, least = [*uses, (index["lost"], 1)], np.where(costs, direct, -np.inf)
        bound(least, uses, direct)
        for s in np.flatnonzero(np.isfinite(energy.export_kw)).tolist():
            most = np.full(direct.shape[2], energy.export_kw[s] / unit)
            bound(np.full(most.shape, -np.inf), [(index["sold"][:, s], 1)], most)
        bundled, price = energy.bundled_kwh / unit, energy.bundled_yuan_per_kwh
        index["bundled"] = new(0, np.minimum(bundled, self._most / unit), price)
        index["bundled_in"] = new(0, np.minimum(bundled, kw), price + wear)
        bound(-np.inf, [(index["bundled"], 1), (index["bundled_in"], 1)], bundled)
        for s in np.flatnonzero(np.isfinite(energy.bundled_volume_kwh)).tolist():
            whole = [(index[k][s].reshape(-1, 1), 1) for k in ("bundled", "bundled_in")]
            bound(np.full(1, -np.inf), whole, np.full(1, energy.bundled_volume_kwh[s] / unit))
        reach = np.minimum(sites.connection_kw[:, None] / unit, self._most / unit + kw)
        index["grid"] = new(0, reach, energy.tariff_yuan_per_kwh + carbon)
        index["grid_in"] = new(0, np.minimum(reach, kw), energy.tariff_yuan_per_kwh + carbon + wear)
        bound(-np.inf, [(index["grid"], 1), (index["grid_in"], 1)], reach)
        for s in np.flatnonzero(energy.demand_yuan_per_kw > 0).tolist():
            highest = new(0, [reach[s].max()], energy.demand_yuan_per_kw[s])
            drawn = [(index["grid"][s], 1), (index["grid_in"][s], 1)]
            above = (np.broadcast_to(highest, reach[s].shape), -1)
            paid = np.full(reach[s].shape, energy.demand_paid_kw[s] / unit)
            bound(np.full(reach[s].shape, -np.inf), [*drawn, above], paid)

    def _battery(self) -> None:
        energy, index, bound = self.problem.energy, self.index, self.program.constraints
        hours = (len(energy.battery_kwh), self.problem.hours)
        kw = np.broadcast_to(energy.battery_kw[:, None] / self.unit, hours)
        room = np.broadcast_to(energy.battery_kwh[:, None] / self.unit, hours)
        worth = np.zeros(hours)
        if energy.terminal == "value":
            worth[:, -1] = energy.terminal_yuan_per_kwh
        for colour in ("green", "grey"):
            index[f"{colour}_out"] = self.program.variables(
                0, kw, energy.wear_yuan_per_kwh[:, None]
            )
            index[colour] = self.program.variables(0, room, -worth)
        inlets = {"green": ("direct_in", "bundled_in"), "grey": ("grid_in",)}
        bound(-np.inf, [(index[k], 1) for k in ("direct_in", "bundled_in", "grid_in")], kw)
        bound(-np.inf, [(index["green_out"], 1), (index["grey_out"], 1)], kw)
        bound(-np.inf, [(index["green"], 1), (index["grey"], 1)], room)
        into, out = energy.charge_efficiency[:, None], 1 / energy.discharge_efficiency[:, None]
        for colour, start in (("green", energy.green_start_kwh), ("grey", energy.grey_start_kwh)):
            stored, first = index[colour], start[:, None] / self.unit
            change = [(index[f"{colour}_out"], out), *((index[k], -into) for k in inlets[colour])]
            opening = [(i[..., :1], factor) for i, factor in change]
            bound(first, [(stored[:, :1], 1), *opening], first)
            later = [(i[..., 1:], factor) for i, factor in change]
            none = np.zeros((hours[0], hours[1] - 1))
            bound(none, [(stored[:, 1:], 1), (stored[:, :-1], -1), *later], none)
            if energy.terminal == "cyclic":
                bound(first[:, 0], [(stored[:, -1], 1)], np.inf)

    def _balance(self) -> None:
        energy = self.problem.energy
        shed = np.minimum(energy.shed_kwh, self._most) / self.unit
        self.index["shed"] = self.program.variables(0, shed, energy.shed_yuan_per_kwh)
        parts = ("direct", "bundled", "grid", "green_out", "grey_out", "shed")
        terms = [(self.index[k], 1) for k in parts]
        none = np.zeros(self._most.shape)
        self.program.constraints(none, [*terms, (self.index["load"], -1)], none)

    def _limits_of_load(self) -> None:
        """Load below the minimum, and changes beyond those allowed, site by site, at a price."""
        sites, index = self.problem.sites, self.index
        for s, limits in load_limits(self.problem).items():
            price = sites.load_limit_yuan_per_kwh[s]
            drawn = [(index["load"][s], 1.0), (index["shed"][s], -1.0)]
            least = limits.least_kwh / self.unit
            lacks = self.program.variables(0, least, price)
            self.program.constraints(least, [*drawn, (lacks, 1.0)], np.inf)
            first = limits.before_kwh / self.unit
            most = float(self._most[s].max()) / self.unit
            most = max(most, first) if np.isfinite(first) else most
            hours = len(least)
            for sign, limit in ((1.0, limits.up_kwh), (-1.0, limits.down_kwh)):
                if not np.isfinite(limit):
                    continue
                beyond = self.program.variables(0, np.full(hours, most), price)
                for h in range(hours):
                    if h == 0 and not np.isfinite(first):
                        continue
                    at = slice(h, h + 1)
                    terms = [(i[at], sign * factor) for i, factor in drawn]
                    if h:
                        terms += [(i[h - 1 : h], -sign * factor) for i, factor in drawn]
                    allowed = limit / self.unit + (sign * first if h == 0 else 0.0)
                    terms.append((beyond[at], -1.0))
                    self.program.constraints(np.full(1, -np.inf), terms, np.full(1, allowed))

    def _mandate(self) -> None:
        energy, rows, index = self.problem.energy, scopes(self.problem), self.index
        carried = (rows.owed_kwh + self._asked_more_kwh) / self.unit
        most = rows.share * (rows.member @ self._most.sum(axis=1)) / self.unit + np.maximum(
            carried, 0
        )
        index["missing"] = self.program.variables(0, most, rows.yuan_per_kwh)
        allowed = most if rows.volume else np.zeros_like(most)
        index["retired"] = self.program.variables(0, allowed, energy.certificate_yuan_per_kwh)
        counted = ("direct", "bundled", "green_out", *(("sold",) if rows.exports else ()))
        for q, member in enumerate(rows.member):
            terms: list[tuple[Index, float]] = []
            terms += [(index[k][..., member, :].reshape(-1, 1), 1.0) for k in counted]
            terms += [(index["load"][member].reshape(-1, 1), -rows.share)]
            terms += [(index[k][q : q + 1], 1) for k in ("missing", "retired")]
            self.program.constraints(carried[q : q + 1], terms, np.inf)

    def _direct_rule(self) -> None:
        rows, index = ruled(self.problem), self.index
        price = rows.yuan_per_kwh
        for s, asked_kwh in zip(rows.site.tolist(), rows.used_kwh.tolist(), strict=True):
            asked = np.array([asked_kwh / self.unit])
            load = self._most[s].sum() / self.unit
            index[f"use_short {s}"] = self.program.variables(0, asked, price)
            index[f"load_short {s}"] = self.program.variables(0, [rows.of_load * load], price)
            direct = (index["direct"][:, s].reshape(-1, 1), 1.0)
            stored = (index["direct_in"][:, s].reshape(-1, 1), 1.0)
            short = (index[f"use_short {s}"], 1.0)
            self.program.constraints(asked, [direct, stored, short], np.inf)
            drawn = (index["load"][s].reshape(-1, 1), -rows.of_load)
            short = (index[f"load_short {s}"], 1.0)
            self.program.constraints(np.zeros(1), [direct, drawn, short], np.inf)


#: kWh asked less and more, and kWh or kW of a battery less and more.
STEP = 1.0


class Part(NamedTuple):
    """The tables of some sites that a dispatch is made from."""

    hours: int
    sites: Sites
    energy: Energy
    mandate: Mandate
    direct_rule: DirectRule


class Group(NamedTuple):
    """Sites that share a row of the mandate, and what serving their load costs."""

    sites: Bools
    part: Any  # a `Part`, which a program reads as it does a problem
    served: Floats
    yuan: float


def groups_of(problem: Problem, load: Floats) -> list[Group]:
    """Return the sites that each scope pools, in the scopes' order, and each other site alone."""
    found = []
    for sites in _groups(problem):
        part, own = _part(problem, sites), load[sites]
        found.append(Group(sites, part, own, EnergyProgram(part, own, own).value()))
    return found


def mandate_prices(problem: Problem, groups: list[Group]) -> Floats:
    """Return left and right derivative of the cost by the green energy asked for, (n_scopes, 2)."""
    out = np.zeros((len(scopes(problem).member), 2))
    for q, (_, part, own, here) in enumerate(groups[: len(out)]):
        for side, step in enumerate((-STEP, STEP)):
            other = EnergyProgram(part, own, own, asked_more_kwh=step).value()
            out[q, side] = max((other - here) / step, 0.0)
    return out


def bound_prices(problem: Problem, pi: Floats) -> Floats:
    """Return the least and the most that each scope's price in the bound can be, (n_scopes, 2).

    `pi` are prices of energy, and `problem` has what runs and cannot move as load.
    """
    base, most = problem.energy.base_load_kwh, most_load_kwh(problem)
    member = scopes(problem).member
    out = np.zeros((len(member), 2))
    for q, here in enumerate(member):
        part = _part(problem, here)
        yuan = [
            EnergyProgram(part, base[here], most[here], -pi[here], asked_more_kwh=step).value()
            for step in (-STEP, 0.0, STEP)
        ]
        out[q] = np.diff(yuan) / STEP
    return out


def storage_limits(groups: list[Group]) -> Iterator[tuple[int, int, float, Callable[[], float]]]:
    """Yield site, 0 for size or 1 for power, the least its price can be, and how to find the most.

    The last is a function that computes the most, in yuan as well: a call solves a program.
    """
    for group in groups:
        energy = group.part.energy
        for i, site in enumerate(np.flatnonzero(group.sites).tolist()):
            if not (energy.battery_kwh[i] > 0 and energy.battery_kw[i] > 0):
                continue  # nothing to store in: a first kWh is no kWh more
            for k, name in enumerate(("battery_kwh", "battery_kw")):
                saved = group.yuan - _resized(group, i, name, STEP)
                yield site, k, saved / STEP, functools.partial(_most, group, i, name)


def _most(group: Group, site: int, name: str) -> float:
    """Return the cost of one kWh (or kW) less; inf where the store cannot shrink by that."""
    energy = group.part.energy
    size = float(getattr(energy, name)[site])
    less, kept = min(STEP, size), energy.green_start_kwh[site] + energy.grey_start_kwh[site]
    if name == "battery_kwh" and kept > size - less:
        return np.inf
    return (_resized(group, site, name, -less) - group.yuan) / less


def _groups(problem: Problem) -> Iterator[Bools]:
    """Yield the sites that one scope pools, and each other site alone."""
    member = scopes(problem).member
    yield from member
    every = np.arange(len(problem.sites))
    for site in np.flatnonzero(~member.any(axis=0)).tolist():
        yield every == site


def _part(problem: Problem, here: Bools) -> Any:
    mandate, rule = problem.mandate, problem.direct_rule
    if mandate.new is not None:
        kept = tuple(np.array(mandate.new)[here].tolist())
        mandate = dataclasses.replace(mandate, new=kept)
    if rule.sites is not None:
        rule = dataclasses.replace(rule, sites=tuple(np.array(rule.sites)[here].tolist()))
    sites = problem.sites.replace(**_sliced(problem.sites, here))
    energy = problem.energy.replace(**_sliced(problem.energy, here))
    return Part(problem.hours, sites, energy, mandate, rule)


def _sliced(table: Sites | Energy, here: Bools) -> dict[str, Any]:
    """Return the columns of some sites."""
    return {
        name: np.compress(here, getattr(table, name), axis=spec.dims.index("site"))
        for name, spec in table.columns().items()
    }


def _resized(group: Group, site: int, name: str, by: float) -> float:
    """Return what serving the load costs with a larger or smaller battery at one site."""
    values = getattr(group.part.energy, name).copy()
    values[site] = max(values[site] + by, 0.0)
    energy = copy.copy(group.part.energy)  # one number differs: all others have been checked
    object.__setattr__(energy, name, values)
    part: Any = group.part._replace(energy=energy)
    return EnergyProgram(part, group.served, group.served).value()
