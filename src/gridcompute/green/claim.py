"""The largest claim of green energy under a rule, with what was thrown out and the proof."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InvalidProblemError
from .network import Pieces, largest_claim, northwest
from .record import REASONS, Claim
from .rules import Rule, rule, ruled
from .storage import both
from .tables import Checked, missing_intervals, numbered, times

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pyarrow as pa
    from numpy.typing import NDArray

    Int64s = NDArray[np.int64]
    Bools = NDArray[np.bool_]


def claim(measurements: Any, bundles: Any, rule: Rule, *, storage: Any = None) -> Claim:
    """Return the largest claim that a rule allows.

    Parameters
    ----------
    measurements : table
        ``facility, meter, start, end, wh`` and, as far as the rule asks for them, ``zone, country,
        operator, quality, side, grid_clean, grid_g_per_kwh, residual_g_per_kwh, note``. A mapping,
        a frame, or an Arrow table; times with a zone; whole Wh.
    bundles : table
        ``issuance, id_start, id_end, device, start, end, wh`` and, as far as the rule asks for
        them, ``commissioned, zone, country, facility, operator, kind, status, beneficiary,
        contracted, ...`` (`schema` has all). Ids count Wh: ``wh = id_end - id_start + 1``. Without
        a status a bundle is Active, without a kind granular.
    rule : Rule
        `rule` reads those of the package.
    storage : table, optional
        ``device, kind, start, end, wh, bundle, method, efficiency``: what is charged is no longer
        claimed itself, and what is given back takes its place, with its plant and the losses.

    Returns
    -------
    Claim

    Raises
    ------
    InvalidProblemError
        A table that is not as above, with the row and what was needed.

    Notes
    -----
    A maximum flow, and of those the one that claims bundles in the order of ``rule.kinds``, then
    the oldest first; ties by the order of the tables. O(n log n) arcs for n bundles and
    measurements with different intervals.

    Examples
    --------
    >>> import gridcompute as gc
    >>> load = {
    ...     "facility": ["Hami"], "meter": ["m1"], "zone": ["west"], "wh": [900],
    ...     "start": ["2026-06-01T00:00Z"], "end": ["2026-06-01T01:00Z"],
    ... }
    >>> wind = {
    ...     "issuance": ["w1"], "id_start": [0], "id_end": [499], "device": ["w"], "wh": [500],
    ...     "zone": ["west"], "start": ["2026-06-01T00:00Z"], "end": ["2026-06-01T01:00Z"],
    ... }
    >>> c = gc.green.claim(load, wind, gc.green.Rule(interval="PT1H", boundary="zone"))
    >>> c.matched_wh, c.verify().valid
    (500, True)
    """
    return _claimed(*both(measurements, bundles, storage), ruled(rule))


def _claimed(load: Checked, supply: Checked, rule: Rule) -> Claim:
    """Return the largest claim of two checked tables."""
    usable, reason = _usable(supply, rule)
    open_ = _matchable(load, rule)
    where_load, where_supply = _boundaries(load, supply, rule)
    open_ &= where_load >= 0
    reason[usable & (where_supply < 0)] = REASONS.index("NoBoundary")
    usable &= where_supply >= 0
    by_year = _exempt(load, rule)
    # The line of positions: those under the rule's interval, then those that match by the year.
    yearly = rule.replace(interval="P1Y", later_interval=None, later_from=None)
    key = load["start"] if rule.carry_over_months else rule.period(load["start"])
    key = np.where(by_year, yearly.period(load["start"]), key)
    rows = np.flatnonzero(open_)
    side = by_year * (len(load) + 1) + where_load
    first, position = numbered(side[rows], key[rows])
    side, key = side[rows][first], key[rows][first]
    which = np.flatnonzero(usable)
    intervals = []
    for exempt in (False, True) if by_year.any() else (False,):
        held = yearly if exempt else rule
        begin = held.period(supply["start"][which])
        if rule.carry_over_months and not exempt:
            until = rule.months_later(supply["start"][which], rule.carry_over_months)
        else:
            until = begin + 1
        wanted = exempt * (len(load) + 1) + where_supply[which]
        intervals.append([_place(side, key, wanted, at) for at in (begin, until)])
    lo, hi = (np.stack(side) for side in zip(*intervals, strict=True))
    none = (hi <= lo).all(axis=0)
    reason[which[none]] = REASONS.index("NoLoad")
    which, lo, hi = which[~none], lo[:, ~none], hi[:, ~none]
    rank = _ranks(supply, rule, which)
    one, group = numbered(rank, *lo, *hi)
    amount, demand = np.zeros(len(one), np.int64), np.zeros(len(first), np.int64)
    np.add.at(amount, group, supply["wh"][which])
    np.add.at(demand, position, load["wh"][rows])
    found = largest_claim(lo[:, one], hi[:, one], rank[one], amount, demand)
    pieces = _rows(found.pieces, group, which, supply, position, rows, load)
    reason[which] = np.where(reason[which] < 0, REASONS.index("Surplus"), reason[which])
    in_cut = np.zeros(len(supply), bool)
    in_cut[which] = found.groups_in_cut[group]
    full = np.zeros(len(load), bool)
    full[rows] = found.positions_in_cut[position]
    in_cut |= usable & np.isin(np.arange(len(supply)), which, invert=True)  # serves nothing at all
    return Claim(
        rule=rule,
        matched_wh=int(pieces.wh.sum()),
        load_wh=int(load["wh"].sum()),
        allocations=_allocations(pieces, supply, load, rule),
        claims=claims_table(load, supply, rule, pieces, open_),
        rejected=_rejected(pieces, supply, reason),
        missing=missing_intervals(load),
        bundle_in_cut=in_cut,
        measurement_in_cut=full,
        measurements=load,
        bundles=supply,
        pieces=pieces,
    )


def _usable(supply: Checked, rule: Rule) -> tuple[Bools, Int64s]:
    """Return which bundles may count at all, and of the others the number of the reason."""
    kind = np.zeros(len(supply), bool)
    for name in rule.kinds:
        kind |= supply.are("kind", name, "granular")
    old = np.zeros(len(supply), bool)
    if rule.max_age_months is not None:
        at = supply["start"]
        if rule.age_at is not None:
            at = np.full(len(supply), rule.midnight("age_at"))
        old = np.ones(len(supply), bool)
        if "commissioned" in supply.columns:
            old = rule.months_later(supply["commissioned"], rule.max_age_months) < at
        if rule.legacy_before is not None and "contracted" in supply.columns:
            old &= supply["contracted"] >= rule.midnight("legacy_before")
    long = supply["end"] > rule.period_end(supply["start"])
    faults = {
        "NotActive": ~supply.are("status", "Active", "Active"),
        "KindNotAllowed": ~kind,
        "PlantTooOld": old,
        "LongerThanInterval": long,
    }
    reason = np.full(len(supply), -1)
    for name, fault in faults.items():
        reason[fault & (reason < 0)] = REASONS.index(name)
    return reason < 0, reason


def _matchable(load: Checked, rule: Rule) -> Bools:
    """Return which measurements the rule lets anything match."""
    known = np.zeros(len(load), bool)
    for quality in rule.qualities:
        known |= load.are("quality", quality, "measured")
    fits = load["end"] <= rule.period_end(load["start"])
    return np.asarray(known & (fits | _exempt(load, rule)))


def _exempt(load: Checked, rule: Rule) -> Bools:
    """Return which measurements are of facilities that may match by the year."""
    if not rule.exempt_below_wh:
        return np.zeros(len(load), bool)
    year = rule.replace(interval="P1Y", later_interval=None, later_from=None).period(load["start"])
    first, code = numbered(load["facility"].codes, year)
    sums = np.zeros(len(first), np.int64)
    np.add.at(sums, code, load["wh"])
    return np.asarray(sums[code] < rule.exempt_below_wh)


def _boundaries(load: Checked, supply: Checked, rule: Rule) -> tuple[Int64s, Int64s]:
    """Return a number for the boundary of each measurement and bundle; -1 where there is none."""
    if rule.boundary == "any":
        return np.zeros(len(load), np.int64), np.zeros(len(supply), np.int64)
    mine, theirs = load.texts(rule.boundary), supply.texts(rule.boundary)
    if rule.boundary not in load.columns:
        message = f"measurements: found no column {rule.boundary!r}, which the rule compares"
        raise InvalidProblemError(message, f"measurements.{rule.boundary}")
    number = {text: k for k, text in enumerate(mine.names)}
    names = np.array([number.get(text, -1) for text in theirs.names] + [-1], np.int64)
    return mine.codes, names[theirs.codes]


def _place(side: Int64s, time: Int64s, wanted: Int64s, at: Int64s) -> Int64s:
    """Return the first position that is not before a time on a side of the line.

    `side` and `time` are those of the positions, which are sorted by both; `wanted` and `at` are
    those sought.
    """
    known = np.unique(time)
    size = len(known) + 1
    have = side * size + np.searchsorted(known, time)
    return np.searchsorted(have, wanted * size + np.searchsorted(known, at))


def _ranks(supply: Checked, rule: Rule, which: Int64s) -> Int64s:
    """Return the order in which bundles are claimed: by kind, then the oldest period first."""
    kind = np.zeros(len(which), np.int64)
    for k, name in enumerate(rule.kinds):
        kind[supply.are("kind", name, "granular")[which]] = k
    return numbered(kind, rule.period(supply["start"][which]))[1]


def _rows(
    groups: Pieces,
    group: Int64s,
    which: Int64s,
    supply: Checked,
    position: Int64s,
    rows: Int64s,
    load: Checked,
) -> Pieces:
    """Return the pieces from row of bundles to row of measurements of those between groups."""
    order = np.lexsort((groups.target, groups.source))
    ordered = Pieces(*(column[order] for column in groups))
    bundle = np.lexsort((which, supply["start"][which], group))
    wh = _filled(supply["wh"][which][bundle], group[bundle], ordered.source, ordered.wh)
    some = wh > 0
    first = northwest(which[bundle][some], wh[some], ordered.target, ordered.wh)
    order = np.lexsort((first.source, first.target))
    first = Pieces(*(column[order] for column in first))
    meter = np.lexsort((rows, position))
    want = _filled(load["wh"][rows][meter], position[meter], first.target, first.wh)
    some = want > 0
    pieces = northwest(first.source, first.wh, rows[meter][some], want[some])
    order = np.lexsort((pieces.target, pieces.source))
    return Pieces(*(column[order] for column in pieces))


def _filled(room: Int64s, key: Int64s, served: Int64s, wh: Int64s) -> Int64s:
    """Return how much of each room is filled, first ones first, by what is served of its key."""
    total = np.zeros(int(max(key.max(initial=-1), served.max(initial=-1))) + 1, np.int64)
    np.add.at(total, served, wh)
    ends = np.cumsum(room)
    begin = np.flatnonzero(np.diff(key, prepend=-1))
    before = np.repeat((ends - room)[begin], np.diff(begin, append=len(key)))
    return np.clip(total[key] - (ends - room - before), 0, room)


def _allocations(pieces: Pieces, supply: Checked, load: Checked, rule: Rule) -> pa.Table:
    import pyarrow as pa

    ends = np.cumsum(pieces.wh)
    begin = np.flatnonzero(np.diff(pieces.source, prepend=-1))
    before = np.repeat((ends - pieces.wh)[begin], np.diff(begin, append=len(pieces.source)))
    first = supply["id_start"][pieces.source] + ends - pieces.wh - before
    n = len(first)
    return pa.table(
        {
            "bundle": supply.texts("issuance").take(pieces.source),
            "id_start": first,
            "id_end": first + pieces.wh - 1,
            "facility": load.texts("facility").take(pieces.target),
            "meter": load.texts("meter").take(pieces.target),
            "start": times(load["start"][pieces.target]),
            "end": times(load["end"][pieces.target]),
            "wh": pieces.wh,
            "rule": pa.repeat(rule.id, n),
            "cancellation": pa.nulls(n, pa.string()),
        }
    )


def _rejected(pieces: Pieces, supply: Checked, reason: Int64s) -> pa.Table:
    """Return the certificates that count nowhere: of each row of bundles its last ones."""
    import pyarrow as pa

    used = np.zeros(len(supply), np.int64)
    np.add.at(used, pieces.source, pieces.wh)
    left = supply["wh"] - used
    rows = np.flatnonzero(left > 0)
    return pa.table(
        {
            "bundle": supply.texts("issuance").take(rows),
            "id_start": (supply["id_start"] + used)[rows],
            "id_end": supply["id_end"][rows],
            "wh": left[rows],
            "reason": pa.array(np.array(REASONS)[reason[rows]]),
        }
    )


def claims_table(
    load: Checked, supply: Checked, rule: Rule, pieces: Pieces, open_: Bools
) -> pa.Table:
    """Return a row for each facility and interval of the rule."""
    import pyarrow as pa

    begin = rule.period(load["start"])
    first, row = numbered(load["facility"].codes, begin)
    n = len(first)
    own = supply.are("kind", "own", "granular")
    contracted = ~own & (supply.texts("beneficiary").codes >= 0)

    def summed(values: Any, at: Int64s = row) -> Int64s:
        out = np.zeros(n, np.int64)
        np.add.at(out, at, values)
        return out

    def served(kind: Bools) -> Int64s:
        some = kind[pieces.source]
        return summed(pieces.wh[some], row[pieces.target[some]])

    matched = np.zeros(len(load), np.int64)
    np.add.at(matched, pieces.target, pieces.wh)
    rest = load["wh"] - matched
    clean = np.zeros(len(load))
    if rule.counts_grid_clean:
        if "grid_clean" not in load.columns:
            message = "measurements: found no column 'grid_clean', which the rule counts"
            raise InvalidProblemError(message, "measurements.grid_clean")
        clean = load["grid_clean"]
    emission = np.zeros(len(load))
    np.add.at(
        emission,
        pieces.target,
        pieces.wh
        / 1e3
        * supply.columns.get("emission_g_per_kwh", np.zeros(len(supply)))[pieces.source],
    )
    factor = _factor(load, rule)
    grams = np.zeros(n)
    if factor is not None:
        np.add.at(grams, row, emission + rest / 1e3 * factor)
    order = np.argsort(row, kind="stable")
    ends = np.floor(np.cumsum((rest * clean)[order]) + 1e-6).astype(np.int64)
    sums = np.bincount(row, minlength=n)
    grid_clean = np.diff(np.concatenate([[0], ends])[np.concatenate([[0], np.cumsum(sums)])])
    matched_wh = summed(matched)
    load_wh = summed(load["wh"])
    return pa.table(
        {
            "facility": load.texts("facility").take(first),
            "start": times(begin[first]),
            "end": times(rule.period_end(begin[first])),
            "rule": pa.repeat(rule.id, n),
            "load_wh": load_wh,
            "own_wh": served(own),
            "contracted_wh": served(contracted),
            "certificate_wh": served(~own & ~contracted),
            "matched_wh": matched_wh,
            "unmatched_wh": load_wh - matched_wh,
            "excluded_wh": summed(np.where(open_, 0, load["wh"])),
            "grid_clean_wh": grid_clean,
            "emission_g": pa.array(grams, mask=np.full(len(grams), factor is None)),
        }
    )


def _factor(load: Checked, rule: Rule) -> Any:
    """Return what an unmatched kWh of each measurement emits, g; None where it is not known."""
    if rule.unmatched == "fossil factor":
        return np.full(len(load), rule.fossil_g_per_kwh)
    if rule.unmatched == "residual mix":
        fossil = np.full(len(load), rule.fossil_g_per_kwh)
        return load.columns.get("residual_g_per_kwh", fossil)
    return load.columns.get("grid_g_per_kwh")


def compare(
    measurements: Any, bundles: Any, rules: Iterable[Rule | str], *, storage: Any = None
) -> pa.Table:
    """Return what the same data comes to under several rules, a row each.

    Parameters
    ----------
    measurements, bundles, storage : tables
        As for `claim`.
    rules : iterable of Rule or str
        Rules, or ids of those that come with the package.

    Returns
    -------
    pyarrow.Table
        ``rule, status, load_wh, claimed_wh, claimed_share, used_in_hour_wh, grid_clean_wh,
        unmatched_wh, emission_g``.

    Examples
    --------
    >>> import gridcompute as gc
    >>> from gridcompute import grid
    >>> plan = gc.match(grid.east_west(n_jobs=200, seed=0), gap=0.05, time_limit=2)
    >>> both = gc.green.compare(plan.measurements(), plan.bundles(), ["volume", "cn-hourly"])
    >>> claimed = both["claimed_wh"].to_pylist()
    >>> claimed[0] >= claimed[1]
    True
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if isinstance(rules, (str, Rule)):
        raise TypeError(f"rules must be a sequence of rules, not {type(rules).__name__}")
    load, supply = both(measurements, bundles, storage)
    rows = []
    for one in rules:
        found = _claimed(load, supply, rule(one) if isinstance(one, str) else ruled(one))
        claims = found.claims
        emission = claims["emission_g"]
        rows.append(
            {
                "rule": found.rule.id,
                "status": found.rule.status,
                "load_wh": found.load_wh,
                "claimed_wh": found.matched_wh,
                "claimed_share": found.matched_wh / found.load_wh if found.load_wh else None,
                "used_in_hour_wh": found.used_in_hour_wh(),
                "grid_clean_wh": pc.sum(claims["grid_clean_wh"]).as_py() or 0,
                "unmatched_wh": found.load_wh - found.matched_wh,
                "emission_g": None if emission.null_count else pc.sum(emission).as_py(),
            }
        )
    kinds = {name: pa.int64() for name in ("load_wh", "claimed_wh", "used_in_hour_wh")}
    kinds |= {"rule": pa.string(), "status": pa.string(), "claimed_share": pa.float64()}
    kinds |= {"grid_clean_wh": pa.int64(), "unmatched_wh": pa.int64(), "emission_g": pa.float64()}
    return pa.Table.from_pylist(rows, pa.schema([(n, kinds[n]) for n in rows[0]] if rows else []))
