"""The check of claims: every allocation by the rule's own words, and the cut that none exceeds.

It shares the reader of tables with `claim`, and nothing else: intervals and ages are computed by
Arrow's calendar here.
"""

from __future__ import annotations

import calendar
import dataclasses
import itertools
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from .._certificate import Certificate, relative_gap
from ..errors import InvalidProblemError
from .record import Claim
from .rules import ruled
from .storage import both
from .tables import Checked, checked, meters, missing_intervals, utc

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from .rules import Rule

    Int64s = NDArray[np.int64]
    Bools = NDArray[np.bool_]

_UNITS = {"PT15M": (15, "minute"), "PT30M": (30, "minute"), "PT1H": (1, "hour")}
_CALENDAR = {"P1D": (1, "day"), "P1M": (1, "month"), "P1Y": (1, "year")}
_UNITS |= _CALENDAR
#: Faults that are listed by place; of others the number is given.
_MOST_LISTED = 10


@dataclasses.dataclass(frozen=True)
class ClaimCertificate(Certificate):
    """The result of the check of a claim.

    Attributes
    ----------
    valid : bool
        Every allocation is allowed, none is there twice, and all tables agree with them; where a
        cut was checked, nothing exceeds it.
    matched_wh : int
        Energy of the allocations, Wh.
    bound_wh : int or None
        What no claim exceeds, by the cut; None where there was none to check.
    reasons : tuple of str
        Faults, with their places.
    """

    valid: bool
    matched_wh: int
    bound_wh: int | None
    reasons: tuple[str, ...]

    @property
    def objective(self) -> int:
        """Energy claimed, Wh."""
        return self.matched_wh

    @property
    def bound(self) -> float:
        """What no claim exceeds, Wh; nan without a cut."""
        return math.nan if self.bound_wh is None else self.bound_wh

    @property
    def gap(self) -> float:
        """(bound - objective) / bound; inf without a cut."""
        return math.inf if self.bound_wh is None else relative_gap(self.bound_wh, self.matched_wh)


@dataclasses.dataclass(frozen=True)
class Audit:
    """The result of the check of several claims beside each other.

    Attributes
    ----------
    valid : bool
    reasons : tuple of str
        Faults, with both places of what is claimed twice.
    matched_wh : int
        Energy of all allocations, Wh.
    """

    valid: bool
    reasons: tuple[str, ...]
    matched_wh: int

    def __bool__(self) -> bool:
        return self.valid


class _Faults(list[str]):
    """Faults by place; beyond the first ones of a kind their number alone."""

    def at(self, rows: Int64s, words: Any) -> None:
        self.extend(words(int(row)) for row in rows[:_MOST_LISTED])
        if len(rows) > _MOST_LISTED:
            self.append(f"... and {len(rows) - _MOST_LISTED:,} like the last one")


def verify(
    measurements: Any, bundles: Any, rule: Rule, *, allocations: Any, storage: Any = None
) -> ClaimCertificate:
    """Check allocations against the tables and a rule.

    Parameters
    ----------
    measurements, bundles, storage : tables
        As for `claim`.
    rule : Rule
    allocations : table
        ``bundle, id_start, id_end, facility, meter, start, end, wh``.

    Returns
    -------
    ClaimCertificate
        Whether each allocation is one that the rule allows, and nothing is used twice. That no
        other allocation claims more is what `Claim.verify` checks.
    """
    load, supply = both(measurements, bundles, storage)
    ruled(rule)
    faults = _Faults()
    table = checked("allocations", allocations)
    _allowed(load, supply, rule, table, faults)
    return ClaimCertificate(not faults, int(table["wh"].sum()), None, tuple(faults))


def certify(claim: Claim) -> ClaimCertificate:
    """Check a claim whole: allocations, tables and cut."""
    load, supply, rule = claim.measurements, claim.bundles, claim.rule
    faults = _Faults()
    try:
        table = checked("allocations", claim.allocations)
    except InvalidProblemError as error:
        return ClaimCertificate(False, 0, None, (str(error),))
    source, target = _allowed(load, supply, rule, table, faults)
    total = int(table["wh"].sum())
    if total != claim.matched_wh:
        faults.append(f"matched_wh: found {claim.matched_wh}, the allocations have {total}")
    if int(load["wh"].sum()) != claim.load_wh:
        faults.append(f"load_wh: found {claim.load_wh}, the measurements have {load['wh'].sum()}")
    pieces = (source, target, table["wh"])
    if not all(map(np.array_equal, claim.pieces, pieces)):
        faults.append("pieces: they are not the rows of the allocations")
    for name in ("allocations", "claims"):
        if set(getattr(claim, name)["rule"].unique().to_pylist()) - {rule.id}:
            faults.append(f"{name}.rule: found another one than {rule.id!r}")
    if not claim.missing.equals(missing_intervals(load)):
        faults.append("missing: it is not what the measurements leave out")
    if (source >= 0).all() and (target >= 0).all():
        _rejections(claim, table, source, faults)
        _claims(claim, table, source, target, faults)
    bound = _cut(claim, faults)
    if bound != total:
        faults.append(f"the cut allows {bound} Wh, and {total} are claimed")
    return ClaimCertificate(not faults, total, bound, tuple(faults))


def audit(claims: Iterable[Claim]) -> Audit:
    """Check claims that are made beside each other: nothing may be claimed twice.

    Parameters
    ----------
    claims : iterable of Claim
        Of different facilities, times or rules.

    Returns
    -------
    Audit
        Whether each claim holds, no certificate is in two allocations, and no measurement of a
        facility is matched beyond its load; a double count names both places.
    """
    found = list(claims)
    for k, claim in enumerate(found):
        if not isinstance(claim, Claim):
            raise TypeError(f"claims[{k}] must be a Claim, not {type(claim).__name__}")
    faults = _Faults()
    parts: list[dict[str, Any]] = []
    loads: dict[tuple[Any, ...], list[Any]] = {}
    for number, claim in enumerate(found):
        where = f"claims[{number}]"
        faults.extend(f"{where}: {reason}" for reason in certify(claim).reasons)
        columns = claim.allocations.select(["bundle", "id_start", "id_end", "wh"])
        parts += [
            {"at": f"{where}.allocations[{row}]", **line}
            for row, line in enumerate(columns.to_pylist())
        ]
        load = claim.measurements
        served: dict[int, int] = {}
        for target, wh in zip(*map(np.ndarray.tolist, claim.pieces[1:]), strict=True):
            served[target] = served.get(target, 0) + wh
        for row, wh in served.items():
            facility, meter = (load[n].names[load[n].codes[row]] for n in ("facility", "meter"))
            key = (facility, meter, int(load["start"][row]), int(load["end"][row]))
            before = loads.setdefault(key, [0, int(load["wh"][row]), where])
            before[0] += wh
            if before[0] > before[1] and before[2] != where:
                faults.append(
                    f"{facility}, meter {meter}, {utc(key[2])}: {before[0]} Wh matched by "
                    f"{before[2]} and {where}, its load is {before[1]}"
                )
    parts.sort(key=lambda part: (part["bundle"], part["id_start"]))
    twice = [
        (a, b)
        for a, b in itertools.pairwise(parts)
        if a["bundle"] == b["bundle"] and b["id_start"] <= a["id_end"]
    ]

    def words(k: int) -> str:
        a, b = twice[k]
        last = min(a["id_end"], b["id_end"])
        ids = f"certificates {b['id_start']} to {last} of {a['bundle']!r}"
        return f"{ids} are in {a['at']} and in {b['at']}"

    faults.at(np.arange(len(twice)), words)
    total = sum(claim.matched_wh for claim in found)
    return Audit(not faults, tuple(faults), total)


def _allowed(
    load: Checked, supply: Checked, rule: Rule, table: Checked, faults: _Faults
) -> tuple[Int64s, Int64s]:
    """Check each allocation by itself, and their sums; return their rows of both tables."""
    source, target = _bundle_of(supply, table), _measurement_of(load, table)

    def place(row: int) -> str:
        return str(table.place("", row)).replace(".[", "[")

    faults.at(
        np.flatnonzero(table["id_end"] - table["id_start"] + 1 != table["wh"]),
        lambda row: (
            f"{place(row)}: ids {table['id_start'][row]} to {table['id_end'][row]} are not "
            f"{table['wh'][row]} Wh"
        ),
    )
    faults.at(
        np.flatnonzero(source < 0),
        lambda row: (
            f"{place(row)}: no bundle has these certificates of {_name(table, 'bundle', row)!r}"
        ),
    )
    faults.at(
        np.flatnonzero(target < 0),
        lambda row: (
            f"{place(row)}: no measurement of facility {_name(table, 'facility', row)!r}, meter "
            f"{_name(table, 'meter', row)!r}, from {utc(table['start'][row])} to "
            f"{utc(table['end'][row])}"
        ),
    )
    known = np.flatnonzero((source >= 0) & (target >= 0))
    usable, why = _usable(supply, rule)
    open_ = _matchable(load, rule)
    faults.at(
        known[~usable[source[known]]],
        lambda row: (
            f"{place(row)}: the bundle {_name(table, 'bundle', row)!r} may not count: "
            f"{why(source[row])}"
        ),
    )
    faults.at(
        known[~open_[target[known]]],
        lambda row: f"{place(row)}: the rule lets nothing match this measurement",
    )
    pair = _pairs(load, supply, rule, target[known], source[known])
    faults.at(
        known[~pair],
        lambda row: (
            f"{place(row)}: produced from {utc(supply['start'][source[row]])}, boundary "
            f"{_name(supply, rule.boundary, source[row])!r}; used from "
            f"{utc(table['start'][row])}, boundary {_name(load, rule.boundary, target[row])!r}: "
            f"{rule.id} does not allow it"
        ),
    )
    order = np.lexsort((table["id_start"], table["bundle"].codes))
    twice = (np.diff(table["bundle"].codes[order]) == 0) & (
        table["id_start"][order[1:]] <= table["id_end"][order[:-1]]
    )
    both = dict(zip(order[1:][twice].tolist(), order[:-1][twice].tolist(), strict=True))
    faults.at(
        order[1:][twice],
        lambda row: f"{place(row)}: shares certificates with {place(both[row])}",
    )
    used = np.zeros(len(load), np.int64)
    np.add.at(used, target[target >= 0], table["wh"][target >= 0])
    faults.at(
        np.flatnonzero(used > load["wh"]),
        lambda row: f"{load.place('wh', row)}: {used[row]} Wh matched, used {load['wh'][row]}",
    )
    return source, target


def _name(table: Checked, column: str, row: Any) -> str | None:
    texts = table.texts(column)
    code = texts.codes[row]
    return texts.names[code] if code >= 0 else None


def _codes(mine: Checked, theirs: Checked, name: str, other: str) -> tuple[Int64s, Int64s]:
    """Return numbers of two columns of texts that are the same for the same text; -1 for none."""
    a, b = mine.texts(name), theirs.texts(other)
    number = {text: k for k, text in enumerate(a.names)}
    table = np.array([number.get(text, -2) for text in b.names] + [-1], np.int64)
    return a.codes, table[b.codes]


def _bundle_of(supply: Checked, table: Checked) -> Int64s:
    """Return the row of bundles whose range holds that of each allocation, or -1."""
    have, want = _codes(supply, table, "issuance", "bundle")
    order = np.lexsort((supply["id_start"], have))
    rank = np.lexsort((table["id_start"], want))
    # Merge both by issuance and first id: the last bundle before an allocation is the candidate.
    code = np.concatenate([have[order], want[rank]])
    first = np.concatenate([supply["id_start"][order], table["id_start"][rank]])
    later = np.concatenate([np.zeros(len(order)), np.ones(len(rank))])
    merged = np.lexsort((later, first, code))
    last = np.maximum.accumulate(np.where(later[merged] == 0, np.arange(len(merged)), -1))
    mine = later[merged] == 1
    found = np.full(len(want), -1)
    candidate = np.where(last[mine] >= 0, merged[last[mine]], -1)
    found[rank[merged[mine] - len(order)]] = np.where(
        candidate >= 0, order[candidate] if len(order) else -1, -1
    )
    held = found >= 0
    good = (
        (have[found] == want) & (supply["id_end"][found] >= table["id_end"]) if len(have) else held
    )
    return np.where(held & good, found, -1)


def _measurement_of(load: Checked, table: Checked) -> Int64s:
    """Return the row of measurements of each allocation, or -1."""
    _, facility = _codes(load, table, "facility", "facility")
    _, meter = _codes(load, table, "meter", "meter")
    want = facility * max(len(load["meter"].names), 1) + meter
    want[(facility < 0) | (meter < 0)] = -1
    n = len(load)
    known, at = np.unique(np.concatenate([load["start"], table["start"]]), return_inverse=True)
    key = np.concatenate([meters(load), want]) * len(known) + at
    order = np.argsort(key[:n])
    spot = np.searchsorted(key[:n], key[n:], sorter=order)
    found = np.append(order, 0)[spot]
    same = (spot < n) & (want >= 0)
    same[same] &= key[found[same]] == key[n:][same]
    same[same] &= load["end"][found[same]] == table["end"][same]
    return np.where(same, found, -1)


def _shown(seconds: Int64s, rule: Rule) -> Int64s:
    """Return what the clock of the rule's zone shows, by Arrow's calendar."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if rule.time_zone is None:
        return seconds + 3600 * rule.utc_offset_h
    try:
        shown = pc.local_timestamp(pa.array(seconds).cast(pa.timestamp("s", rule.time_zone)))
    except pa.ArrowInvalid as error:
        message = f"rule.time_zone: {error}; install the system's package tzdata"
        raise InvalidProblemError(message, "rule.time_zone") from None
    found: Int64s = shown.cast(pa.int64()).to_numpy()
    return found


def _when(shown: Int64s, rule: Rule) -> Int64s:
    """Return when the clock first shows a time, or is set past it."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if rule.time_zone is None:
        return shown - 3600 * rule.utc_offset_h
    time = pa.array(shown).cast(pa.timestamp("s"))
    at = pc.assume_timezone(time, rule.time_zone, ambiguous="earliest", nonexistent="latest")
    found: Int64s = at.cast(pa.int64()).to_numpy()
    return found


def _floor(seconds: Int64s, interval: str, rule: Rule) -> Int64s:
    """Return the begin of the calendar's interval in the rule's zone, by Arrow."""
    import pyarrow as pa
    import pyarrow.compute as pc

    number, unit = _UNITS[interval]
    shown = _shown(seconds, rule)
    time = pa.array(shown).cast(pa.timestamp("s"))
    found: Int64s = pc.floor_temporal(time, number, unit).cast(pa.int64()).to_numpy()
    return _when(found, rule) if interval in _CALENDAR else seconds - (shown - found)


def _date(day: str, rule: Rule) -> int:
    return int(_when(np.array([day], "M8[s]").astype(np.int64), rule)[0])


def _later(seconds: Int64s, months: int, rule: Rule) -> Int64s:
    """Return each time some months later in the rule's zone, at most the last day of the month."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not len(seconds):
        return seconds
    shown = _shown(seconds, rule)
    days, day = np.unique(shown // 86_400, return_inverse=True)
    stamp = pa.array(days * 86_400).cast(pa.timestamp("s"))
    parts = zip(*(f(stamp).to_pylist() for f in (pc.year, pc.month, pc.day)), strict=True)
    moved = []
    for year, month, of_month in parts:
        count = year * 12 + month - 1 + months
        y, m = count // 12, count % 12 + 1
        last = min(of_month, calendar.monthrange(min(y, 9998), m)[1])
        moved.append(np.datetime64(f"{y:04d}-{m:02d}-{last:02d}", "s").astype(np.int64))
    return _when(np.array(moved, np.int64)[day] + shown % 86_400, rule)


def _period(seconds: Int64s, rule: Rule) -> tuple[Int64s, Int64s]:
    """Return begin and end of the rule's interval of each time."""
    begin = _floor(seconds, rule.interval, rule)
    end = _end(begin, rule.interval, rule)
    if rule.later_interval is not None:
        change = _date(str(rule.later_from), rule)
        second = _floor(seconds, rule.later_interval, rule)
        after = seconds >= change
        begin, end = np.where(after, second, begin), np.where(after, end, np.minimum(end, change))
        end = np.where(after, _end(second, rule.later_interval, rule), end)
    return begin, end


def _end(begin: Int64s, interval: str, rule: Rule) -> Int64s:
    if interval in _CALENDAR:  # some time in the next one; an interval may begin after midnight
        months = {"P1D": 0, "P1M": 1, "P1Y": 12}[interval]
        inside = _later(begin, months, rule) if months else begin + 36 * 3600
        return _floor(inside, interval, rule)
    number, unit = _UNITS[interval]
    return begin + number * {"minute": 60, "hour": 3600}[unit]


def _year_rule(load: Checked, rule: Rule) -> Bools:
    """Return which measurements are of facilities that use less in that year than the threshold."""
    if not rule.exempt_below_wh:
        return np.zeros(len(load), bool)
    year = _floor(load["start"], "P1Y", rule)
    pair = list(zip(load["facility"].codes.tolist(), year.tolist(), strict=True))
    sums: dict[tuple[int, int], int] = {}
    for key, wh in zip(pair, load["wh"].tolist(), strict=True):
        sums[key] = sums.get(key, 0) + wh
    return np.array([sums[key] < rule.exempt_below_wh for key in pair], bool)


def _usable(supply: Checked, rule: Rule) -> tuple[Bools, Any]:
    """Return which bundles may count at all, and a function with the reason of another."""
    faults: dict[str, Bools] = {}
    status = supply.texts("status")
    active = np.array([name == "Active" for name in status.names] + [True], bool)
    faults["NotActive"] = ~active[status.codes]
    kind = supply.texts("kind")
    allowed = [name in rule.kinds for name in kind.names] + ["granular" in rule.kinds]
    faults["KindNotAllowed"] = ~np.array(allowed, bool)[kind.codes]
    if rule.max_age_months is not None:
        old = np.ones(len(supply), bool)
        if "commissioned" in supply.columns:
            limit = _later(supply["commissioned"], rule.max_age_months, rule)
            day = rule.age_at
            at = supply["start"] if day is None else _date(day, rule)
            old = limit < at
        if rule.legacy_before is not None and "contracted" in supply.columns:
            old &= supply["contracted"] >= _date(rule.legacy_before, rule)
        faults["PlantTooOld"] = old
    faults["LongerThanInterval"] = supply["end"] > _period(supply["start"], rule)[1]
    bad = np.zeros(len(supply), bool)
    for fault in faults.values():
        bad |= fault

    def why(row: int) -> str:
        return next(words for words, fault in faults.items() if fault[row])

    return ~bad, why


def _matchable(load: Checked, rule: Rule) -> Bools:
    quality = load.texts("quality")
    allowed = [name in rule.qualities for name in quality.names] + ["measured" in rule.qualities]
    fits = load["end"] <= _period(load["start"], rule)[1]
    return np.asarray(np.array(allowed, bool)[quality.codes] & (fits | _year_rule(load, rule)))


def _where(load: Checked, supply: Checked, rule: Rule) -> tuple[Int64s, Int64s]:
    if rule.boundary == "any":
        return np.zeros(len(load), np.int64), np.zeros(len(supply), np.int64)
    return _codes(load, supply, rule.boundary, rule.boundary)


def _pairs(load: Checked, supply: Checked, rule: Rule, target: Int64s, source: Int64s) -> Bools:
    """Return which pairs of a measurement and a bundle the rule allows, by place and time."""
    mine, theirs = _where(load, supply, rule)
    made, used = supply["start"][source], load["start"][target]
    same = _period(made, rule)[0] == _period(used, rule)[0]
    if rule.carry_over_months:
        until = _later(made, rule.carry_over_months, rule)
        same = (_period(made, rule)[0] <= _period(used, rule)[0]) & (used < until)
    by_year = _year_rule(load, rule)[target]
    same = np.where(by_year, _floor(made, "P1Y", rule) == _floor(used, "P1Y", rule), same)
    return np.asarray(same & (mine[target] >= 0) & (mine[target] == theirs[source]))


def _rejections(claim: Claim, table: Checked, source: Int64s, faults: _Faults) -> None:
    """Check that each Wh of each bundle is allocated or thrown out, once."""
    supply = claim.bundles
    out = claim.rejected
    used = np.zeros(len(supply), np.int64)
    np.add.at(used, source, table["wh"])
    rows = np.flatnonzero(supply["wh"] > used)
    found = (out["bundle"], out["id_start"], out["id_end"], out["wh"])
    ids = [column.to_numpy() for column in found[1:]]
    names = supply["issuance"].names[supply["issuance"].codes[rows]]
    first = supply["id_start"][rows] + used[rows]
    want = (first, supply["id_end"][rows], (supply["wh"] - used)[rows])
    same = len(rows) == len(out) and all(map(np.array_equal, ids, want))
    if not same or not np.array_equal(np.array(found[0].to_pylist(), object), names):
        faults.append("rejected: its rows are not what the allocations leave of the bundles")
        return
    want_reasons = _reasons(claim)[rows]
    reasons = np.array(out["reason"].to_pylist(), object)
    faults.at(
        np.flatnonzero(reasons != want_reasons),
        lambda row: f"rejected[{row}].reason: found {reasons[row]}, it is {want_reasons[row]}",
    )


def _reasons(claim: Claim) -> NDArray[np.object_]:
    """Return why what is left of each bundle counts nowhere."""
    load, supply, rule = claim.measurements, claim.bundles, claim.rule
    mine, theirs = _where(load, supply, rule)
    every = np.arange(len(supply))
    open_ = _matchable(load, rule) & (mine >= 0)
    found = np.where(_served(load, supply, rule, every, open_) > 0, "Surplus", "NoLoad")
    found = found.astype(object)
    found[theirs < 0] = "NoBoundary"
    usable, why = _usable(supply, rule)
    for row in np.flatnonzero(~usable):
        found[row] = why(row)
    return found


def _claims(claim: Claim, table: Checked, source: Int64s, target: Int64s, faults: _Faults) -> None:
    """Check the table of claims by sums of the allocations for each facility and interval."""
    load, supply, rows = claim.measurements, claim.bundles, claim.claims
    begin = _period(load["start"], claim.rule)[0]
    names = np.array(rows["facility"].to_pylist(), object)
    number = {text: k for k, text in enumerate(load["facility"].names)}
    starts = rows["start"].cast("int64").to_numpy()
    at = {
        (number.get(n, -1), int(s)): k for k, (n, s) in enumerate(zip(names, starts, strict=True))
    }
    pairs = zip(load["facility"].codes.tolist(), begin.tolist(), strict=True)
    row = np.array([at.get(key, -1) for key in pairs], np.int64)
    if (row < 0).any() or len(at) != len(rows) or len(np.unique(row)) != len(rows):
        faults.append("claims: its rows are not the facilities and intervals of the measurements")
        return
    kind, buyer = supply.texts("kind"), supply.texts("beneficiary")
    own = np.array([name == "own" for name in kind.names] + [False], bool)[kind.codes][source]
    contract = ~own & (buyer.codes[source] >= 0)
    part = {"own_wh": own, "contracted_wh": contract, "certificate_wh": ~own & ~contract}
    want: dict[str, Any] = {}
    for name, some in {**part, "matched_wh": np.ones(len(source), bool)}.items():
        want[name] = np.zeros(len(rows), np.int64)
        np.add.at(want[name], row[target[some]], table["wh"][some])
    want["load_wh"] = np.zeros(len(rows), np.int64)
    np.add.at(want["load_wh"], row, load["wh"])
    want["unmatched_wh"] = want["load_wh"] - want["matched_wh"]
    want["excluded_wh"] = np.zeros(len(rows), np.int64)
    mine, _ = _where(load, supply, claim.rule)
    shut = ~_matchable(load, claim.rule) | (mine < 0)
    np.add.at(want["excluded_wh"], row[shut], load["wh"][shut])
    end = _period(starts, claim.rule)[1]
    want["end"] = end
    rest = load["wh"].astype(np.float64)
    np.subtract.at(rest, target, table["wh"])
    clean = load.columns.get("grid_clean", np.zeros(len(load)))
    clean = clean * rest if claim.rule.counts_grid_clean else np.zeros(len(load))
    exact = np.bincount(row, clean, len(rows))
    counted = rows["grid_clean_wh"].to_numpy()
    total = float(exact.sum())
    if (np.abs(counted - exact) > 1).any() or not total - 1 < counted.sum() <= total + 1e-3:
        faults.append(f"claims.grid_clean_wh: {counted.sum()} Wh, the tables come to {total:.3f}")
    _emissions(claim, rest, row, table, source, target, faults)
    for name, values in want.items():
        column = rows[name].cast("int64") if name == "end" else rows[name]
        found = column.to_numpy()
        faults.at(
            np.flatnonzero(found != values),
            lambda k, name=name, found=found, values=values: (
                f"claims.{name}[{k}]: found {found[k]}, the tables come to {values[k]}"
            ),
        )


def _emissions(
    claim: Claim,
    rest: Any,
    row: Int64s,
    table: Checked,
    source: Int64s,
    target: Int64s,
    faults: _Faults,
) -> None:
    """Check the emissions: of what is matched by its bundle, of the rest by the rule's factor."""
    load, rule = claim.measurements, claim.rule
    fossil = np.full(len(load), float(rule.fossil_g_per_kwh))
    factor = {
        "fossil factor": fossil,
        "residual mix": load.columns.get("residual_g_per_kwh", fossil),
        "grid average": load.columns.get("grid_g_per_kwh"),
    }[rule.unmatched]
    found = claim.claims["emission_g"]
    if factor is None:
        if found.null_count != len(found):
            faults.append("claims.emission_g: found numbers, no factor is known")
        return
    want = np.bincount(row, rest / 1e3 * factor, len(found))
    made = claim.bundles.columns.get("emission_g_per_kwh", np.zeros(len(claim.bundles)))
    want += np.bincount(row[target], table["wh"] / 1e3 * made[source], len(found))
    grams = found.to_numpy()
    faults.at(
        np.flatnonzero(~(np.abs(grams - want) <= 1e-9 * np.maximum(np.abs(want), 1.0))),
        lambda k: f"claims.emission_g[{k}]: found {grams[k]}, the tables come to {want[k]}",
    )


def _cut(claim: Claim, faults: _Faults) -> int:
    """Return what no claim exceeds: bundles outside of the cut and the load inside of it."""
    load, supply, rule = claim.measurements, claim.bundles, claim.rule
    mine, theirs = _where(load, supply, rule)
    usable = _usable(supply, rule)[0] & (theirs >= 0)
    open_ = _matchable(load, rule) & (mine >= 0)
    held, inside = np.asarray(claim.bundle_in_cut), np.asarray(claim.measurement_in_cut)
    if held.shape != (len(supply),) or inside.shape != (len(load),):
        faults.append("the cut is not of these tables")
        return 2**63
    bundles = np.flatnonzero(held & usable)
    outside = _served(load, supply, rule, bundles, open_ & ~inside)
    faults.at(
        bundles[outside > 0],
        lambda row: f"{supply.place('wh', row)}: in the cut, and may serve load outside of it",
    )
    return int(supply["wh"][usable & ~held].sum()) + int(load["wh"][open_ & inside].sum())


def _served(load: Checked, supply: Checked, rule: Rule, bundles: Int64s, among: Bools) -> Int64s:
    """Return how many of some measurements each bundle may serve by boundary and time."""
    mine, theirs = _where(load, supply, rule)
    yearly = _year_rule(load, rule)
    made = supply["start"][bundles]
    begin, end = _period(made, rule)
    if rule.carry_over_months:
        end = _later(made, rule.carry_over_months, rule)
    year = _floor(made, "P1Y", rule)
    count = np.zeros(len(bundles), np.int64)
    for side, low, high in (
        (~yearly, begin, end),
        (yearly, year, _end(year, "P1Y", rule)),
    ):
        some = np.flatnonzero(among & side & (mine >= 0))
        if not len(some):
            continue
        order = some[np.lexsort((load["start"][some], mine[some]))]
        known = np.unique(load["start"][order])
        line = mine[order] * (len(known) + 1) + np.searchsorted(known, load["start"][order])
        base = theirs[bundles] * (len(known) + 1)
        first, last = (
            np.searchsorted(line, base + np.searchsorted(known, at)) for at in (low, high)
        )
        count += np.maximum(last - first, 0)
    return np.where(theirs[bundles] >= 0, count, 0)
