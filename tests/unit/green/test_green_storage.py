"""Storage links: what is charged is claimed once, by what is given back, less the losses."""

import numpy as np
import pytest

from gridcompute import InvalidProblemError, green

RULE = green.Rule(interval="PT1H", boundary="any")


def hour(k):
    return f"2028-03-01T{k:02d}:00Z"


def load(*hours):
    rows = [("a", "m", hour(h), hour(h + 1), 1000) for h in hours]
    return columns(("facility", "meter", "start", "end", "wh"), rows)


def plants(*rows):
    names = ("issuance", "device", "id_start", "id_end", "wh", "start", "end")
    return columns(
        names, [(f"{d}-{h}", d, 0, wh - 1, wh, hour(h), hour(h + 1)) for d, h, wh in rows]
    )


def store(*rows, **more):
    names = ("device", "kind", "start", "end", "wh", "bundle", *more)
    full = [("bat", k, hour(h), hour(h + 1), wh, b, *more.values()) for k, h, wh, b in rows]
    return columns(names, full)


def columns(names, rows):
    return {name: [row[k] for row in rows] for k, name in enumerate(names)}


def test_the_day_s_sun_is_claimed_at_night_less_the_losses():
    """If this fails, a battery makes energy green that was not, or the same Wh counts twice."""
    sun = plants(("s", 10, 900))
    moved = store(("charge", 10, 500, "s-10"), ("discharge", 20, 400, None), efficiency=0.9)
    found = green.claim(load(10, 20), sun, RULE, storage=moved)
    assert found.verify(), found.verify().reasons
    by_hour = {f"{r['start']:%H}": r["wh"] for r in found.allocations.to_pylist()}
    assert by_hour == {"10": 400, "20": 400}  # 500 of 900 were stored, of which 450 could come back
    assert found.rejected_by_reason() == {"NotActive": 500}
    assert green.claim(load(10, 20), sun, RULE).matched_wh == 900


@pytest.mark.parametrize(
    ("method", "want"),
    [("fifo", {"s": 100, "w": 50}), ("lifo", {"w": 150}), ("average", {"s": 50, "w": 100})],
)
def test_which_charge_a_discharge_is_taken_from(method, want):
    """If this fails, the rule of a storage's book is not the one that was asked for."""
    made = plants(("s", 8, 100), ("w", 9, 200))
    rows = (("charge", 8, 100, "s-8"), ("charge", 9, 200, "w-9"), ("discharge", 20, 150, None))
    found = green.claim(load(20), made, RULE, storage=store(*rows, method=method))
    device = dict(
        zip(
            found.bundles.source["issuance"].to_pylist(),
            found.bundles.source["device"].to_pylist(),
            strict=True,
        )
    )
    used = {}
    for row in found.allocations.to_pylist():
        used[device[row["bundle"]]] = used.get(device[row["bundle"]], 0) + row["wh"]
    assert used == want
    assert found.verify()


def test_grey_power_comes_back_grey_and_nothing_more_comes_back_than_went_in():
    """If this fails, a storage charged from the grid gives green power, or power from nowhere."""
    made = plants(("s", 8, 100))
    grey = store(("charge", 8, 300, None), ("discharge", 20, 300, None))
    assert green.claim(load(20), made, RULE, storage=grey).matched_wh == 0
    for rows, words in (
        (
            (("discharge", 20, 10, None),),
            r"storage.wh\[0\]: found 10 Wh given back, needed at most the 0",
        ),
        (
            (("charge", 8, 101, "s-8"),),
            r"storage.wh\[0\]: found 101 Wh of 's-8' charged, needed at most 100",
        ),
        ((("charge", 8, 5, "x"),), r"storage.bundle\[0\]: found 'x', needed an issuance"),
    ):
        with pytest.raises(InvalidProblemError, match=words):
            green.claim(load(20), made, RULE, storage=store(*rows))


def test_no_claim_with_storage_exceeds_what_was_made():
    """If this fails, energy is created: drawn books of storage against the sums of energy."""
    r = np.random.default_rng(11)
    for seed in range(15):
        made = plants(
            *((str(r.choice(["s", "w"])), h, int(r.integers(1, 500))) for h in range(0, 12))
        )
        rows, content = [], 0
        for h in range(12):
            most = int(made["wh"][h])
            wh = int(r.integers(0, most + 1))
            rows.append(("charge", h, wh, str(made["issuance"][h])))
            content += int(wh * 0.8 + 1e-9)
        for h in range(12, 20):
            wh = int(r.integers(0, content + 1))
            content -= wh
            rows.append(("discharge", h, wh, None))
        book = store(*rows, efficiency=0.8, method=str(r.choice(["fifo", "lifo", "average"])))
        found = green.claim(load(*range(20)), made, RULE, storage=book)
        assert found.verify(), (seed, found.verify().reasons)
        kept = sum(min(1000, int(w) - c[2]) for w, c in zip(made["wh"], rows, strict=False))
        back = sum(min(1000, c[2]) for c in rows[12:])
        assert found.matched_wh == kept + back, seed
