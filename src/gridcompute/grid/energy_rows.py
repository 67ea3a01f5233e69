"""The energy block written down as one linear program: columns, rows, and where each of them lies.

All sites and hours stand in it; sites whose mandate is not pooled decouple by themselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from .columns import Floats
    from .problem import Problem

__all__ = ["INLETS", "EnergyRows", "most_load_kwh", "supply_kwh"]

#: Inlets of each colour of the store, and what counts as green when it is used on load.
INLETS = {"green": ("direct_in", "bundled_in"), "grey": ("grid_in",)}


#: How far the store's columns reach past the rows that limit them: were box and row the same, the
#: solver could put their price on either, and the row's dual would not tell what more is worth.
SLACK = 2.0


def most_load_kwh(problem: Problem) -> Floats:
    """Load by site and hour with every accelerator busy, (n_sites, n_hours)."""
    most = problem.energy.base_load_kwh.copy()
    busy = problem.classes.capacity * problem.kwh_per_accelerator_h
    np.add.at(most, problem.classes.site, busy)
    return most


def supply_kwh(problem: Problem) -> Floats:
    """Most that reaches the load without the battery, by site and hour, (n_sites, n_hours)."""
    energy = problem.energy
    direct = energy.direct_kwh.sum(axis=0)
    return np.asarray(direct + energy.bundled_kwh + problem.sites.connection_kw[:, None])


class EnergyRows:
    """The energy block of a problem as one linear program.

    Parameters
    ----------
    problem : Problem

    Notes
    -----
    Rows: direct source, bundled, connection, charge power, discharge power, size of the store,
    balance of each colour, load, mandate, direct-connection rule. Every column lies in a finite
    box, so that any vector of duals gives a true lower bound of the minimum (weak duality),
    whatever the solver's tolerance.
    """

    def __init__(self, problem: Problem) -> None:
        """Write the program down."""
        self.problem = problem
        self.most_kwh = most_load_kwh(problem)
        #: kWh in one unit of the program, so that its numbers lie near 1.
        self.unit = float(self.most_kwh.max()) or 1.0
        self._columns: list[tuple[Floats, Floats, Floats]] = []
        self._rows: list[tuple[Floats, Floats]] = []
        self._entries: list[tuple[Any, Any, Any]] = []
        self._n_columns = self._n_rows = 0
        self.column: dict[str, Any] = {}
        self.row: dict[str, Any] = {}
        self._supply()
        self._store()
        self._load()
        self._mandate()
        self._direct_rule()
        self._assemble()

    def _add_columns(self, name: str, high: Any, cost: Any) -> None:
        high, cost = np.broadcast_arrays(np.asarray(high, float), np.asarray(cost, float))
        index = np.arange(self._n_columns, self._n_columns + high.size).reshape(high.shape)
        self.column[name] = index
        self._columns.append((np.zeros(high.size), high.ravel(), cost.ravel()))
        self._n_columns += high.size

    def _add_rows(self, name: str, low: Any, high: Any, terms: list[tuple[Any, Any]]) -> None:
        """Rows ``low <= sum of factor * column <= high``; a term's leading axes are summed."""
        low, high = np.broadcast_arrays(np.asarray(low, float), np.asarray(high, float))
        rows = np.arange(self._n_rows, self._n_rows + low.size).reshape(low.shape)
        self.row[name] = rows
        for index, factor in terms:
            where, value = np.broadcast_arrays(rows, np.asarray(factor, float), index)[:2]
            self._entries.append((where.ravel(), index.ravel(), value.ravel()))
        self._rows.append((low.ravel(), high.ravel()))
        self._n_rows += low.size

    def _supply(self) -> None:
        problem, energy, unit = self.problem, self.problem.energy, self.unit
        wear, kw = energy.wear_yuan_per_kwh[:, None], energy.battery_kw[:, None] / unit
        direct, price = energy.direct_kwh / unit, energy.direct_yuan_per_kwh[:, :, None]
        self._add_columns("direct", direct, price)
        self._add_columns("direct_in", SLACK * np.minimum(direct, kw), price + wear)
        sold = direct * (energy.export_yuan_per_kwh > 0)
        self._add_columns("sold", sold, -energy.export_yuan_per_kwh)
        uses = [(self.column[k], 1.0) for k in ("direct", "direct_in", "sold")]
        self._add_rows("direct", np.full(direct.shape, -np.inf), direct, uses)
        bundled = energy.bundled_kwh / unit
        self._add_columns("bundled", bundled, energy.bundled_yuan_per_kwh)
        self._add_columns(
            "bundled_in", SLACK * np.minimum(bundled, kw), energy.bundled_yuan_per_kwh + wear
        )
        uses = [(self.column[k], 1.0) for k in ("bundled", "bundled_in")]
        self._add_rows("bundled", np.full(bundled.shape, -np.inf), bundled, uses)
        carbon = energy.carbon_yuan_per_t * problem.carbon_g_per_kwh / 1e6
        reach = np.minimum(problem.sites.connection_kw[:, None] / unit, self.most_kwh / unit + kw)
        self._add_columns("grid", reach, energy.tariff_yuan_per_kwh + carbon)
        inlet = energy.tariff_yuan_per_kwh + carbon + wear
        self._add_columns("grid_in", SLACK * np.minimum(reach, kw), inlet)
        uses = [(self.column[k], 1.0) for k in ("grid", "grid_in")]
        self._add_rows("connection", np.full(reach.shape, -np.inf), reach, uses)

    def _store(self) -> None:
        energy, shape = self.problem.energy, (len(self.problem.sites), self.problem.hours)
        kw = np.broadcast_to(energy.battery_kw[:, None] / self.unit, shape)
        room = np.broadcast_to(energy.battery_kwh[:, None] / self.unit, shape)
        worth = np.zeros(shape)
        if energy.terminal == "value":
            worth[:, -1] = energy.terminal_yuan_per_kwh
        for colour in INLETS:
            self._add_columns(f"{colour}_out", SLACK * kw, energy.wear_yuan_per_kwh[:, None])
            self._add_columns(colour, SLACK * room, -worth)
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
            opening[:, 0] = starts[colour] / self.unit
            stored = self.column[colour]
            terms: list[tuple[Any, Any]] = [(stored, 1.0), (self.column[f"{colour}_out"], out)]
            terms += [(self.column[k], -into) for k in inlets_of]
            self._add_rows(f"{colour}_balance", opening, opening, terms)
            later = self.row[f"{colour}_balance"][:, 1:]
            self._entries.append((later.ravel(), stored[:, :-1].ravel(), np.full(later.size, -1.0)))
            if energy.terminal == "cyclic":
                low, _, _ = self._columns[-1 if colour == "grey" else -3]
                low.reshape(shape)[:, -1] = starts[colour] / self.unit

    def _load(self) -> None:
        most, base = self.most_kwh / self.unit, self.problem.energy.base_load_kwh / self.unit
        self._add_columns("load", most, 0.0)
        self._columns[-1][0][:] = base.ravel()
        sources = ("direct", "bundled", "grid", "green_out", "grey_out")
        terms = [(self.column["load"], -1.0), *((self.column[k], 1.0) for k in sources)]
        self._add_rows("load", np.zeros(most.shape), np.zeros(most.shape), terms)

    def _mandate(self) -> None:
        energy, rows = self.problem.energy, self.problem.mandate_rows
        carried = rows.carried_kwh / self.unit
        asked = rows.share * (rows.member @ self.most_kwh.sum(axis=1)) / self.unit
        # Two kWh to spare: the interval asks for one more, even where nothing can draw power.
        most = asked + np.maximum(carried, 0) + 2 / self.unit
        self._add_columns("missing", most, rows.missing_yuan_per_kwh)
        self._add_columns("retired", most * rows.volume, energy.certificate_yuan_per_kwh)
        none = np.full(len(carried), np.inf)
        terms = [(self.column["missing"], 1.0), (self.column["retired"], 1.0)]
        self._add_rows("mandate", carried, none, terms)
        counted = ["direct", "bundled", "green_out", *(["sold"] if rows.volume else [])]
        for q, member in zip(self.row["mandate"], rows.member, strict=True):
            for name, factor in [(k, 1.0) for k in counted] + [("load", -rows.share)]:
                index = self.column[name][..., member, :].ravel()
                size = index.size
                self._entries.append((np.full(size, q), index, np.full(size, factor)))

    def _direct_rule(self) -> None:
        rows, unit = self.problem.direct_rows, self.unit
        asked = rows.used * rows.available_kwh / unit
        most = rows.of_load * self.most_kwh.sum(axis=1)[rows.site] / unit
        self._add_columns("use_short", asked, rows.short_yuan_per_kwh)
        self._add_columns("load_short", most, rows.short_yuan_per_kwh)
        used, stored = (
            np.moveaxis(self.column[k], 1, -1)[..., rows.site] for k in ("direct", "direct_in")
        )
        none = np.full(len(rows.site), np.inf)
        uses = [(used, 1.0), (stored, 1.0), (self.column["use_short"], 1.0)]
        self._add_rows("direct_use", asked, none, uses)
        load = self.column["load"].T[..., rows.site]
        covers = [(used, 1.0), (load, -rows.of_load), (self.column["load_short"], 1.0)]
        self._add_rows("direct_load", np.zeros(len(rows.site)), none, covers)

    def _assemble(self) -> None:
        """One matrix, and the part of it that a solver need see."""
        from scipy.sparse import coo_array

        parts = (np.concatenate(p) for p in zip(*self._columns, strict=True))
        self.low, self.high, self.cost = parts
        self.row_low, self.row_high = (np.concatenate(p) for p in zip(*self._rows, strict=True))
        row, column, value = (np.concatenate(p) for p in zip(*self._entries, strict=True))
        shape = (self._n_rows, self._n_columns)
        self.matrix = coo_array((value, (row, column)), shape=shape).tocsc()
        # A solver is given neither the columns that are zero by their limits nor the rows that no
        # point within the limits can break: about half of both.
        used = (self.high > self.low) | (self.low != 0.0)
        loads = self.column["load"].ravel()
        used[loads] = True
        up, down = self.matrix.maximum(0), self.matrix.minimum(0)
        most, least = up @ self.high + down @ self.low, up @ self.low + down @ self.high
        kept = (most > self.row_high) | (least < self.row_low)
        kept[np.unique(self.matrix[:, loads].indices)] = kept[self.row["mandate"]] = True
        self.used, self.kept = np.flatnonzero(used), np.flatnonzero(kept)
        part = self.matrix.tocsr()[self.kept].tocsc()[:, self.used]
        part.indptr, part.indices = part.indptr.astype(np.int32), part.indices.astype(np.int32)
        self.part = part
