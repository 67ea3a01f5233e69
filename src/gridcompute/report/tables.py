"""The tables of the page: the green account, the rules, the bottlenecks by their worth."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..grid.plan.account import percent
from ..grid.plan.audit import LEAST_SHORT_KWH, amount, energy_unit
from .charts import number, numbers, tag

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from ..grid.plan.audit import Audit
    from ..grid.plan.plan import Plan

__all__ = [
    "Bottleneck",
    "account_rows",
    "bottleneck_list",
    "bottleneck_rows",
    "bottlenecks",
    "claim_rows",
    "cost_rows",
    "direct_rows",
    "left_out_rows",
    "mandate_rows",
    "missing",
    "share_text",
    "step_word",
    "table",
]


class Bottleneck(NamedTuple):
    """Something scarce: what one more unit saves, and what all of it earns at that price.

    A quota is a rule between tenants: at its price nobody earns anything, so that is NaN. What it
    is worth to the tenant counts for its place in the list.
    """

    kind: str
    where: str
    yuan_per_unit: float
    unit: str
    earns_yuan: float
    weight_yuan: float


def table(head: Sequence[str], rows: Sequence[Sequence[str]], sums: int = 0) -> str:
    """A plain table; words to the left, numbers to the right, the last `sums` rows in bold.

    On a narrow screen each row is a card, whose first cell is its title.
    """
    words = [all(not _numeric(row[c]) for row in rows) for c in range(len(head))]

    def cells(kind: str, row: Sequence[str]) -> str:
        return "".join(
            tag(
                kind,
                escape(text) or "&nbsp;",
                **({"class_": "word"} if words[c] else {}),
                **({"data_head": head[c]} if kind == "td" else {}),
            )
            for c, text in enumerate(row)
        )

    body = "".join(
        tag("tr", cells("td", row), **({"class_": "sum"} if i >= len(rows) - sums else {}))
        for i, row in enumerate(rows)
    )
    content = tag("thead", tag("tr", cells("th", head))) + tag("tbody", body)
    return tag("table", content, class_="cards")


def _numeric(text: str) -> bool:
    return text.strip("+-–%∞,. ").replace(",", "").replace(".", "").isdigit()


def share_text(part: float, whole: float) -> str:
    """A share in percent; nothing where there is no whole."""
    return f"{part / whole:.1%}" if whole else "–"


def account_rows(account: Audit) -> tuple[list[str], list[list[str]]]:
    """The four numbers by site, then over the new sites and over all: heads and rows."""
    columns = ("n1_statutory", "n2_hourly", "n3_cfe")
    rows = []
    for i, name in enumerate(account.sites["name"]):
        site = {k: float(account.sites[k][i]) for k in account.total}
        rows.append((f"{name}{' (new)' if account.sites['new'][i] else ''}", site))
    rows += [("new sites", dict(account.new)), ("all sites", dict(account.total))]
    (unit, size), (mass, tonnes) = account.units
    head = ["site", f"load {unit}", "N1 claimed", "N2 hourly", "N3 CFE"]
    head += [f"N4 {mass}", f"short {unit}"]
    load = numbers([v["load_kwh"] / size for _, v in rows])
    carbon = numbers([v["n4_tco2"] / tonnes for _, v in rows])
    lines = [
        [
            name,
            load[i],
            *(percent(v[c], "–") for c in columns),
            carbon[i],
            missing(v["shortfall_kwh"], size),
        ]
        for i, (name, v) in enumerate(rows)
    ]
    return head, lines


def mandate_rows(plan: Plan) -> tuple[list[str], list[list[str]]]:
    """Each scope of the mandate with what it asks, has and lacks, and its price from the left and
    from the right: heads and rows.
    """
    rows, d = plan.problem.mandate_rows, plan.dispatch
    green = d.green_kwh.sum(axis=1)
    if plan.problem.counts_exports:
        green = green + d.exported_kwh.sum(axis=(0, 2))
    asked = rows.share * (rows.member @ plan.green["load_kwh"]) + rows.carried_kwh
    have = [asked, rows.member @ green, *([d.certificate_kwh] if rows.volume else [])]
    unit, size = energy_unit(max(float(column.max(initial=0.0)) for column in have))
    head = ["scope", f"asked {unit}", f"green {unit}"]
    head += [*([f"certificates {unit}"] if rows.volume else []), f"short {unit}", "left", "right"]
    shown = [numbers((column / size).tolist()) for column in have]
    lines = []
    for q, name in enumerate(rows.names):
        low, high = (number(float(x)) for x in plan.prices.mandate[q])
        short = missing(float(d.missing_kwh[q]), size)
        lines.append([name, *(column[q] for column in shown), short, low, high])
    return head, lines


def direct_rows(plan: Plan, account: Audit) -> tuple[list[str], list[list[str]]]:
    """Return the use of direct sources by site, beside the direct-connection rule."""
    own, rule = plan.problem.energy.direct_kwh.sum(axis=(0, 2)), plan.problem.direct_rule
    direct, ruled = account.direct, bool(account.direct["ruled"].any())
    unit, size = energy_unit(float(own.max(initial=0.0)))
    head = ["site", f"can deliver {unit}", "used or stored", "carry of load"]
    head += [f"asked: {rule.used:.0%}, {rule.of_load:.0%}; short {unit}"] if ruled else []
    lines, sites = [], np.flatnonzero(own > 0)
    for s, deliverable in zip(sites, numbers((own[sites] / size).tolist()), strict=True):
        line = [str(account.sites["name"][s]), deliverable]
        line += [f"{direct['own_used'][s]:.1%}", f"{direct['of_load'][s]:.1%}"]
        if ruled:
            short = missing(float(direct["short_kwh"][s]), size)
            line.append(short if direct["ruled"][s] else "–")
        lines.append(line)
    return head, lines


def missing(kwh: float, size: float) -> str:
    """Return the shortfall in units of `size` kWh; one that raises an alarm is never 0."""
    return amount(kwh / size) if kwh > LEAST_SHORT_KWH else "0"


def claim_rows(account: Audit) -> tuple[list[str], list[list[str]]]:
    """Return the plan's claims under every rule and scope: heads and rows."""
    unit, size = account.units[0]
    rows = [
        [
            f"{c.rule}, per {c.scope}",
            percent(c.mean, "–"),
            percent(c.worst, "–"),
            c.worst_name,
            "yes" if c.met else "no",
            number(c.certificates_mwh * 1e3 / size),
        ]
        for c in account.claims
    ]
    return ["rule", "mean", "worst", "at", "met", f"certificates {unit}"], rows


def left_out_rows(plan: Plan, most: int = 40) -> tuple[list[str], list[list[str]]]:
    """Return the jobs left out by tenant and reason, those of most value first: heads and rows."""
    value, tenant = plan.problem.effective.jobs.value_yuan, plan.problem.jobs.tenant
    found: dict[tuple[int, str], list[float]] = {}
    for job, token in plan.reasons.items():
        found.setdefault((int(tenant[job]), token), []).append(float(value[job]))
    order = sorted(found.items(), key=lambda item: (-sum(item[1]), item[0]))
    rows = [
        [plan.problem.quotas.label(m), token, f"{len(values):,}", number(sum(values))]
        for (m, token), values in order[:most]
    ]
    if rest := order[most:]:
        jobs, yuan = (sum(f(values) for _, values in rest) for f in (len, sum))
        rows.append([f"{len(rest)} others", "", f"{jobs:,}", number(yuan)])
    return ["tenant", "reason", "jobs", "value, yuan"], rows


def bottleneck_rows(plan: Plan, most: int = 18) -> tuple[list[str], list[list[str]]]:
    """The scarce things that earn the most: heads and rows."""
    found = bottleneck_list(plan)[:most]
    head = ["what", "where", "one more saves", "per", "earns in all"]
    rows = [[b.kind, b.where, number(b.yuan_per_unit), b.unit, number(b.earns_yuan)] for b in found]
    return head, rows


def bottlenecks(plan: Plan) -> str:
    """The scarce things that earn the most, as a table."""
    head, rows = bottleneck_rows(plan)
    return table(head, rows) if rows else tag("p", "Nothing is scarce at these prices.")


def bottleneck_list(plan: Plan) -> list[Bottleneck]:
    """Return all scarce resources with a price, those that earn most first."""
    found = [*_capacity(plan), *_corridors(plan), *_others(plan)]
    return sorted(found, key=lambda b: -b.weight_yuan)


def _capacity(plan: Plan) -> Iterator[Bottleneck]:
    classes, names = plan.problem.classes, plan.problem.sites.name
    earns = plan.prices.capacity * classes.capacity
    for c in range(len(classes)):
        h = int(np.argmax(earns[c]))
        if earns[c].sum() > 0:
            where = f"{names[classes.site[c]]}, {classes.accelerator_names[classes.accelerator[c]]}"
            unit = f"accelerator-h, {step_word(plan)} {h}"
            price = float(plan.prices.capacity[c, h]) / plan.problem.step_h
            yield Bottleneck("capacity", where, price, unit, *_earned(earns[c]))


def _corridors(plan: Plan) -> Iterator[Bottleneck]:
    prices, names = plan.prices.corridor, plan.problem.sites.name
    earns = np.where(prices > 0, prices, 0.0) * np.where(
        prices > 0, plan.problem.corridors.bandwidth_gb, 0.0
    )
    for o, d in np.argwhere(earns.sum(axis=2) > 0):
        h = int(np.argmax(earns[o, d]))
        unit = f"GB, {step_word(plan)} {h}"
        where = f"{names[o]} to {names[d]}"
        yield Bottleneck("corridor", where, float(prices[o, d, h]), unit, *_earned(earns[o, d]))


def _others(plan: Plan) -> Iterator[Bottleneck]:
    problem, prices, energy = plan.problem, plan.prices, plan.problem.energy
    quotas, kinds = problem.quotas.linear_rows, problem.classes.accelerator_names
    for row in np.flatnonzero(prices.quota_rows > 0).tolist():
        price = float(prices.quota_rows[row]) / problem.step_h
        worth = price * float(quotas.upper_h[row])
        by, m = divmod(row, len(problem.quotas))
        where = problem.quotas.label(m) + (f" on {kinds[by - 1]}" if by else "")
        yield Bottleneck("quota", where, price, "accelerator-h", float("nan"), worth)
    for q, name in enumerate(problem.mandate_rows.names):
        low, high = (float(x) for x in prices.mandate[q])
        asked = problem.mandate_rows.share * float(
            problem.mandate_rows.member[q] @ plan.green["load_kwh"]
        )
        if high > 0:
            unit = "green kWh" if high - low < 1e-4 else f"green kWh, from {number(low)}"
            earned = _earned((low + high) / 2 * asked)
            yield Bottleneck("mandate", name, high, unit, *earned)
    for s, name in enumerate(problem.sites.name):
        sizes = (
            ("battery size", "kWh", energy.battery_kwh[s]),
            ("battery power", "kW", energy.battery_kw[s]),
        )
        for k, (kind, unit, size) in enumerate(sizes):
            price = float(prices.storage[s, k]) * (problem.step_h if k == 1 else 1.0)
            if price > 0:
                yield Bottleneck(kind, str(name), price, unit, *_earned(price * float(size)))


def step_word(plan: Plan) -> str:
    """Return the name of a step of the batch."""
    return "hour" if plan.problem.step_h == 1 else "step"


def _earned(yuan: NDArray[np.float64] | float) -> tuple[float, float]:
    """Return the earnings of a scarce resource twice: as text, and as the key of the order."""
    earned = float(np.sum(yuan))
    return earned, earned


def cost_rows(account: Audit) -> tuple[list[str], list[list[str]]]:
    """The cost part by part, the sum last: heads and rows."""
    return ["cost", "yuan"], account.cost_rows()
