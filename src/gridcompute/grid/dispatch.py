"""The energy block solved exactly: what a load costs, and what load is worth its price.

One linear program over all sites and hours. HiGHS solves it once; from its basis on, a solver of
our own takes the small steps from one vector of prices or loads to the next, in a tenth of the
time. Sites whose mandate is not pooled decouple in it by themselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .. import _core
from ..errors import InfeasibleError
from .energy_rows import EnergyRows
from .plan_columns import Dispatch

if TYPE_CHECKING:
    from .columns import Floats
    from .problem import Problem

__all__ = ["EnergyBlock", "EnergyMinimum", "Supplied"]

#: HiGHS's simplex methods: after a change of costs the last basis is feasible for the primal one,
#: after a change of loads for the dual one. The right one takes half the steps.
DUAL, PRIMAL = 1, 4


class EnergyMinimum(NamedTuple):
    """E(pi) and where it is attained."""

    #: Rigorous lower bound of the minimum, yuan.
    bound: float
    #: A load that attains it, (n_sites, n_hours), kWh.
    load_kwh: Floats


class Supplied(NamedTuple):
    """The cheapest way to serve a load."""

    dispatch: Dispatch
    yuan: float
    #: Marginal cost of load, what the rules ask of it included, (n_sites, n_hours), and of the
    #: mandate's rows, yuan/kWh.
    energy_yuan_per_kwh: Floats
    mandate_yuan_per_kwh: Floats
    #: What one more kWh of size and one more kW of power would save, (n_sites, 2).
    storage_yuan: Floats


class EnergyBlock(EnergyRows):
    """The energy block of a problem, and the solvers that answer questions to it.

    Parameters
    ----------
    problem : Problem
    """

    def __init__(self, problem: Problem) -> None:
        """Write the program down and hand it to HiGHS."""
        super().__init__(problem)
        import highspy

        used, kept, part = self.used, self.kept, self.part
        lp = highspy.HighsLp()
        lp.num_col_, lp.num_row_ = len(used), len(kept)
        lp.col_cost_ = self.cost[used]
        lp.col_lower_, lp.col_upper_ = self.low[used], self.high[used]
        lp.row_lower_, lp.row_upper_ = self.row_low[kept], self.row_high[kept]
        lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
        lp.a_matrix_.start_, lp.a_matrix_.index_ = part.indptr, part.indices
        lp.a_matrix_.value_ = part.data
        # The plain binding: highspy.Highs prints a greeting as soon as it is made.
        self.solver = highspy.Highs.__base__()
        self.solver.setOptionValue("output_flag", False)
        # Not "threads": HiGHS keeps one pool a process, and refuses a second number of them.
        self.solver.setOptionValue("parallel", "off")
        self.solver.passModel(lp)
        self._blocks: dict[str, _core.Blocks] = {}
        self._no_low, self._no_high = np.isinf(self.row_low), np.isinf(self.row_high)
        self._transposed = self.matrix.T.tocsr()
        self._load_columns = self.column["load"].ravel()
        self._given_load = np.searchsorted(used, self._load_columns).astype(np.int32)

    def minimum(self, pi: Floats) -> EnergyMinimum:
        """The least of energy cost less ``pi * (load - base load)``.

        Parameters
        ----------
        pi : float64 (n_sites, n_hours), yuan/kWh
        """
        base = self.problem.energy.base_load_kwh
        point, duals = self._answer("price", base, self.most_kwh, -pi)
        rest = self.cost - self._transposed @ duals
        limit = np.where(duals > 0, self.row_low, self.row_high)
        held = duals != 0
        bound = duals[held] @ limit[held]
        bound += np.minimum(rest * self.low, rest * self.high).sum()
        load = point[self.column["load"]] * self.unit
        return EnergyMinimum(float(bound * self.unit + (pi * base).sum()), load)

    def served(self, pi: Floats) -> Floats:
        """A load that attains the minimum, without its proof."""
        base = self.problem.energy.base_load_kwh
        point, _ = self._answer("price", base, self.most_kwh, -pi)
        return np.asarray(point[self.column["load"]] * self.unit)

    def mandate_at(self, pi: Floats) -> Floats:
        """Prices of the mandate's rows that go with these prices of load, (n_scopes,)."""
        self.minimum(pi)
        return np.asarray(np.maximum(self._duals[self.row["mandate"]], 0.0))

    def _answer(
        self, changing: str, low: Floats, high: Floats, cost: Floats | float
    ) -> tuple[Floats, Floats]:
        """Best point and duals with these limits and costs of the load.

        `changing` says what differs from the last answer of its kind: "price" or "load".
        """
        at, given = self._load_columns, self._given_load
        self.cost[at] = np.broadcast_to(cost, low.shape).ravel()
        self.low[at], self.high[at] = (low / self.unit).ravel(), (high / self.unit).ravel()
        blocks = self._blocks.pop(changing, None)
        if blocks is not None:
            if changing == "price":
                ended = blocks.set_costs(given, self.cost[at])
            else:
                ended = blocks.set_limits(given, self.low[at], self.high[at])
            blocks = blocks if ended else None
        point, duals = self.low.copy(), np.zeros(self._n_rows)
        if blocks is not None:
            self._blocks[changing] = blocks
            point[self.used], duals[self.kept] = blocks.values(), blocks.row_duals()
        else:
            self._run(PRIMAL if changing == "price" else DUAL)
            solution = self.solver.getSolution()
            point[self.used], duals[self.kept] = solution.col_value, solution.row_dual
            self._at_basis(changing)
        # A dual that leans on a side the row does not have proves nothing.
        duals[(duals > 0) & self._no_low] = 0.0
        duals[(duals < 0) & self._no_high] = 0.0
        self._duals = duals
        return point, duals

    def _run(self, strategy: int = DUAL) -> float:
        """HiGHS's optimum of the program as it stands, in units."""
        import highspy

        at, given = self._load_columns, self._given_load
        self.solver.changeColsCost(len(at), given, self.cost[at])
        self.solver.changeColsBounds(len(at), given, self.low[at], self.high[at])
        self.solver.setOptionValue("simplex_strategy", strategy)
        self.solver.run()
        if self.solver.getModelStatus() != highspy.HighsModelStatus.kOptimal:
            raise InfeasibleError(
                "no dispatch serves this load: connection and sources are too small"
            )
        return float(self.solver.getInfo().objective_function_value)

    def _at_basis(self, changing: str) -> None:
        """Sets up our own solver, at the basis that HiGHS ended with."""
        import highspy

        basis, status = self.solver.getBasis(), highspy.HighsBasisStatus
        columns, rows = list(basis.col_status), list(basis.row_status)
        # A row's slack is its activity with the sign turned.
        upper = [s == status.kUpper for s in columns] + [s == status.kLower for s in rows]
        basic = [s == status.kBasic for s in columns + rows]
        used, kept, part = self.used, self.kept, self.part
        self._blocks[changing] = _core.Blocks(
            part.indptr,
            part.indices,
            part.data,
            self.cost[used],
            self.low[used],
            self.high[used],
            self.row_low[kept],
            self.row_high[kept],
            np.array(basic, np.uint8),
            np.array(upper, np.uint8),
        )

    def serve(self, load_kwh: Floats) -> Supplied:
        """The cheapest way to serve a load exactly.

        Parameters
        ----------
        load_kwh : float64 (n_sites, n_hours), kWh, base load included

        Raises
        ------
        InfeasibleError
            Connection and sources are too small for it.
        """
        point, duals = self._answer("load", load_kwh, load_kwh, 0.0)
        value = self.cost @ point
        power = duals[self.row["kw_in"]] + duals[self.row["kw_out"]]
        storage = np.stack([duals[self.row["size"]].sum(axis=1), power.sum(axis=1)], axis=1)
        return Supplied(
            self._dispatch(point, load_kwh),
            float(value * self.unit),
            -(self._transposed @ duals)[self.column["load"]],
            duals[self.row["mandate"]],
            np.maximum(-storage, 0.0),
        )

    def curves(self) -> tuple[Floats, Floats]:
        """What load costs by site and hour, at the prices of store and rules last found.

        Returns
        -------
        end, price : float64 (n_sites, n_hours, n_segments)
            The jobs' load (base load left out) up to which each kWh costs `price`, rising. With the
            store's and the rules' duals held, this is what the dispatch would charge; it is
            exact at the load of that dispatch, and below the true cost elsewhere.
        """
        problem, energy, dual = self.problem, self.problem.energy, self._duals
        rows, base = problem.mandate_rows, energy.base_load_kwh
        by_site = (dual[self.row["mandate"]] @ rows.member.astype(float))[:, None]
        own, of_load = (self._by_site(dual[self.row[k]]) for k in ("direct_use", "direct_load"))
        wear, into = energy.wear_yuan_per_kwh[:, None], energy.charge_efficiency[:, None]
        stored = (energy.battery_kw > 0)[:, None]

        def spared(price: Floats, colour: str) -> Floats:
            """What a kWh would earn if it were stored instead: at least nothing."""
            worth = into * dual[self.row[f"{colour}_balance"]] - dual[self.row["kw_in"]]
            return np.where(stored, np.minimum(price + wear + worth, 0.0), 0.0)

        sold = np.where(
            energy.export_yuan_per_kwh > 0,
            -energy.export_yuan_per_kwh - (by_site if rows.volume else 0.0),
            0.0,
        )
        segments = []
        for available, price in zip(energy.direct_kwh, energy.direct_yuan_per_kwh, strict=True):
            cost = np.broadcast_to(price[:, None], base.shape) - own
            instead = np.minimum(spared(cost, "green"), sold)
            segments.append((available, cost - by_site - of_load - instead))
        cost = energy.bundled_yuan_per_kwh
        segments.append((energy.bundled_kwh, cost - by_site - spared(cost, "green")))
        carbon = energy.carbon_yuan_per_t * problem.carbon_g_per_kwh / 1e6
        cost = energy.tariff_yuan_per_kwh + carbon
        reach = np.broadcast_to(problem.sites.connection_kw[:, None], base.shape)
        segments.append((np.minimum(reach, 1e15), cost - spared(cost, "grey")))
        drawn = -dual[self.row["green_balance"]] / energy.discharge_efficiency[:, None]
        power = np.broadcast_to(np.where(stored, energy.battery_kw[:, None], 0.0), base.shape)
        segments.append((power, wear + drawn - dual[self.row["kw_out"]] - by_site))
        width = np.stack([w for w, _ in segments], axis=-1)
        asked = rows.share * by_site + problem.direct_rows.of_load * of_load
        price = np.stack([p for _, p in segments], axis=-1) + asked[:, :, None]
        order = np.argsort(price, axis=-1, kind="stable")
        end = np.take_along_axis(width, order, -1).cumsum(axis=-1) - base[:, :, None]
        return np.ascontiguousarray(end), np.take_along_axis(price, order, -1)

    def _by_site(self, values: Floats) -> Floats:
        """What belongs to the sites under the direct-connection rule, (n_sites, 1)."""
        out = np.zeros((len(self.problem.sites), 1))
        out[self.problem.direct_rows.site, 0] = values
        return out

    def mandate_interval(self, load_kwh: Floats, step_kwh: float = 1.0) -> Floats:
        """Left and right derivative of the cost by the green energy asked for, (n_scopes, 2).

        Two more dispatches for each scope, `step_kwh` less and more.
        """
        self._answer("load", load_kwh, load_kwh, 0.0)
        here = self._run() * self.unit
        out = np.zeros((len(self.row["mandate"]), 2))
        for q, row in enumerate(self.row["mandate"]):
            asked, given = self.row_low[row], int(np.searchsorted(self.kept, row))
            for side, step in enumerate((-step_kwh, step_kwh)):
                self.solver.changeRowBounds(given, asked + step / self.unit, np.inf)
                out[q, side] = (self._run() * self.unit - here) / step
            self.solver.changeRowBounds(given, asked, np.inf)
        return np.maximum(out, 0.0)

    def _dispatch(self, point: Floats, load: Floats) -> Dispatch:
        """The solver's point in kWh, with its tolerance put where it does no harm.

        Amounts below zero are lifted, the store is summed up again from its flows, the grid takes
        what then differs from the load, and what is missing to the rules is counted anew.
        """
        energy = self.problem.energy
        v = {k: np.maximum(point[index] * self.unit, 0.0) for k, index in self.column.items()}
        into, out = energy.charge_efficiency[:, None], 1 / energy.discharge_efficiency[:, None]
        green_in = v["direct_in"].sum(axis=0) + v["bundled_in"]
        green = energy.green_start_kwh[:, None] + (into * green_in - out * v["green_out"]).cumsum(1)
        grey_in = v["grid_in"]
        grey = energy.grey_start_kwh[:, None] + (into * grey_in - out * v["grey_out"]).cumsum(1)
        short = load - (v["direct"].sum(axis=0) + v["bundled"] + v["grid"])
        short -= v["green_out"] + v["grey_out"]
        v["grid"] = np.maximum(v["grid"] + short, 0.0)
        uses = v["direct"] + v["direct_in"] + v["sold"]
        rows = self.problem.mandate_rows
        matched = v["direct"].sum(axis=0) + v["bundled"] + v["green_out"]
        counted = matched + (v["sold"].sum(axis=0) if rows.volume else 0.0)
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
        )
