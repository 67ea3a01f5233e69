"""The largest claim by brute force: each pair of rows by the words of the rule, and an LP."""

import datetime
import zoneinfo

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import coo_array

HOUR = datetime.timedelta(hours=1)
START = datetime.datetime(2027, 12, 30, 20, tzinfo=datetime.UTC)  # before a leap year


def zone_of(rule):
    """The clock of the rule."""
    if rule.time_zone is not None:
        return zoneinfo.ZoneInfo(rule.time_zone)
    return datetime.timezone(datetime.timedelta(hours=rule.utc_offset_h))


def moment(local):
    """When a clock shows a time first, or is set past it."""
    time = local.replace(fold=0).astimezone(datetime.UTC)
    back = time.astimezone(local.tzinfo)
    if back.replace(tzinfo=None) != local.replace(tzinfo=None):  # skipped
        quarter = datetime.timedelta(minutes=15)
        while (time - quarter).astimezone(local.tzinfo).utcoffset() == back.utcoffset():
            time -= quarter
    return time


def period(time, rule, interval):
    """Begin of the calendar's interval in the rule's zone."""
    local = time.astimezone(zone_of(rule)).replace(second=0, microsecond=0)
    if interval in ("PT15M", "PT30M"):
        minutes = int(interval[2:4])
        local = local.replace(minute=local.minute // minutes * minutes)
        return local.astimezone(datetime.UTC)
    local = local.replace(minute=0)
    if interval == "PT1H":
        return local.astimezone(datetime.UTC)
    local = local.replace(hour=0)
    if interval in ("P1M", "P1Y"):
        local = local.replace(day=1)
    return moment(local.replace(month=1) if interval == "P1Y" else local)


def later(time, months, rule):
    """The same time some months later, at most the last day of the month."""
    local = time.astimezone(zone_of(rule))
    count = local.year * 12 + local.month - 1 + months
    for day in range(local.day, 0, -1):
        try:
            return moment(local.replace(year=count // 12, month=count % 12 + 1, day=day))
        except ValueError:
            continue
    raise AssertionError


def interval_of(time, rule):
    """The rule's interval at a time."""
    if rule.later_from is None:
        return rule.interval
    change = datetime.datetime.fromisoformat(rule.later_from).replace(tzinfo=zone_of(rule))
    return rule.later_interval if time >= change else rule.interval


def within(start, end, rule):
    """Does the last moment lie in the rule's interval of the first one?"""
    last = end - datetime.timedelta(seconds=1)
    kind = interval_of(start, rule)
    return kind == interval_of(last, rule) and period(start, rule, kind) == period(last, rule, kind)


def allowed(load, bundle, rule, by_year):
    """Whether a bundle may serve a measurement."""
    if bundle["status"] != "Active" or bundle["kind"] not in rule.kinds:
        return False
    if load["quality"] not in rule.qualities:
        return False
    if not within(bundle["start"], bundle["end"], rule):
        return False
    if not by_year and not within(load["start"], load["end"], rule):
        return False
    where = bundle.get(rule.boundary)
    if rule.boundary != "any" and (where is None or where != load[rule.boundary]):
        return False
    if rule.max_age_months is not None:
        zone = zone_of(rule)
        at = bundle["start"]
        if rule.age_at is not None:
            at = datetime.datetime.fromisoformat(rule.age_at).replace(tzinfo=zone)
        old = later(bundle["commissioned"], rule.max_age_months, rule) < at
        if rule.legacy_before is not None:
            before = datetime.datetime.fromisoformat(rule.legacy_before).replace(tzinfo=zone)
            old = old and bundle["contracted"] >= before
        if old:
            return False
    made, used = bundle["start"], load["start"]
    if by_year:
        return period(made, rule, "P1Y") == period(used, rule, "P1Y")
    one = period(made, rule, interval_of(made, rule))
    other = period(used, rule, interval_of(used, rule))
    if rule.carry_over_months:
        return one <= other and used < later(made, rule.carry_over_months, rule)
    return one == other


def most(loads, bundles, rule):
    """The largest claim, Wh."""
    sums = {}
    for m in loads:
        key = (m["facility"], period(m["start"], rule, "P1Y"))
        sums[key] = sums.get(key, 0) + m["wh"]
    exempt = [
        sums[m["facility"], period(m["start"], rule, "P1Y")] < rule.exempt_below_wh for m in loads
    ]
    pairs = [
        (i, j)
        for i, b in enumerate(bundles)
        for j, m in enumerate(loads)
        if allowed(m, b, rule, exempt[j])
    ]
    if not pairs:
        return 0
    i, j = np.array(pairs).T
    n = len(pairs)
    shape = (len(bundles) + len(loads), n)
    rows = coo_array(
        (np.ones(2 * n), (np.concatenate([i, len(bundles) + j]), np.tile(range(n), 2))), shape
    )
    limit = [b["wh"] for b in bundles] + [m["wh"] for m in loads]
    found = linprog(-np.ones(n), A_ub=rows.tocsr(), b_ub=limit, method="highs")
    return round(-found.fun)


def world(seed, n_loads=40, n_bundles=25, begin=START):
    """Rows of measurements and bundles of some days, of intervals of many lengths."""
    r = np.random.default_rng(seed)
    loads, bundles = [], []
    for f in range(3):
        at = begin + datetime.timedelta(minutes=15 * int(r.integers(0, 300)))
        zone = str(r.choice(["west", "north"]))
        for _ in range(n_loads // 3):
            length = datetime.timedelta(minutes=int(r.choice([15, 15, 30, 60])))
            loads.append(
                {
                    "facility": f"f{f}", "meter": "m", "start": at, "end": at + length,
                    "wh": int(r.integers(0, 4_000)), "zone": zone, "country": "X" if f else "Y",
                    "operator": f"o{f % 2}",
                    "quality": str(r.choice(["measured", "measured", "profile", "estimated"])),
                }
            )  # fmt: skip
            at += length + datetime.timedelta(minutes=15 * int(r.integers(0, 40)))
    for k in range(n_bundles):
        near = loads[int(r.integers(len(loads)))]
        at = near["start"] - HOUR * int(r.choice([0, 0, 1, 30, 800]))
        length = datetime.timedelta(minutes=int(r.choice([15, 15, 60, 60 * 24 * 31])))
        wh = int(r.integers(1, 20_000))
        bundles.append(
            {
                "issuance": f"i{k}", "id_start": 7 * k, "id_end": 7 * k + wh - 1, "wh": wh,
                "device": f"d{k % 5}", "start": at, "end": at + length,
                "commissioned": at - datetime.timedelta(days=int(r.integers(0, 5_000))),
                "contracted": at - datetime.timedelta(days=int(r.integers(0, 900))),
                "kind": str(r.choice(["granular", "GO", "GEC", "own"])),
                "status": str(r.choice(["Active", "Active", "Active", "Expired"])),
                "facility": [near["facility"], None][int(r.integers(2))],
                "zone": [near["zone"], near["zone"], None][int(r.integers(3))],
                "country": near["country"], "operator": near["operator"],
                "beneficiary": [None, "f0"][int(r.integers(2))],
                "emission_g_per_kwh": float(r.integers(0, 50)),
            }
        )  # fmt: skip
    return loads, bundles


def table(rows):
    """Rows as columns."""
    return {name: [row[name] for row in rows] for name in rows[0]}
