"""The energy block solved exactly by HiGHS: the cost of a load, and the best load at prices.

One linear program over all sites and hours, kept in the solver between calls, so that each call
starts from the last basis. Sites whose mandate is not pooled decouple in it by themselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..._extras import extra
from ...errors import InfeasibleError
from ..plan.columns import Dispatch
from ..tables.problem import hourly_minimum
from .simplex import DUAL, PRIMAL, SplitSimplex

if TYPE_CHECKING:
    from ..tables.column import Floats
    from ..tables.problem import Problem
    from ..tables.sites import Energy

#: Inlets of each colour of the store, and what counts as green when it is used on load.
INLETS = {"green": ("direct_in", "bundled_in"), "grey": ("grid_in",)}

#: Factor from the limits of the store's rows to the boxes of its columns: if both were equal, the
#: solver could assign the price to either, and the row's dual would not be the value of more store.
SLACK = 2.0

#: Least load that the program is scaled to, kWh, or for each kW of the largest battery.
LEAST_LOAD = 1e-6
#: Where the largest loads of two sites differ by more than this factor, each site has a unit of its
#: own: the solver's tolerance, 1e-7 of the unit, would be a large part of a small site's load.
UNLIKE = 1e3
#: Largest relative error of one operation on doubles.
ROUNDING = 2.0**-53


class EnergyMinimum(NamedTuple):
    """E(pi) and a load that attains it."""

    #: Rigorous lower bound of the minimum, yuan.
    bound: float
    #: A load that attains it, (n_sites, n_hours), kWh.
    load_kwh: Floats


class Supplied(NamedTuple):
    """The cheapest way to serve a load."""

    dispatch: Dispatch
    yuan: float
    #: Marginal cost of load, the cost of the rules included, (n_sites, n_hours), and of the
    #: mandate's rows, yuan/kWh.
    energy_yuan_per_kwh: Floats
    mandate_yuan_per_kwh: Floats
    #: Saving of one more kWh of size and of one more kW of power, (n_sites, 2); 0 where there is no
    #: battery, or one without power.
    storage_yuan: Floats


def wasted_yuan_per_kwh(energy: Energy) -> Floats:
    """Return the cost of a curtailed kWh by source, site and hour (1 where all hours are alike)."""
    taken = energy.take_or_pay[:, :, None]
    paid = np.where(taken, energy.direct_hourly_yuan_per_kwh, 0.0)
    return np.asarray(paid + energy.curtailment_yuan_per_kwh[:, :, None])


class EnergyBlock:
    """The energy block of a problem as one linear program.

    Parameters
    ----------
    problem : Problem
    most_kwh : float64 (n_sites, n_hours), optional
        The largest load by site and hour of any question; by default the largest load of the
        accelerators and the jobs.

    Notes
    -----
    Rows: direct source, bundled, connection, charge power, discharge power, size of the store,
    balance of each colour, load, mandate, direct-connection rule. Every column lies in a finite
    box, so that any vector of duals gives a true lower bound of the minimum (weak duality),
    whatever the solver's tolerance.
    """

    def __init__(self, problem: Problem, most_kwh: Floats | None = None) -> None:
        """Build the program and pass it to the solver."""
        self.problem = problem
        self.most_kwh = problem.most_load_kwh if most_kwh is None else most_kwh
        #: kWh in one unit of the program, so that its numbers lie near 1.
        largest = float(self.most_kwh.max())
        tiny = largest <= LEAST_LOAD * max(1.0, float(problem.energy.battery_kw.max()))
        self.unit = 1.0 if tiny else largest
        #: kWh in one unit of each site's columns and rows, (n_sites, 1), and that over `unit`.
        self.site_unit = self._site_units()
        self._part = self.site_unit / self.unit
        self._columns: list[tuple[Floats, Floats, Floats]] = []
        self._rows: list[tuple[Floats, Floats]] = []
        self._entries: list[tuple[Any, Any, Any]] = []
        self._n_columns = self._n_rows = 0
        self.column: dict[str, Any] = {}
        self.row: dict[str, Any] = {}
        self._supply()
        self._contracts()
        self._store()
        self._load()
        self._load_limits()
        self._mandate()
        self._direct_rule()
        self._pass_model()

    def _site_units(self) -> Floats:
        """Return one unit for all sites, or one for each where their loads differ widely."""
        most, kw = self.most_kwh.max(axis=1), self.problem.energy.battery_kw
        without_load = np.minimum(self.unit, np.maximum(1.0, kw))
        own = np.where(most <= LEAST_LOAD * np.maximum(1.0, kw), without_load, most)
        alike = float(own.max()) <= UNLIKE * float(own.min())
        return np.asarray(np.full(own.shape, self.unit) if alike else own)[:, None]

    # -- The program -------------------------------------------------------------------------------

    def _add_columns(self, name: str, high: Any, cost: Any) -> None:
        high, cost = np.broadcast_arrays(np.asarray(high, float), np.asarray(cost, float))
        index = np.arange(self._n_columns, self._n_columns + high.size).reshape(high.shape)
        self.column[name] = index
        self._columns.append((np.zeros(high.size), high.ravel(), cost.ravel()))
        self._n_columns += high.size

    def _add_rows(self, name: str, low: Any, high: Any, terms: list[tuple[Any, Any]]) -> None:
        """Add rows ``low <= sum of factor * column <= high``; a term's leading axes are summed."""
        low, high = np.broadcast_arrays(np.asarray(low, float), np.asarray(high, float))
        rows = np.arange(self._n_rows, self._n_rows + low.size).reshape(low.shape)
        self.row[name] = rows
        for index, factor in terms:
            where, value = np.broadcast_arrays(rows, np.asarray(factor, float), index)[:2]
            self._entries.append((where.ravel(), index.ravel(), value.ravel()))
        self._rows.append((low.ravel(), high.ravel()))
        self._n_rows += low.size

    def _supply(self) -> None:
        problem, energy, unit = self.problem, self.problem.energy, self.site_unit
        wear, kw = energy.wear_yuan_per_kwh[:, None], energy.battery_kw[:, None] / unit
        direct, price = energy.direct_kwh / unit, energy.direct_hourly_yuan_per_kwh
        # A limit above all loads and stores never binds, and so large a number reduces precision.
        reach = SLACK * (self.most_kwh / unit + kw)
        part = self._part
        self._add_columns("direct", np.minimum(direct, reach), price * part)
        self._add_columns("direct_in", SLACK * np.minimum(direct, kw), (price + wear) * part)
        sold = direct * (energy.export_yuan_per_kwh > 0)
        self._add_columns("sold", sold, -energy.export_yuan_per_kwh * part)
        uses = [(self.column[k], 1.0) for k in ("direct", "direct_in", "sold")]
        low, wasted = np.full(direct.shape, -np.inf), wasted_yuan_per_kwh(energy)
        if wasted.any():  # the unused volume has a price, so that it is a column of its own
            priced = np.broadcast_to(wasted != 0, direct.shape)
            self._add_columns("wasted", direct * priced, wasted * part)
            uses.append((self.column["wasted"], 1.0))
            low = np.where(priced, direct, low)
        self._add_rows("direct", low, direct, uses)
        bundled = energy.bundled_kwh / unit
        price = energy.bundled_yuan_per_kwh
        self._add_columns("bundled", np.minimum(bundled, reach), price * part)
        self._add_columns("bundled_in", SLACK * np.minimum(bundled, kw), (price + wear) * part)
        uses = [(self.column[k], 1.0) for k in ("bundled", "bundled_in")]
        self._add_rows("bundled", np.full(bundled.shape, -np.inf), bundled, uses)
        carbon = energy.carbon_yuan_per_t * problem.carbon_g_per_kwh / 1e6
        reach = SLACK * (self.most_kwh / unit + kw)
        reach = np.minimum(problem.sites.connection_kw[:, None] / unit, reach)
        price = energy.tariff_yuan_per_kwh + carbon
        self._add_columns("grid", reach, price * part)
        self._add_columns("grid_in", SLACK * np.minimum(reach, kw), (price + wear) * part)
        uses = [(self.column[k], 1.0) for k in ("grid", "grid_in")]
        self._add_rows("connection", np.full(reach.shape, -np.inf), reach, uses)

    def _contracts(self) -> None:
        """Add limits of exports, volumes of bundled power and demand charges, where there are any.

        The limit of a site without one is its largest possible amount, which nothing can exceed.
        """
        energy, unit, shape = self.problem.energy, self.site_unit, self.most_kwh.shape
        if np.isfinite(energy.export_kw).any():
            most = np.minimum(energy.export_kw[:, None], energy.direct_kwh.sum(axis=0)) / unit
            self._add_rows("export", np.full(shape, -np.inf), most, [(self.column["sold"], 1.0)])
        if np.isfinite(energy.bundled_volume_kwh).any():
            whole = energy.bundled_kwh.sum(axis=1)
            volume = np.minimum(energy.bundled_volume_kwh, whole) / unit[:, 0]
            by_site = [(self.column[k].T, 1.0) for k in ("bundled", "bundled_in")]
            self._add_rows("volume", np.full(volume.shape, -np.inf), volume, by_site)
        charged = energy.demand_yuan_per_kw > 0
        if charged.any():
            reach = self._columns_high("grid").max(axis=1)
            highest = reach * charged
            price = energy.demand_yuan_per_kw * self._part[:, 0]
            self._add_columns("peak", highest, price)
            drawn = [(self.column[k], 1.0) for k in ("grid", "grid_in")]
            drawn.append((np.broadcast_to(self.column["peak"][:, None], shape), -1.0))
            paid = np.where(charged, np.minimum(energy.demand_paid_kw / unit[:, 0], reach), reach)
            high = np.broadcast_to(paid[:, None], shape)
            self._add_rows("demand", np.full(shape, -np.inf), high, drawn)

    def _columns_high(self, name: str) -> Floats:
        """Set the upper limits of some columns while the program is built."""
        high = np.concatenate([part for _, part, _ in self._columns])
        return np.asarray(high[self.column[name]])

    def _dual(self, name: str) -> Floats:
        """Return the last duals of some rows; 0 where the program has none of that name."""
        if name in self.row:
            return np.asarray(self._duals[self.row[name]])
        sites, hours = self.most_kwh.shape
        return np.zeros((sites,) if name == "volume" else (sites, hours))

    def _store(self) -> None:
        energy, shape = self.problem.energy, (len(self.problem.sites), self.problem.hours)
        unit = self.site_unit
        kw = np.broadcast_to(energy.battery_kw[:, None] / unit, shape)
        room = np.broadcast_to(energy.battery_kwh[:, None] / unit, shape)
        worth = np.zeros(shape)
        if energy.terminal == "value":
            worth[:, -1] = energy.terminal_yuan_per_kwh
        for colour in INLETS:
            wear = energy.wear_yuan_per_kwh[:, None] * self._part
            self._add_columns(f"{colour}_out", SLACK * kw, wear)
            self._add_columns(colour, SLACK * room, -worth * self._part)
        inlets = [(self.column[k], 1.0) for k in ("direct_in", "bundled_in", "grid_in")]
        outlets = [(self.column[k], 1.0) for k in ("green_out", "grey_out")]
        stores = [(self.column[k], 1.0) for k in ("green", "grey")]
        limits = (("kw_in", kw, inlets), ("kw_out", kw, outlets), ("size", room, stores))
        for name, most, used in limits:
            self._add_rows(name, np.full(shape, -np.inf), most, used)
        into, out = energy.charge_efficiency[:, None], 1 / energy.discharge_efficiency[:, None]
        starts = {"green": energy.green_start_kwh, "grey": energy.grey_start_kwh}
        for colour, inlets_of in INLETS.items():
            opening = np.zeros(shape)
            opening[:, 0] = starts[colour] / unit[:, 0]
            stored = self.column[colour]
            terms: list[tuple[Any, Any]] = [(stored, 1.0), (self.column[f"{colour}_out"], out)]
            terms += [(self.column[k], -into) for k in inlets_of]
            self._add_rows(f"{colour}_balance", opening, opening, terms)
            later = self.row[f"{colour}_balance"][:, 1:]
            self._entries.append((later.ravel(), stored[:, :-1].ravel(), np.full(later.size, -1.0)))
            if energy.terminal == "cyclic":
                low, _, _ = self._columns[-1 if colour == "grey" else -3]
                low.reshape(shape)[:, -1] = starts[colour] / unit[:, 0]

    def _load(self) -> None:
        most, base = self.most_kwh, self.problem.energy.base_load_kwh
        most, base = most / self.site_unit, base / self.site_unit
        self._add_columns("load", most, 0.0)
        self._columns[-1][0][:] = base.ravel()
        energy = self.problem.energy
        shed = np.minimum(energy.shed_kwh / self.site_unit, most)
        self._add_columns("shed", shed, energy.shed_yuan_per_kwh * self._part)
        sources = ("direct", "bundled", "grid", "green_out", "grey_out", "shed")
        terms = [(self.column["load"], -1.0), *((self.column[k], 1.0) for k in sources)]
        self._add_rows("load", np.zeros(most.shape), np.zeros(most.shape), terms)

    def _load_limits(self) -> None:
        """Add minimum loads and limits of change from step to step, at the sites that have some.

        A step's shortfall below or excess beyond them is a column with a price: jobs may avoid a
        site, or all begin at once. Load that is shed does not count.
        """
        sites, hours = self.problem.sites, self.problem.hours
        self._limited = at = np.flatnonzero(sites.limits_load)
        if not len(at):
            return
        unit = self.site_unit[at]
        price = (sites.load_limit_yuan_per_kwh[:, None] * self._part)[at]
        load, shed = self.column["load"][at], self.column["shed"][at]
        least = hourly_minimum(sites, hours)[at] / unit
        self._add_columns("below", SLACK * least, price)
        terms = [(load, 1.0), (shed, -1.0), (self.column["below"], 1.0)]
        self._add_rows("minimum", least, np.full(least.shape, np.inf), terms)
        before = sites.load_before_kw[at] / unit[:, 0]
        known = np.isfinite(before)
        before[~known] = 0.0
        # No load changes by more than the largest load, so that this never binds.
        tallest = np.maximum(self.most_kwh[at].max(axis=1) / unit[:, 0], before)
        limits = (("rise", sites.ramp_up_kw, 1.0), ("fall", sites.ramp_down_kw, -1.0))
        for name, limit, sign in limits:
            most = np.repeat(np.minimum(limit[at] / unit[:, 0], tallest)[:, None], hours, axis=1)
            most[~known, 0] = tallest[~known]  # the first step has no limit if no load precedes it
            self._add_columns(name, SLACK * (tallest[:, None] - most), price)
            terms = [(load, sign), (shed, -sign), (self.column[name], -1.0)]
            most[:, 0] += sign * before
            self._add_rows(name, np.full(most.shape, -np.inf), most, terms)
            later = self.row[name][:, 1:].ravel()
            for column, factor in ((load, -sign), (shed, sign)):
                earlier = column[:, :-1].ravel()
                self._entries.append((later, earlier, np.full(later.size, factor)))

    def _limits_yuan_per_kwh(self) -> Floats:
        """Return the cost of one more kWh of load by the limits of load, at the last duals.

        (n_sites, n_hours), yuan/kWh; 0 without limits.
        """
        out = np.zeros(self.most_kwh.shape)
        if len(self._limited):
            rise, fall = self._duals[self.row["rise"]], self._duals[self.row["fall"]]
            held = self._duals[self.row["minimum"]] + rise - fall
            held[:, :-1] -= (rise - fall)[:, 1:]
            out[self._limited] = -held / self._part[self._limited]
        return out

    def _mandate(self) -> None:
        energy, rows = self.problem.energy, self.problem.mandate_rows
        carried = rows.carried_kwh / self.unit
        asked = rows.share * (rows.member @ self.most_kwh.sum(axis=1)) / self.unit
        # Two kWh of slack: the interval needs one more, even where no device can draw power.
        most = asked + np.maximum(carried, 0) + 2 / self.unit
        self._add_columns("missing", most, rows.missing_yuan_per_kwh)
        self._add_columns("retired", most * rows.volume, energy.certificate_yuan_per_kwh)
        none = np.full(len(carried), np.inf)
        terms = [(self.column["missing"], 1.0), (self.column["retired"], 1.0)]
        self._add_rows("mandate", carried, none, terms)
        counted = [
            "direct",
            "bundled",
            "green_out",
            *(["sold"] if self.problem.counts_exports else []),
        ]
        for q, member in zip(self.row["mandate"], rows.member, strict=True):
            for name, factor in [(k, 1.0) for k in counted] + [("load", -rows.share)]:
                index = self.column[name][..., member, :]
                parts = np.broadcast_to(factor * self._part[member], index.shape)
                self._entries.append((np.full(index.size, q), index.ravel(), parts.ravel()))

    def _direct_rule(self) -> None:
        rows = self.problem.direct_rows
        unit = self.site_unit[rows.site, 0]
        asked = rows.used * rows.available_kwh / unit
        most = rows.of_load * self.most_kwh.sum(axis=1)[rows.site] / unit
        price = rows.short_yuan_per_kwh * self._part[rows.site, 0]
        self._add_columns("use_short", asked, price)
        self._add_columns("load_short", most, price)
        used, stored = (
            np.moveaxis(self.column[k], 1, -1)[..., rows.site] for k in ("direct", "direct_in")
        )
        none = np.full(len(rows.site), np.inf)
        uses = [(used, 1.0), (stored, 1.0), (self.column["use_short"], 1.0)]
        self._add_rows("direct_use", asked, none, uses)
        load = self.column["load"].T[..., rows.site]
        covers = [(used, 1.0), (load, -rows.of_load), (self.column["load_short"], 1.0)]
        self._add_rows("direct_load", np.zeros(len(rows.site)), none, covers)

    def _pass_model(self) -> None:
        with extra("grid"):
            from scipy.sparse import coo_array

        parts = (np.concatenate(p) for p in zip(*self._columns, strict=True))
        self.low, self.high, self.cost = parts
        self.row_low, self.row_high = (np.concatenate(p) for p in zip(*self._rows, strict=True))
        row, column, value = (np.concatenate(p) for p in zip(*self._entries, strict=True))
        shape = (self._n_rows, self._n_columns)
        self.matrix = coo_array((value, (row, column)), shape=shape).tocsc()
        # The solver gets neither the columns that are zero by their limits nor the rows that no
        # point within the limits can break: about half of both.
        used = (self.high > self.low) | (self.low != 0.0)
        loads = self.column["load"].ravel()
        used[loads] = True
        up, down = self.matrix.maximum(0), self.matrix.minimum(0)
        most, least = up @ self.high + down @ self.low, up @ self.low + down @ self.high
        kept = (most > self.row_high) | (least < self.row_low)
        kept[np.unique(self.matrix[:, loads].indices)] = kept[self.row["mandate"]] = True
        self._used, self._kept = np.flatnonzero(used), np.flatnonzero(kept)
        part = self.matrix.tocsr()[self._kept].tocsc()[:, self._used]
        box = self.low[self._used], self.high[self._used]
        limits = self.row_low[self._kept], self.row_high[self._kept]
        given = np.searchsorted(self._used, loads).astype(np.int32)
        self.solver = SplitSimplex(self.cost[self._used], box, part, limits, given)
        self._transposed = self.matrix.T.tocsr()
        self._sizes = abs(self._transposed)
        self._load_columns = loads
        self._given_load = given

    @property
    def steps(self) -> float:
        """Steps of counted work so far."""
        return self.solver.steps

    # -- Questions to it ---------------------------------------------------------------------------

    def minimum(self, pi: Floats) -> EnergyMinimum:
        """Minimise energy cost less ``pi * (load - base load)``.

        Parameters
        ----------
        pi : float64 (n_sites, n_hours), yuan/kWh
        """
        base = self.problem.energy.base_load_kwh
        self._set_load(base, self.most_kwh, -pi)
        point, _, duals = self._run(PRIMAL)
        fixed = pi * base
        bound = self._weak_duality(duals) * self.unit + float(fixed.sum())
        bound -= ROUNDING * (fixed.size + 64) * float(np.abs(fixed).sum())
        return EnergyMinimum(bound, point[self.column["load"]] * self.site_unit)

    def _weak_duality(self, duals: Floats) -> float:
        """Return a lower bound of all points within the limits, by any multipliers of the rows.

        Each reduced cost is rounded down by the largest rounding error, and so is the sum.
        """
        size = self._sizes @ np.abs(duals)
        error = ROUNDING * (self._n_rows + 4) * (size + np.where(size > 0, np.abs(self.cost), 0.0))
        reduced = self.cost - self._transposed @ duals - error
        limit = np.where(duals > 0, self.row_low, self.row_high)
        held = duals != 0
        terms = np.minimum(reduced * self.low, reduced * self.high)
        terms = np.concatenate([duals[held] * limit[held], terms])
        return float(terms.sum() - 2 * ROUNDING * (len(terms) + 4) * np.abs(terms).sum())

    def served(self, pi: Floats, limits: tuple[Floats, Floats] | None = None) -> Floats:
        """Return the load of `minimum` without its bound, in a seventh less time.

        With `limits`, (low, high), the load stays between them if a dispatch can serve it.
        """
        base = self.problem.energy.base_load_kwh
        if limits is not None:
            low, high = np.clip(limits, base, self.most_kwh)
            self._set_load(low, high, -pi)
        if limits is None or not self.solver.solve(PRIMAL):
            self._set_load(base, self.most_kwh, -pi)
            self._solve(PRIMAL)
        load = self.solver.optimum()[0][self._given_load]
        return np.asarray(load.reshape(pi.shape) * self.site_unit)

    def mandate_at(self, pi: Floats) -> Floats:
        """Return the prices of the mandate's rows for these prices of load, (n_scopes,)."""
        self.minimum(pi)
        return np.asarray(np.maximum(self._duals[self.row["mandate"]], 0.0))

    def _set_load(self, low: Floats, high: Floats, cost: Floats | float) -> None:
        at = self._load_columns
        self.cost[at] = np.broadcast_to(cost * self._part, low.shape).ravel()
        self.solver.set_costs(self.cost[at])
        limits = (low / self.site_unit).ravel(), (high / self.site_unit).ravel()
        if not np.array_equal(limits, (self.low[at], self.high[at])):
            self.low[at], self.high[at] = limits
            self.solver.set_box(*limits)

    def _solve(self, strategy: int) -> None:
        if self.solver.solve(strategy):
            return
        asked, there, error = self._unserved()
        # Where no single hour exceeds the power available, only the solver proves infeasibility.
        if asked > there or not self.solver.solve_from_nothing():
            raise error

    def _run(self, strategy: int = DUAL) -> tuple[Floats, float, Floats]:
        self._solve(strategy)
        point, duals = self.low.copy(), np.zeros(self._n_rows)
        point[self._used], duals[self._kept] = self.solver.optimum()
        # A dual whose sign belongs to a side that the row does not have proves nothing.
        duals = np.where((duals > 0) & np.isinf(self.row_low), 0.0, duals)
        duals = np.where((duals < 0) & np.isinf(self.row_high), 0.0, duals)
        self._duals = duals
        return point, self.solver.objective(), duals

    def _unserved(self) -> tuple[float, float, InfeasibleError]:
        """Return load, power and error of the hour whose load exceeds the power most."""
        problem, energy = self.problem, self.problem.energy
        load = self.low[self.column["load"]] * self.site_unit
        most = problem.sites.connection_kw + energy.battery_kw
        most = most[:, None] + energy.bundled_kwh + energy.direct_kwh.sum(axis=0) + energy.shed_kwh
        s, t = map(int, np.unravel_index(np.argmax(load - most), load.shape))
        asked, there = float(load[s, t]), float(most[s, t])
        message = (
            f"no dispatch serves this load: {problem.sites.name[s]} needs {asked:,.6g} kWh in hour "
            f"{t}; connection, direct and bundled power and battery give at most {there:,.6g} kWh"
        )
        if asked <= there:
            message += ", and the battery does not last for all such hours"
        witness = {"site": s, "hour": t, "load_kwh": asked, "most_kwh": there}
        return asked, there, InfeasibleError(message, witness)

    def serve(self, load_kwh: Floats) -> Supplied:
        """Return the cheapest way to serve a load exactly.

        Parameters
        ----------
        load_kwh : float64 (n_sites, n_hours), kWh, base load included

        Raises
        ------
        InfeasibleError
            Connection and sources are too small for it.
        """
        self._set_load(load_kwh, load_kwh, 0.0)
        point, value, duals = self._run()
        power = duals[self.row["kw_in"]] + duals[self.row["kw_out"]]
        storage = np.stack([duals[self.row["size"]].sum(axis=1), power.sum(axis=1)], axis=1)
        energy = self.problem.energy
        storage[(energy.battery_kwh <= 0) | (energy.battery_kw <= 0)] = 0.0
        return Supplied(
            self._dispatch(point, load_kwh),
            value * self.unit,
            -(self._transposed @ duals)[self.column["load"]] / self._part,
            duals[self.row["mandate"]],
            np.maximum(-storage / self._part, 0.0),
        )

    def curves(self, load_kwh: Floats | None = None) -> tuple[Floats, Floats]:
        """Return the cost of load by site and hour, at the last prices of store and rules.

        Parameters
        ----------
        load_kwh : float64 (n_sites, n_hours), kWh, base load included, optional
            Compute the prices for this load first; as `serve`, without the dispatch.

        Returns
        -------
        end, price : float64 (n_sites, n_hours, n_segments)
            The jobs' load (base load left out) up to which each kWh costs `price`, rising. With the
            duals of the store and the rules fixed, this is the cost of the dispatch; it is exact at
            the load of that dispatch, and below the true cost elsewhere.
        """
        if load_kwh is not None:
            self._set_load(load_kwh, load_kwh, 0.0)
            self._run()
        problem, energy, dual = self.problem, self.problem.energy, self._duals
        rows, base = problem.mandate_rows, energy.base_load_kwh
        by_site = (dual[self.row["mandate"]] @ rows.member.astype(float))[:, None]
        part = self._part
        own, of_load = (
            self._by_site(dual[self.row[k]]) / part for k in ("direct_use", "direct_load")
        )
        wear, into = energy.wear_yuan_per_kwh[:, None], energy.charge_efficiency[:, None]
        stored = (energy.battery_kw > 0)[:, None]

        def spared(price: Floats, colour: str) -> Floats:
            """What a kWh would earn if it were stored instead: at least nothing."""
            worth = into * dual[self.row[f"{colour}_balance"]] - dual[self.row["kw_in"]]
            worth = worth / part
            return np.where(stored, np.minimum(price + wear + worth, 0.0), 0.0)

        sold = np.where(
            energy.export_yuan_per_kwh > 0,
            -energy.export_yuan_per_kwh
            - (by_site if problem.counts_exports else 0.0)
            - self._dual("export") / part,
            0.0,
        )
        segments = []
        prices = zip(energy.direct_hourly_yuan_per_kwh, wasted_yuan_per_kwh(energy), strict=True)
        for available, (price, wasted) in zip(energy.direct_kwh, prices, strict=True):
            cost = np.broadcast_to(price, base.shape) - own
            instead = np.minimum(spared(cost, "green"), sold)
            instead = np.where(instead < 0, instead, wasted)
            segments.append((available, cost - by_site - of_load - instead))
        cost = energy.bundled_yuan_per_kwh - (self._dual("volume") / part[:, 0])[:, None]
        segments.append((energy.bundled_kwh, cost - by_site - spared(cost, "green")))
        carbon = energy.carbon_yuan_per_t * problem.carbon_g_per_kwh / 1e6
        cost = energy.tariff_yuan_per_kwh + carbon - self._dual("demand") / part
        reach = np.broadcast_to(problem.sites.connection_kw[:, None], base.shape)
        segments.append((np.minimum(reach, 1e15), cost - spared(cost, "grey")))
        drawn = -dual[self.row["green_balance"]] / energy.discharge_efficiency[:, None]
        power = np.broadcast_to(np.where(stored, energy.battery_kw[:, None], 0.0), base.shape)
        drawn = (drawn - dual[self.row["kw_out"]]) / part
        segments.append((power, wear + drawn - by_site))
        if energy.shed_kwh.any():
            # Load that is shed is outside the limits of load.
            price = energy.shed_yuan_per_kwh - self._limits_yuan_per_kwh()
            segments.append((energy.shed_kwh, price))
        width = np.stack([w for w, _ in segments], axis=-1)
        asked = rows.share * by_site + problem.direct_rows.of_load * of_load
        asked = asked + self._limits_yuan_per_kwh()
        price = np.stack([p for _, p in segments], axis=-1) + asked[:, :, None]
        order = np.argsort(price, axis=-1, kind="stable")
        end = np.take_along_axis(width, order, -1).cumsum(axis=-1) - base[:, :, None]
        return np.ascontiguousarray(end), np.take_along_axis(price, order, -1)

    def stored_yuan(self, colour: str) -> Floats:
        """Return the saving of one more kWh in store at the last prices, (n_sites, n_hours)."""
        return np.asarray(-self._duals[self.row[f"{colour}_balance"]] / self._part)

    def _by_site(self, values: Floats) -> Floats:
        """Spread values of sites under the direct-connection rule over all, (n_sites, 1)."""
        out = np.zeros((len(self.problem.sites), 1))
        out[self.problem.direct_rows.site, 0] = values
        return out

    def mandate_interval(self, load_kwh: Floats, step_kwh: float = 1.0) -> Floats:
        """Return left and right derivatives of the cost by required green energy, (n_scopes, 2).

        Two more dispatches for each scope, with `step_kwh` less and more.
        """
        self._set_load(load_kwh, load_kwh, 0.0)
        here = self._run()[1] * self.unit
        out = np.zeros((len(self.row["mandate"]), 2))
        for q, row in enumerate(self.row["mandate"]):
            asked, given = self.row_low[row], int(np.searchsorted(self._kept, row))
            for side, step in enumerate((-step_kwh, step_kwh)):
                self.solver.set_row(given, asked + step / self.unit, np.inf)
                out[q, side] = (self._run()[1] * self.unit - here) / step
            self.solver.set_row(given, asked, np.inf)
        return np.maximum(out, 0.0)

    def for_load(self, load_kwh: Floats) -> EnergyBlock:
        """Return a block as exact for this load as any: this one, unless its units are far larger.

        The solver's tolerance is a part of the unit, which follows the largest possible load.
        """
        most = np.maximum(load_kwh.max(axis=1), 1.0)
        if (UNLIKE * most >= self.site_unit[:, 0]).all():
            return self
        return EnergyBlock(self.problem, load_kwh)

    def _dispatch(self, point: Floats, load: Floats) -> Dispatch:
        """Return the solver's point in kWh, with its tolerance moved to where it is harmless.

        Amounts below zero are raised to 0, the store is summed up again from its flows, the grid
        supplies the difference to the load, and shortfalls of the rules are computed again.
        """
        energy = self.problem.energy
        site = self.problem.direct_rows.site
        units: dict[str, Any] = dict.fromkeys(("missing", "retired"), self.unit)
        units |= dict.fromkeys(("use_short", "load_short"), self.site_unit[site, 0])
        units["peak"] = self.site_unit[:, 0]
        units |= dict.fromkeys(("below", "rise", "fall"), self.site_unit[self._limited])
        v = {
            name: np.maximum(point[index] * units.get(name, self.site_unit), 0.0)
            for name, index in self.column.items()
        }
        into, out = energy.charge_efficiency[:, None], 1 / energy.discharge_efficiency[:, None]
        green_in = v["direct_in"].sum(axis=0) + v["bundled_in"]
        green = energy.green_start_kwh[:, None] + (into * green_in - out * v["green_out"]).cumsum(1)
        grey_in = v["grid_in"]
        grey = energy.grey_start_kwh[:, None] + (into * grey_in - out * v["grey_out"]).cumsum(1)
        short = load - (v["direct"].sum(axis=0) + v["bundled"] + v["grid"])
        short -= v["green_out"] + v["grey_out"] + v["shed"]
        v["grid"] = np.maximum(v["grid"] + short, 0.0)
        uses = v["direct"] + v["direct_in"] + v["sold"]
        rows = self.problem.mandate_rows
        matched = v["direct"].sum(axis=0) + v["bundled"] + v["green_out"]
        counted = matched + (v["sold"].sum(axis=0) if self.problem.counts_exports else 0.0)
        asked = rows.share * (rows.member @ load.sum(axis=1)) + rows.carried_kwh
        missing = asked - rows.member @ counted.sum(axis=1) - v["retired"]
        own, direct = self.problem.direct_rows, v["direct"].sum(axis=(0, 2))
        unused = own.used * own.available_kwh - (direct + v["direct_in"].sum(axis=(0, 2)))[own.site]
        uncovered = (own.of_load * load.sum(axis=1) - direct)[own.site]
        return Dispatch(
            direct_kwh=v["direct"],
            direct_charge_kwh=v["direct_in"],
            exported_kwh=v["sold"],
            curtailed_kwh=np.maximum(energy.direct_kwh - uses, 0.0),
            bundled_kwh=v["bundled"],
            bundled_charge_kwh=v["bundled_in"],
            grid_kwh=v["grid"],
            grid_charge_kwh=v["grid_in"],
            green_discharge_kwh=v["green_out"],
            grey_discharge_kwh=v["grey_out"],
            green_stored_kwh=np.maximum(green, 0.0),
            grey_stored_kwh=np.maximum(grey, 0.0),
            certificate_kwh=v["retired"],
            missing_kwh=np.maximum(missing, 0.0),
            direct_use_short_kwh=self._by_site(np.maximum(unused, 0.0))[:, 0],
            direct_load_short_kwh=self._by_site(np.maximum(uncovered, 0.0))[:, 0],
            shed_kwh=v["shed"],
        )
