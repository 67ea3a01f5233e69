"""What is the corridor from Xinjiang to Chongqing worth, in yuan, in tonnes and in green share?

    python examples/corridor_worth.py
    python examples/corridor_worth.py --jobs 5000 --gap 0.01 --stages planned
    python examples/corridor_worth.py --bill full --stages planned
    python examples/corridor_worth.py --rows out/corridor.json --out out/corridor.svg
    python examples/corridor_worth.py --read out/corridor.json --out out/corridor.svg

One day of the packaged scenario, twelve times: with the accelerators where they stand today and
where they are planned, and each with the whole corridor, with the network for data alone, with the
power line alone, and with neither. The jobs, the weather and the number of accelerators are the
same. A row says what is lost without a part of the corridor; the last one of a stage, what is lost
without the power line if Chongqing's new site contracts as much green power as the western ones do.
With --bill full the way over the line has its price, so that the worth is net of it.

Neither of two plans need be the best there is. So yuan are given as an interval, which the bounds
of the two plans prove for the best ones; where it holds 0, the answer is beyond what was proved,
and the table says so. Tonnes and shares are those of the plans found: no bound speaks of them.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

import gridcompute as gc
from gridcompute import grid

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.figure import Figure

STAGES = {"today": "as built by mid 2025", "planned": "as planned"}
#: What is left of the corridor, and how a row of the table calls what is missing.
LEFT = {"power": "no network for data", "data": "no power line", "none": "neither"}
CONTRACTED = "no power line, contracts as in the west"
#: From Xinjiang, and the site at the corridor's other end.
FAR, NEAR = ("Hami", "Karamay"), "Chongqing"


class Row(NamedTuple):
    """What a day without a part of the corridor comes to, beside the day with all of it."""

    stage: str
    without: str
    #: Least and most by which the best plan's cost rises, yuan.
    yuan: tuple[float, float]
    #: Do the bounds tell whether it rises or falls?
    resolved: bool
    #: Yuan of the whole day with the corridor.
    cost: float
    tco2: float
    #: Percentage points of the hourly green share of all sites, by which it falls.
    green_points: float
    #: Part of accelerator-hours in use in Xinjiang and at Chongqing's new site, with and without.
    far_used: tuple[float, float]
    near_used: tuple[float, float]
    near_green: tuple[float, float]


def used(plan: grid.Plan, names: tuple[str, ...]) -> float:
    """The part of these sites' accelerator-hours that jobs take."""
    t, classes = plan.table(), plan.problem.classes
    at = np.flatnonzero(np.isin(plan.problem.sites.name, names))
    taken = (t["gang"] * t["hours"])[np.isin(t["site"], at)].sum()
    return float(taken / classes.capacity[np.isin(classes.site, at)].sum())


def green(plan: grid.Plan, names: tuple[str, ...] = ()) -> float:
    """The hourly green share (N2) of these sites, or of all."""
    account, name = plan.green, plan.problem.sites.name
    at = np.isin(name, names) if names else np.ones(len(name), bool)
    return float(account["green_kwh"][at].sum() / account["load_kwh"][at].sum())


def contracted(problem: grid.Problem) -> grid.Problem:
    """The problem with as much contracted green power at the near site as the far one has."""
    figures = {figure.name: figure.value for figure in grid.figures()}
    own, west = (float(figures[f"sites/{site}/bundled"]) for site in (NEAR, FAR[0]))
    at = problem.sites.name.tolist().index(NEAR)
    peak_kw = problem.sites.connection_kw[at] / float(figures["constants/connection/value"])
    energy, premium = problem.energy, float(figures["constants/bundled_premium/value"])
    bundled, yuan = energy.bundled_kwh.copy(), energy.bundled_yuan_per_kwh.copy()
    bundled[at] += (west - own) * peak_kw
    # The line's power costs no more than before: its price is spread over more of the contract.
    plain = energy.tariff_yuan_per_kwh[at] + premium
    yuan[at] = plain + (yuan[at] - plain) * energy.bundled_kwh[at] / bundled[at]
    more = {"bundled_kwh": bundled, "bundled_yuan_per_kwh": yuan}
    return problem.replace(energy=energy.replace(**more))


def _row(stage: str, without: str, whole: grid.Plan, plan: grid.Plan) -> Row:
    change = grid.WhatIf(whole, plan)
    return Row(
        stage=stage,
        without=without,
        yuan=change.between,
        resolved=change.resolved,
        cost=whole.objective_yuan,
        tco2=float((plan.green["n4_tco2"] - whole.green["n4_tco2"]).sum()),
        green_points=100 * (green(whole) - green(plan)),
        far_used=(used(whole, FAR), used(plan, FAR)),
        near_used=(used(whole, (NEAR,)), used(plan, (NEAR,))),
        near_green=(green(whole, (NEAR,)), green(plan, (NEAR,))),
    )


def solve(
    n_jobs: int,
    seed: int,
    gap: float,
    stages: list[str],
    say: Callable[[str], None] = print,
    *,
    bill: str = "energy",
) -> list[Row]:
    """The rows, each plan solved from the prices of the one before; `say` reports each plan."""
    rows = []
    for stage in stages:
        plan = None
        for more, parts in ((False, LEFT), (True, {"data": CONTRACTED})):
            for corridor, without in (("both", ""), *parts.items()):
                variant = {"stage": stage, "corridor": corridor, "bill": bill}
                problem = grid.east_west(n_jobs=n_jobs, seed=seed, **variant)
                problem = contracted(problem) if more else problem
                prices = None if plan is None else plan.prices.replace(placement=None)
                plan = gc.match(problem, gap=gap, prices=prices)
                say(f"{problem.name}: {plan.objective_yuan:,.0f} yuan, gap {plan.gap:.3%}")
                if not without:
                    whole = plan
                    continue
                rows.append(_row(stage, without, whole, plan))
    return rows


def show(rows: list[Row]) -> None:
    """The table."""
    head = ("accelerators", "without", "yuan a day", "of cost", "t CO2", "green", "Xinjiang used")
    print("\n| " + " | ".join((*head, "Chongqing used", "Chongqing green")) + " |")
    print("|" + "---|" * (len(head) + 2))
    for r in rows:
        low, high = r.yuan
        yuan = f"{low:,.0f} to {high:,.0f}"
        yuan = yuan if r.resolved else f"not resolved: {yuan}"
        cells = [
            STAGES[r.stage],
            r.without,
            yuan,
            f"{low / r.cost:.2%} to {high / r.cost:.2%}",
            f"{r.tco2:+.1f}",
            f"{-r.green_points:+.1f} points",
            *(f"{a:.0%}, then {b:.0%}" for a, b in (r.far_used, r.near_used, r.near_green)),
        ]
        print("| " + " | ".join(cells) + " |")


def save(rows: list[Row], path: Path) -> None:
    """The rows as JSON, added to those of other stages in the file."""
    new = {r.stage for r in rows}
    kept = [r for r in load(path) if r.stage not in new]
    path.parent.mkdir(parents=True, exist_ok=True)
    text = ",\n".join(json.dumps(r._asdict()) for r in [*kept, *rows])
    path.write_text(f"[\n{text}\n]\n", encoding="utf-8")


def load(path: Path) -> list[Row]:
    """The rows of a file that `save` wrote, none if there is no file."""
    stored = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    return [
        Row(**{k: tuple(v) if isinstance(v, list) else v for k, v in row.items()}) for row in stored
    ]


def draw(rows: list[Row]) -> Figure:
    """The intervals of the table as bars."""
    import matplotlib.pyplot as plt

    figure, ax = plt.subplots(figsize=(7.2, 3.0), layout="constrained")
    colours = {"today": "#999999", "planned": "#009e73"}
    for i, r in enumerate(reversed(rows)):
        low, high = (100 * yuan / r.cost for yuan in r.yuan)
        ax.barh(i, max(low, 0.0), color=colours[r.stage])
        ax.plot([low, high], [i, i], color="black", linewidth=2)
    ax.set_yticks(range(len(rows)), [f"{STAGES[r.stage]}: {r.without}" for r in reversed(rows)])
    ax.axvline(0.0, color="black", linewidth=0.8)
    ax.set_xlabel("lost, % of the day's cost (bar: proved; line: left open)")
    return figure


def main(arguments: list[str] | None = None) -> None:
    """Solve, print the table and draw it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--gap", type=float, default=0.001)
    parser.add_argument("--stages", nargs="+", choices=list(STAGES), default=list(STAGES))
    parser.add_argument("--bill", choices=("energy", "full"), default="energy")
    parser.add_argument("--rows", type=Path, help="a JSON file to write the rows into")
    parser.add_argument("--read", type=Path, help="a file written by --rows, in place of solving")
    parser.add_argument("--out", type=Path, help="an SVG file to draw the table into")
    asked = parser.parse_args(arguments)
    if asked.read:
        rows = load(asked.read)
    else:
        rows = solve(asked.jobs, asked.seed, asked.gap, asked.stages, bill=asked.bill)
    show(rows)
    if asked.rows:
        save(rows, asked.rows)
    if asked.out:
        import matplotlib as mpl

        mpl.use("svg")
        mpl.rcParams["svg.hashsalt"] = "corridor"
        asked.out.parent.mkdir(parents=True, exist_ok=True)
        metadata: dict[str, Any] = {"Date": None}
        draw(rows).savefig(asked.out, metadata=metadata)
        print(f"the figure: {asked.out}")


if __name__ == "__main__":
    main()
