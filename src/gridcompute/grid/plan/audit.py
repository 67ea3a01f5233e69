"""The honest account of green energy: four numbers for each site, never one, and never added up.

N1, statutory: green volume with retired certificates over load. N2, hourly-matched: green power
used in the hour it was delivered over load; what the mandate's hourly rule holds a site to. N3, CFE
score: N2 with the grid's own green share for the rest. N4, location-based tonnes of CO2. Storage
keeps its colour, its losses fall on the green side, and the meter stands at the grid connection.
"""

from __future__ import annotations

import dataclasses
import json
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from ..tables.mandate import RULES, SCOPES, by_kind
from ..tables.problem import load_excess
from .account import LEAST_KWH, lowest_share, percent
from .queues import LEAST_H, QueueAccount, queue_account

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ..tables.column import Bools, Floats
    from ..tables.problem import Problem
    from .data import PlanData


#: N1 above N2 by more than this share raises the alarm: what is claimed is no longer what was used.
ALARM = 0.05
#: The columns of the table of queues; hours are accelerator-hours.
QUEUE_HEAD = (
    *("queue", "above", "used h", "guarantee", "limit", "fair share", "borrowed", "lent"),
    "one more is worth",
)
#: The least shortfall that is reported, kWh; smaller ones are within a solver's tolerance.
LEAST_SHORT_KWH = 1e-3
#: The least lack of a guarantee that is reported, accelerator-hours.
LEAST_SHORT_H = 1e-3
#: Punctuation that means something within a line of Markdown, and what begins a bare link.
_SPECIAL = re.compile(r"[\\`*_{}\[\]|#~$^@!]|(?<=\w):(?=//)|(?<=[Ww][Ww][Ww])\.")


@dataclasses.dataclass(frozen=True)
class Claim:
    """The claim of a plan under one rule and scope."""

    rule: str
    scope: str
    #: Share over all facilities held to the mandate, and the lowest share among the scopes with
    #: the names of all that have it; NaN and "none" where none has load.
    mean: float
    worst: float
    worst_name: str
    met: bool
    #: Certificates that would have to be retired for the claim, MWh, and their price (volume rule
    #: only).
    certificates_mwh: float
    certificates_yuan: float


@dataclasses.dataclass(frozen=True)
class Audit:
    """The account of one plan; `str(audit)` prints it as Markdown.

    Parameters
    ----------
    sites : mapping of str to array
        `green_account`, with ``name`` and ``new``.
    total, new : mapping of str to float
        The same over all sites, and over those held to the mandate (energy-weighted shares).
    worst : tuple of str and float
        The facilities with the lowest N2 among those held to the mandate, and that share; "none"
        and NaN if none of them has load.
    claims : tuple of Claim
        What this same plan would claim under every rule and scope.
    alarms : tuple of str
    rule : str
        The rule, scope and facilities in force, in words.
    direct : mapping of str to array
        Of the direct sources, by site: ``ruled``, is the site under the direct-connection rule;
        ``own_used``, share of what they can deliver that is used or stored; ``of_load``, share of
        the load that they carry; ``short_kwh``, what is missing to the rule.
    costs : mapping of str to float
        `Plan.costs`, yuan by part.
    battery : mapping of str to float64 (2, n_sites), kWh
        The battery book, green and grey: ``start``, stored before the batch; ``taken`` to charge;
        ``lost`` on both ways; ``given`` to load; ``end``, stored after it. What was there and came
        is what went and is there: ``start + taken = lost + given + end``.
    queues : QueueAccount
        What each tenant's queue uses, is guaranteed, may use, would have as its fair share, and who
        borrows from whom.
    figures : mapping of str to int
        How many of the problem's figures are "sourced", "derived" and "assumed"
        (`Problem.sources`).
    """

    sites: Mapping[str, Any]
    total: Mapping[str, float]
    new: Mapping[str, float]
    worst: tuple[str, float]
    claims: tuple[Claim, ...]
    alarms: tuple[str, ...]
    rule: str
    direct: Mapping[str, Any]
    battery: Mapping[str, Floats]
    costs: Mapping[str, float]
    queues: QueueAccount
    figures: Mapping[str, int]

    def as_dict(self) -> dict[str, Any]:
        """Plain lists and numbers, for JSON; None for a share of no load."""
        plain: dict[str, Any] = json.loads(
            json.dumps(
                {f.name: _fields(getattr(self, f.name)) for f in dataclasses.fields(self)},
                default=_plain,
            ),
            parse_constant=lambda text: None if text == "NaN" else float(text),
        )
        return plain

    def _repr_markdown_(self) -> str:
        return str(self)

    def __str__(self) -> str:
        """Return the account as Markdown tables; names are text in it, whatever they hold."""
        (unit, size), (mass, tonnes) = self.units
        head = f"| site | load {unit} | N1 statutory | N2 hourly | N3 CFE | N4 {mass} "
        head += f"| short {unit} |"
        lines = [f"Rule in force: {self.rule}.", "", head, "|---|--:|--:|--:|--:|--:|--:|"]
        columns = ("load_kwh", "n1_statutory", "n2_hourly", "n3_cfe", "n4_tco2", "shortfall_kwh")
        for i, name in enumerate(self.sites["name"]):
            mark = " (new)" if self.sites["new"][i] else ""
            values = [float(self.sites[c][i]) for c in columns]
            lines.append(_line(f"{_markdown(name)}{mark}", values, size, tonnes))
        lines.append(_line("**new sites**", [self.new[c] for c in columns], size, tonnes))
        lines.append(_line("**all sites**", [self.total[c] for c in columns], size, tonnes))
        lines += [
            "",
            _markdown(self.lowest),
            "",
        ]
        lines += [f"| same plan under | mean | worst | met | certificates {unit} | yuan |"]
        lines += ["|---|--:|--:|---|--:|--:|"]
        for c in self.claims:
            worst = f"{percent(c.worst)} {_markdown(c.worst_name)}"
            met = "yes" if c.met else "no"
            lines.append(
                f"| {c.rule}, per {c.scope} | {percent(c.mean)} | {worst} | {met} "
                f"| {amount(c.certificates_mwh * 1e3 / size)} | {c.certificates_yuan:,.2f} |"
            )
        lines += ["", "| cost | yuan |", "|---|--:|"]
        lines += [f"| {words} | {yuan} |" for words, yuan in self.cost_rows()]
        kept = [f"| {' | '.join(map(_markdown, row))} |" for row in self.battery_rows()]
        if kept:
            head = f"| battery, kWh | colour | {' | '.join(self.battery)} |"
            lines += ["", head, "|---|---|" + "--:|" * len(self.battery), *kept]
        lines += self._queue_lines()
        if any(self.figures.values()):
            counts = ", ".join(f"{n} {kind}" for kind, n in self.figures.items())
            lines += ["", f"Figures of the problem: {counts}; the page lists each with its source."]
        return (
            "\n".join([*lines, "", *(f"ALARM: {_markdown(a)}" for a in self.alarms)]).rstrip()
            + "\n"
        )

    def _queue_lines(self) -> list[str]:
        """The tables of queues and of loans, where quotas ask for anything."""
        rows = self.queue_rows()
        if not rows:
            return []
        lines = ["", f"| {' | '.join(QUEUE_HEAD)} |", "|---|---|" + "--:|" * (len(QUEUE_HEAD) - 2)]
        lines += [f"| {' | '.join(map(_markdown, row))} |" for row in rows]
        if self.queues.loans:
            lines += ["", "| borrower | lender | accelerator-h | yuan |", "|---|---|--:|--:|"]
            lines += [f"| {' | '.join(map(_markdown, row))} |" for row in self.loan_rows()]
        return lines

    def queue_rows(self) -> list[list[str]]:
        """The queues that have a guarantee, a limit or a place in a tree, as text by `QUEUE_HEAD`.

        `borrowed` and `lent` are 0 for those that do neither.
        """
        q, rows = self.queues, []
        for m, name in enumerate(q.name):
            limited = bool(np.isfinite(q.limit_h[m]))
            if not (limited or q.guarantee_h[m] > 0 or q.parent[m] or name in q.parent):
                continue
            borrowed = q.borrowed_h[m] if q.guarantee_h[m] > 0 or q.parent[m] else 0.0
            numbers = (q.used_h[m], q.guarantee_h[m], q.limit_h[m], q.share_h[m], borrowed)
            texts = [_accelerator_h(float(x)) for x in (*numbers, q.lent_h[m])]
            rows.append([name, q.parent[m] or "-", *texts, f"{q.price_yuan_per_h[m]:,.2f}"])
        return rows

    def loan_rows(self) -> list[list[str]]:
        """Return loans between queues as text: borrower, lender, accelerator-hours, yuan."""
        return [
            [loan.borrower, loan.lender, f"{loan.accelerator_h:,.1f}", f"{loan.yuan:,.2f}"]
            for loan in self.queues.loans
            if loan.accelerator_h > LEAST_H
        ]

    @property
    def units(self) -> tuple[tuple[str, float], tuple[str, float]]:
        """The units in which the account is printed, each with how many kWh or tonnes it is."""
        load, carbon = float(np.max(self.sites["load_kwh"])), float(np.max(self.sites["n4_tco2"]))
        return energy_unit(load), ("tCO2", 1.0) if carbon >= 1 else ("kgCO2", 1e-3)

    @property
    def lowest(self) -> str:
        """The facilities with the lowest N2 among those held to the mandate, as a sentence."""
        if not self.sites["new"].any():
            return "No site is held to the mandate."
        if np.isnan(self.worst[1]):
            return "No site that is held to the mandate has load."
        return f"Lowest N2 among the new sites: {self.worst[0]}, {self.worst[1]:.1%}."

    @property
    def cost_sums(self) -> int:
        """How many of the `cost_rows` are sums: two where jobs are left out."""
        return 2 if self.costs["unplaced"] else 1

    def cost_rows(self) -> list[list[str]]:
        """The parts of the cost that are not 0, as text, then the sum; before it, where jobs are
        left out, the sum without their values.
        """
        rows = [
            [name.replace("_", " "), f"{yuan:,.2f}"]
            for name, yuan in self.costs.items()
            if abs(yuan) >= 0.005
        ]
        total = sum(self.costs.values())
        if self.cost_sums > 1:
            rows.append(["all but unplaced", f"{total - self.costs['unplaced']:,.2f}"])
        return [*rows, ["all", f"{total:,.2f}"]]

    def battery_rows(self) -> list[list[str]]:
        """The battery book as text: site, colour, and the amounts in the order of `battery`."""
        return [
            [str(name), colour, *(f"{column[k, s]:,.1f}" for column in self.battery.values())]
            for s, name in enumerate(self.sites["name"])
            for k, colour in enumerate(("green", "grey"))
            if any(column[k, s] > 1e-6 for column in self.battery.values())
        ]


def audit(plan: PlanData) -> Audit:
    """The account of a plan: four numbers by site, lowest beside mean, and the other rules.

    Examples
    --------
    >>> import gridcompute as gc
    >>> from gridcompute import grid
    >>> plan = gc.match(grid.east_west(n_jobs=500, seed=0), gap=0.05, time_limit=2)
    >>> account = grid.audit(plan)
    >>> bool(account.worst[1] <= account.new["n2_hourly"])
    True
    """
    problem, green = plan.problem, plan.green
    new = problem.mandate.applies_to(problem.sites)
    everyone = np.ones(len(problem.sites), bool)
    claims = tuple(_claim(plan, rule, scope) for rule in RULES for scope in SCOPES)
    low, where = lowest_share(np.where(new, green["n2_hourly"], np.nan))
    worst = (_named(problem.sites.name.tolist(), where), low)
    mandate = problem.mandate
    rule = (
        f"{mandate.share:.0%} {mandate.rule}, per {mandate.scope}, {int(new.sum())} new facilities"
    )
    return Audit(
        sites={"name": problem.sites.name, "new": new, **green},
        total=_summed(green, everyone),
        new=_summed(green, new),
        worst=worst,
        claims=claims,
        alarms=(*_alarms(plan), *_below_guarantees(plan)),
        rule=rule + _in_force(problem),
        direct=_direct_rule(plan),
        battery=_battery_book(plan),
        costs=plan.costs,
        queues=queue_account(plan),
        figures={kind: len(rows) for kind, rows in by_kind(problem.sources).items()},
    )


def _in_force(problem: Problem) -> str:
    """Return the rules in force beside the mandate's, in words."""
    words = ", with ledger" if problem.mandate.ledger is not None else ""
    if problem.counts_exports:
        words += ", certificates of exported power kept, so that N1 may lie above 100 %"
    return words


def _named(names: Sequence[Any], where: Sequence[int]) -> str:
    """Return some of the names in a line."""
    return ", ".join(str(names[at]) for at in where) or "none"


def _summed(green: Mapping[str, Floats], which: Bools) -> dict[str, float]:
    load = green["load_kwh"][which]
    shares = ("n1_statutory", "n2_hourly", "n3_cfe")
    total = float(load.sum()) if load.sum() > LEAST_KWH else np.nan
    return {
        name: round(float(np.nansum(values[which] * load)) / total, 12)
        if name in shares
        else float(values[which].sum())
        for name, values in green.items()
    }


def _claim(plan: PlanData, rule: str, scope: str) -> Claim:
    """Return the claim of the unchanged dispatch of `plan` under another rule."""
    problem = plan.problem
    other = dataclasses.replace(problem.mandate, rule=rule, scope=scope, ledger=None)
    rows = other.rows(problem.sites)
    load = rows.member @ plan.dispatch.load_kwh.sum(axis=1)
    green = rows.member @ plan.dispatch.green_kwh.sum(axis=1)
    kept = problem.energy.exported_certificates == "kept"
    if rule == "volume" and kept:
        green = green + rows.member @ plan.dispatch.exported_kwh.sum(axis=(0, 2))
    missing = np.maximum(rows.share * load - green, 0.0)
    missing = np.where(missing > LEAST_SHORT_KWH, missing, 0.0)
    bought = missing if rule == "volume" else np.zeros_like(missing)
    over = np.where(load > LEAST_KWH, load, np.nan)
    worst, where = lowest_share((green + bought) / over)
    total = float(load.sum()) if load.sum() > LEAST_KWH else np.nan
    return Claim(
        rule=rule,
        scope=scope,
        mean=round(float((green + bought).sum()) / total, 12),
        worst=round(worst, 12),
        worst_name=_named(rows.names, where),
        met=bool((missing - bought <= LEAST_SHORT_KWH).all()),
        certificates_mwh=float(bought.sum()) / 1e3,
        certificates_yuan=float(bought.sum()) * problem.energy.certificate_yuan_per_kwh,
    )


def _alarms(plan: PlanData) -> list[str]:
    green = plan.green
    scopes = zip(plan.problem.mandate_rows.names, plan.dispatch.missing_kwh.tolist(), strict=True)
    out = [
        f"{name} is {amount(kwh)} kWh short of the mandate"
        for name, kwh in scopes
        if kwh > LEAST_SHORT_KWH
    ]
    outside: list[tuple[str, Floats]] = []
    if plan.problem.sites.limits_load.any():
        drawn = plan.dispatch.load_kwh - plan.dispatch.shed_kwh
        excess = load_excess(plan.problem.stepped, drawn)
        outside = [
            ("lacks {} kWh to its minimum load", excess.below_kwh),
            ("changes its load by {} kWh more than it may", excess.beyond_kwh),
        ]
    for i, name in enumerate(plan.problem.sites.name):
        ahead = green["n1_statutory"][i] - green["n2_hourly"][i]
        if ahead > ALARM:
            out.append(f"{name} claims {ahead:.1%} of its load more than it used hour by hour")
        shed = float(plan.dispatch.shed_kwh[i].sum())
        if shed > LEAST_SHORT_KWH:
            out.append(f"{name} leaves {amount(shed)} kWh of its load without power")
        for what, short in (
            ("uses {} kWh of its direct sources less", plan.dispatch.direct_use_short_kwh[i]),
            ("draws {} kWh of direct power less", plan.dispatch.direct_load_short_kwh[i]),
        ):
            if short > LEAST_SHORT_KWH:
                words = what.format(amount(float(short)))
                out.append(f"{name} {words} than the direct-connection rule asks")
        for what, by_site in outside:
            kwh = by_site[i]
            if kwh.max() > LEAST_SHORT_KWH:
                steps = int((kwh > LEAST_SHORT_KWH).sum())
                words = what.format(amount(float(kwh.sum())))
                out.append(f"{name} {words}, in {steps} of {len(kwh)} steps")
    return out


def _below_guarantees(plan: PlanData) -> Iterator[str]:
    """Alarms of queues that get less than a guarantee whose lack is priced."""
    problem, t = plan.problem.effective, plan.table()
    rows, kinds = problem.quotas.linear_rows, problem.classes.accelerator[t["klass"]]
    used = rows.used(t["tenant"], kinds, t["gang"] * t["hours"])
    below = np.where(rows.floor > 0, rows.lower_h - used, 0.0) * plan.problem.step_h
    for row in np.flatnonzero(below > LEAST_SHORT_H).tolist():
        by, m = divmod(row, len(problem.quotas))
        where = f" on {problem.classes.accelerator_names[by - 1]}" if by else ""
        hours = amount(float(below[row]))
        yield f"{problem.quotas.label(m)} gets {hours} accelerator-h less than guaranteed{where}"


def _direct_rule(plan: PlanData) -> dict[str, Any]:
    """Return the use of the direct sources, beside the direct-connection rule."""
    problem, d = plan.problem, plan.dispatch
    own = problem.energy.direct_kwh.sum(axis=(0, 2))
    used, load = d.direct_kwh.sum(axis=(0, 2)), plan.green["load_kwh"]
    taken = used + d.direct_charge_kwh.sum(axis=(0, 2))
    return {
        "ruled": problem.direct_rule.applies_to(problem.sites, problem.energy),
        "own_used": np.where(own > 0, taken / np.where(own > 0, own, 1.0), 1.0),
        "of_load": np.where(load > 0, used / np.where(load > 0, load, 1.0), 0.0),
        "short_kwh": d.direct_use_short_kwh + d.direct_load_short_kwh,
    }


def _battery_book(plan: PlanData) -> dict[str, Floats]:
    """Return each colour of each battery: content, charge, losses and discharge."""
    d, energy = plan.dispatch, plan.problem.energy
    taken = np.stack([d.direct_charge_kwh.sum(axis=0) + d.bundled_charge_kwh, d.grid_charge_kwh])
    given = np.stack([d.green_discharge_kwh, d.grey_discharge_kwh])
    taken, given = taken.sum(axis=2), given.sum(axis=2)
    lost = taken * (1 - energy.charge_efficiency) + given * (1 / energy.discharge_efficiency - 1)
    return {
        "start": np.stack([energy.green_start_kwh, energy.grey_start_kwh]),
        "taken": taken,
        "lost": lost,
        "given": given,
        "end": np.stack([d.green_stored_kwh[:, -1], d.grey_stored_kwh[:, -1]]),
    }


def energy_unit(most_kwh: float) -> tuple[str, float]:
    """Return the unit in which an amount of energy reads best, and how many kWh it is.

    Examples
    --------
    >>> energy_unit(9.7), energy_unit(12_000.0)
    (('kWh', 1.0), ('MWh', 1000.0))
    """
    return ("GWh", 1e6) if most_kwh >= 1e6 else ("MWh", 1e3) if most_kwh >= 1e3 else ("kWh", 1.0)


def _line(label: str, values: list[float], size: float, tonnes: float) -> str:
    load, n1, n2, n3, n4, short = values
    shares = " | ".join(percent(share) for share in (n1, n2, n3))
    lacks = amount(short / size) if short > LEAST_SHORT_KWH else "0"
    shown = [amount(x) if x > LEAST_KWH else "0" for x in (load / size, n4 / tonnes)]
    return f"| {label} | {shown[0]} | {shares} | {shown[1]} | {lacks} |"


def amount(value: float) -> str:
    """Return an amount with a decimal from 10 on, and below with two figures, never rounded to 0.

    Examples
    --------
    >>> amount(1234.56), amount(12.3456), amount(0.0123), amount(0.0)
    ('1,234.6', '12.3', '0.012', '0')
    """
    if value == 0 or not np.isfinite(value):
        return f"{value:g}"
    digits = max(1, 1 - int(np.floor(np.log10(abs(value)))))
    return f"{value:,.{digits}f}"


def _accelerator_h(hours: float) -> str:
    """Return whole accelerator-hours as they are, others so that a part is not lost."""
    if not np.isfinite(hours):
        return "none"
    whole = abs(hours - round(hours)) < LEAST_SHORT_H
    digits = 0 if whole else 1 if abs(hours * 10 - round(hours * 10)) < 10 * LEAST_SHORT_H else 3
    return f"{hours:,.{digits}f}"


def _markdown(text: str) -> str:
    """Return a text so that Markdown shows it as it is, in one line and in one cell.

    A name may hold a pipe, a line feed, a link or a script. CommonMark takes a backslash before any
    punctuation; entities keep HTML out where a renderer lets it through.
    """
    text = "".join(c if c.isprintable() else " " for c in str(text))
    text = _SPECIAL.sub(r"\\\g<0>", text)
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _fields(value: Any) -> Any:
    """Return what a part of an account holds, in a form that JSON has."""
    if isinstance(value, QueueAccount):
        return value.as_dict()
    if isinstance(value, tuple):
        return [dataclasses.asdict(v) if isinstance(v, Claim) else v for v in value]
    return value


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else str(value)
