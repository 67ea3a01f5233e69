"""Sections of the page: money, own power, tenants, simple rules, sources of the figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..errors import InfeasibleError
from ..grid.evaluate import dispatched
from ..grid.plan.account import lowest_share, percent
from ..grid.plan.audit import energy_unit
from ..grid.plan.costs import COSTS
from ..grid.plan.data import short_yuan
from ..grid.policies import POLICIES
from ..grid.tables.mandate import by_kind, counted
from .charts import bar, legend, number, numbers, stack, tag
from .tables import missing, share_text, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ..grid.plan.audit import Audit
    from ..grid.plan.plan import Plan

__all__ = ["costs", "own_power", "simple_rules", "sources", "tenants"]

#: The colour of each part of the cost.
PARTS = {
    "grid": "#a9a59c",
    "bundled": "#7bb66a",
    "direct": "#e3a72f",
    "carbon": "#6d7480",
    "storage_wear": "#2c7a4b",
    "certificates": "#5aa0a5",
    "curtailment": "#c98f86",
    "demand": "#7d6a4f",
    "mandate_shortfall": "#c0392b",
    "direct_shortfall": "#d9705f",
    "shed": "#8e2b55",
    "load_limits": "#b5651d",
    "data": "#c2703d",
    "delay": "#b08cc9",
    "migration": "#8a78c4",
    "unplaced": "#8fb4cf",
    "quota_shortfall": "#4f7ea6",
}
#: The colours of what becomes of direct power.
USES = {"used": "#e3a72f", "stored": "#2c7a4b", "exported": "#5aa0a5", "curtailed": "#c98f86"}
#: The most jobs of a plan whose page shows the simple rules beside it: more take too long.
MOST_JOBS = 50_000
#: Tenants shown, the largest first, and loans between them.
MOST_TENANTS, MOST_LOANS = 16, 30


def costs(plan: Plan) -> str:
    """The cost as one bar, and part by part with what each part is."""
    shown = {name: yuan for name, yuan in plan.costs.items() if abs(yuan) >= 0.005}
    total = sum(shown.values())
    parts = [(name.replace("_", " "), PARTS.get(name, "#999999"), v) for name, v in shown.items()]
    spent = [part for part in parts if part[2] > 0]
    rows = [
        [name.replace("_", " "), f"{yuan:,.2f}", share_text(yuan, total), COSTS[name]]
        for name, yuan in shown.items()
    ]
    sums = 1
    if plan.costs["unplaced"]:
        rows.append(
            [
                "all but unplaced",
                f"{plan.placed_yuan:,.2f}",
                "",
                "without the values of the jobs left out",
            ]
        )
        sums = 2
    rows.append(["all", f"{plan.objective_yuan:,.2f}", "", "what the plan costs"])
    without = plan.without_option_yuan
    words = "Each part is what is paid or lost over the batch; below 0 it brings money in."
    if without > 0:
        words += f" Of the unplaced, {without:,.0f} yuan are jobs that nothing here can run."
    keys = tag("p", legend([(name, fill) for name, fill, _ in spent]))
    picture = bar(spent, lambda yuan: f"{yuan:,.0f} yuan")
    head = ["part", "yuan", "of all", "what it is"]
    return tag("p", words) + picture + keys + table(head, rows, sums=sums)


def own_power(plan: Plan, times: Sequence[str]) -> str:
    """Return the energy of direct sources: available, used and curtailed."""
    d, names = plan.dispatch, [str(n) for n in plan.problem.sites.name]
    uses = {
        "used": d.direct_kwh.sum(axis=0),
        "stored": d.direct_charge_kwh.sum(axis=0),
        "exported": d.exported_kwh.sum(axis=0),
        "curtailed": d.curtailed_kwh.sum(axis=0),
    }
    have = plan.problem.energy.direct_kwh.sum(axis=0)
    if not have.sum() > 0:
        return tag("p", "No site has a direct source.")
    unit, size = energy_unit(have.sum(axis=0).max(initial=0.0))
    lost = float(uses["curtailed"].sum() / have.sum())
    layers = [(name, USES[name], v.sum(axis=0) / size) for name, v in uses.items()]
    title, note = f"Direct sources, all sites, {unit}", f"{lost:.0%} curtailed"
    wide, narrow = (
        stack(title, layers, unit=unit, note=note, width=w, height=h, times=times)
        for w, h in ((1084, 190), (330, 170))
    )
    pictures = tag("div", wide, class_="wide") + tag("div", narrow, class_="narrow")
    sites = np.flatnonzero(have.sum(axis=1) > 0)
    amounts = np.array([have[sites].sum(axis=1), *(v[sites].sum(axis=1) for v in uses.values())])
    amounts = np.c_[amounts, [have.sum(), *(v.sum() for v in uses.values())]]
    unit, size = energy_unit(amounts.max())
    columns = [numbers((kwh / size).tolist()) for kwh in amounts]
    curtailed = [
        share_text(part, whole) for part, whole in zip(amounts[-1], amounts[0], strict=True)
    ]
    called = [*(names[s] for s in sites), "all sites"]
    rows = [list(row) for row in zip(called, *columns, curtailed, strict=True)]
    head = ["site", f"can deliver {unit}", *uses, "curtailed, of all"]
    words = "What the sites' own sources could deliver in each hour, and what became of it, "
    words += f"in {unit}."
    words += " Curtailed power is thrown away: no load, no room in a battery, no sale."
    keys = tag("p", legend(list(USES.items())))
    return tag("p", words) + keys + pictures + table(head, rows, sums=1)


def tenants(plan: Plan, account: Audit) -> str:
    """Return for each tenant its request, limit, use, loans and share of the cost."""
    problem, t, queues = plan.problem, plan.table(), account.queues
    jobs, quotas, n = problem.jobs, problem.quotas, len(problem.quotas)
    asked = np.bincount(jobs.tenant, minlength=n)
    placed = np.bincount(t["tenant"], minlength=n)
    shares = quotas.is_tree or bool((quotas.lower_accelerator_h > 0).any())
    depth = np.array([len(quotas.path(m)) - 1 for m in range(n)]) if quotas.is_tree else [0] * n
    upper, hours, borne = quotas.limit_accelerator_h, queues.used_h, queues.borne_yuan
    order = np.array(_tree_order(quotas.parent, hours), np.int64)
    order = order[(queues.asked_h[order] > 0) | (asked[order] > 0)]
    rows = []
    for m in order[:MOST_TENANTS].tolist():
        limited = bool(np.isfinite(upper[m]))
        row = [
            "\u2003" * int(depth[m]) + quotas.label(m),
            f"{placed[m]:,} of {asked[m]:,}",
            number(float(hours[m])),
            number(float(upper[m])) if limited else "none",
            share_text(float(hours[m]), float(upper[m])) if limited else "–",
        ]
        if shares:
            held = (quotas.lower_accelerator_h, queues.share_h, queues.borrowed_h, queues.lent_h)
            row += [number(float(values[m])) for values in held]
        row += [number(float(queues.price_yuan_per_h[m])), number(float(borne[m]))]
        rows.append([*row, number(float(borne[m] / hours[m])) if hours[m] > 0 else "–"])
    rest = order[MOST_TENANTS:]
    if len(rest):
        own = np.bincount(t["tenant"], t["gang"] * t["hours"], n) * problem.step_h
        bears = np.bincount(t["tenant"], t["allocated_yuan"], n)
        size, yuan = float(own[rest].sum()), float(bears[rest].sum())
        row = [f"{len(rest)} others", f"{placed[rest].sum():,} of {asked[rest].sum():,}"]
        row += [number(size), "", "", *([""] * 4 if shares else []), "", number(yuan)]
        rows.append([*row, number(yuan / size) if size > 0 else "–"])
    head = ["tenant", "jobs placed", "accelerator-h", "quota", "of it used"]
    head += ["guarantee", "fair share", "borrowed", "lent"] if shares else []
    head += ["one more is worth", "bears, yuan", "an accelerator-h"]
    words = (
        "What a tenant's jobs bear of the cost of this plan; the values of jobs left out are borne"
    )
    words += (
        " by none. What one more accelerator-hour of quota is worth is a price, not money earned."
    )
    if quotas.is_tree:
        words += " Accelerator-hours and yuan are with the queues below; jobs are a queue's own."
    if not rows:
        return tag("p", "No jobs.")
    return tag("p", words) + table(head, rows) + _loans(account)


def _tree_order(parent: NDArray[np.int32], hours: NDArray[np.float64]) -> list[int]:
    """Return the queues by descending hours, those below a queue right after it."""
    below: dict[int, list[int]] = {}
    for m in np.argsort(-hours, kind="stable").tolist():
        below.setdefault(int(parent[m]), []).append(m)
    out, stack = [], below.get(-1, [])[::-1]
    while stack:
        out.append(stack.pop())
        stack += below.get(out[-1], [])[::-1]
    return out


def _loans(account: Audit) -> str:
    """Return the loans between queues."""
    rows = account.loan_rows()
    if not rows:
        return ""
    head = ["borrower", "lender", "accelerator-h", "yuan"]
    words = (
        "Who uses what others are guaranteed and leave: what a queue uses beyond its guarantee, it "
        "borrows from the queues beside it. The yuan are what the borrower's jobs bear of the cost "
        "for as many accelerator-hours."
    )
    return tag("p", words) + table(head, rows[:MOST_LOANS])


def simple_rules(plan: Plan) -> str:
    """The plan beside what simple rules make of the same batch, each dispatched exactly."""
    problem = plan.problem
    if len(problem.jobs) > MOST_JOBS or problem.running is not None or not len(problem.jobs):
        words = f"Shown for batches of up to {MOST_JOBS:,} jobs of which none runs at the start."
        return tag("p", f"{words} grid.policies has the rules, grid.evaluate their cost.")
    rows = []
    unit, size = energy_unit(float(plan.green["load_kwh"].sum()))
    for name, rule in POLICIES.items():
        try:
            found = dispatched(problem, rule(problem))
        except InfeasibleError:
            rows.append([name, *["–"] * 6])
            continue
        rows.append(_row(name, found, plan.objective_yuan, size))
    rows.append(_row("this plan", plan, plan.objective_yuan, size))
    head = ["rule", "placed", "cost, yuan", "above this plan", "without values"]
    head += ["lowest new site", f"short {unit}"]
    words = (
        "fifo_at_home: in order of release, at the origin; nearest: at the nearest site with room; "
        "cheapest: where power, data and delay cost least at the tariff; value_density: so, the "
        "jobs first that are worth most an accelerator-hour. Without values: the cost less that of "
        "unplaced jobs."
    )
    return tag("p", words) + table(head, rows, sums=1)


def _row(name: str, plan: Plan, best: float, size: float) -> list[str]:
    new = plan.problem.mandate.applies_to(plan.problem.sites)
    lowest = percent(lowest_share(plan.green["n2_hourly"][new])[0], "–")
    above = f"{plan.objective_yuan / best - 1:+.1%}" if best > 0 and name != "this plan" else ""
    return [
        name,
        f"{(plan.assignment >= 0).mean():.1%}",
        short_yuan(plan.objective_yuan),
        above,
        short_yuan(plan.placed_yuan),
        lowest,
        missing(float(plan.dispatch.missing_kwh.sum()), size),
    ]


def sources(plan: Plan) -> str:
    """Return the sources of the figures: sourced, derived and assumed distinguished."""
    given = plan.problem.sources
    if not given:
        return tag("p", "The problem does not say where its figures come from.")
    out = tag("p", f"Of {len(given)} figures: {counted(given)}.")
    for kind, rows in by_kind(given).items():
        if rows:
            body = table(["figure", "source"], [list(row) for row in rows])
            out += tag("details", tag("summary", f"{kind.capitalize()}: {len(rows)}") + body)
    return out
