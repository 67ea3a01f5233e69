"""Large instances, each proved optimal by its certificate: what small ones cannot show."""

import subprocess
import sys

import numpy as np
import pytest

from gridcompute import Terms, transport
from instances import sites_by_hours


def proved(m):
    found = m.verify()
    assert found.valid, found.reasons
    assert m.status == "optimal"
    assert found.gap == 0.0
    assert found.objective == m.objective == m.bound


@pytest.mark.slow
@pytest.mark.parametrize(("n", "s"), [(300_000, 100), (50_000, 1000)])
def test_structured(n, s):
    """If this fails, scale brings out a wrong price, a wrong bound or a wrong sum."""
    cost, capacity = sites_by_hours(n, s, 1)
    proved(transport(cost, capacity))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["uniform", "ties", "skewed", "overload", "far", "one", "equal"])
def test_kinds(kind):
    """If this fails, one shape of instance sends the solver astray."""
    n, s = 100_000, 60
    r = np.random.default_rng(7)
    options = {}
    capacity = np.maximum(1, r.multinomial(n + n // 20, r.dirichlet(np.ones(s))))
    cost = r.integers(0, 10_000, (n, s), dtype=np.int32)
    if kind == "ties":
        cost = r.integers(1, 50, (n, 1), dtype=np.int32) * r.integers(1, 50, (1, s), dtype=np.int32)
    elif kind == "skewed":  # a few huge classes, many tiny or empty ones
        capacity = r.multinomial(n, r.dirichlet(np.full(s, 0.05)))
    elif kind == "overload":  # room for half
        capacity, options["unplaced"] = capacity // 2, 5000
    elif kind == "far":  # costs over ten orders of magnitude
        cost = (10 ** r.uniform(0, 10, (n, s))).astype(np.int64)
    elif kind == "one":  # every job wants the same class
        cost[:, 1:] += 100_000
    elif kind == "equal":
        cost = np.full((n, s), 3, np.int32)
    proved(transport(cost, capacity, **options))


@pytest.mark.slow
def test_warm_start_after_a_change():
    """If this fails, yesterday's prices harm today's answer."""
    cost, capacity = sites_by_hours(100_000, 80, 2)
    first = transport(cost, capacity)
    other, _ = sites_by_hours(1000, 80, 3)
    cost[:1000] = other
    warm, cold = transport(cost, capacity, prices=first.prices), transport(cost, capacity)
    proved(warm)
    assert warm.objective == cold.objective


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind",
    ["structured", "ties", "gangs", "terms", "given", "overload", "auction", "few", "few given"],
)
def test_threads_at_scale(kind):
    """If this fails, chunks are merged in the order in which threads happen to finish."""
    n, s = (6000, 3000) if kind.startswith("few") else (200_000, 60)
    r = np.random.default_rng(4)
    cost, capacity = sites_by_hours(n, s, 4)
    options = {}
    if kind == "ties":
        cost = r.integers(1, 50, (n, 1), dtype=np.int32) * r.integers(1, 50, (1, s), dtype=np.int32)
    elif kind == "gangs":
        options["demand"] = np.clip(np.rint(r.lognormal(0, 1.2, n)), 1, 128).astype(np.int64)
        capacity *= 3
    elif kind == "terms":
        cost = Terms([(r.random((20, s)), r.integers(0, 20, n), r.lognormal(1, 1, n))])
    elif kind in ("given", "few given"):
        options["prices"] = transport(cost, capacity).prices
    elif kind == "auction":
        options["method"] = "auction"
    elif kind == "overload":
        capacity, options["unplaced"] = capacity // 2, r.integers(0, 10**4, n).astype(np.float64)
    first = transport(cost, capacity, threads=1, **options)
    if kind.startswith("few"):
        assert first.stats["seconds"].keys() == {"direct"}
        assert first.stats["warm_levels"] == int(kind == "few given")
    else:
        assert first.stats["warm_levels" if kind == "given" else "levels"] > 1
    for threads in (2, 7):
        other = transport(cost, capacity, threads=threads, **options)
        assert other.assignment.tobytes() == first.assignment.tobytes()
        assert other.prices.tobytes() == first.prices.tobytes()
        assert (other.objective, other.bound) == (first.objective, first.bound)
        counts = {k: v for k, v in other.stats.items() if k != "seconds"}
        assert counts == {k: first.stats[k] for k in counts}
    found = first.verify(threads=1)
    assert found.valid, found.reasons
    assert first.verify(threads=7) == found


@pytest.mark.slow
def test_terms_as_their_matrix():
    """If this fails, an implicit cost is not solved as the matrix it stands for."""
    r = np.random.default_rng(5)
    n, s = 100_000, 60
    terms = Terms(
        [
            (r.random((20, s)), r.integers(0, 20, n), r.lognormal(1, 1, n)),
            (r.random((24, s)), r.integers(0, 24, n), None),
        ]
    )
    capacity = r.multinomial(n + n // 20, r.dirichlet(np.ones(s)))
    implicit, explicit = transport(terms, capacity), transport(terms.dense(), capacity)
    for m in (implicit, explicit):
        found = m.verify()
        assert found.valid, found.reasons
        assert found.gap < 1e-12
    assert implicit.objective == pytest.approx(explicit.objective, rel=1e-12)


@pytest.mark.slow
def test_time_limits_on_the_way():
    """If this fails, a solve cut somewhere in the middle claims what it cannot prove."""
    cost, capacity = sites_by_hours(60_000, 60, 6)
    least = transport(cost, capacity).objective
    for limit in (0, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1):
        m = transport(cost, capacity, time_limit=limit)
        found = m.verify()
        assert found.valid, found.reasons
        assert found.feasible
        assert m.bound <= least <= m.objective


FRUGAL = """
import resource, sys
import numpy as np
from gridcompute import transport

cost, capacity = np.load(sys.argv[1], mmap_mode="r"), np.load(sys.argv[2])
with open("/proc/self/status") as status:
    now = next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmData"))
most = now + cost.nbytes // 3
resource.setrlimit(resource.RLIMIT_DATA, (most, most))
try:
    np.ones(cost.nbytes // 2, np.uint8)
except MemoryError:
    print("a copy of half the costs is refused")
m = transport(cost, capacity, threads=2)
print(m.status, m.exact, bool(m.verify(threads=2).valid))
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_mapped_costs_are_streamed(tmp_path):
    """If this fails, a file of costs larger than memory cannot be solved: something copies it."""
    cost, capacity = sites_by_hours(400_000, 100, 8)
    np.save(tmp_path / "cost.npy", cost.astype(np.int64))
    np.save(tmp_path / "capacity.npy", capacity)
    command = [sys.executable, "-c", FRUGAL, tmp_path / "cost.npy", tmp_path / "capacity.npy"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.stdout.split("\n")[:2] == [
        "a copy of half the costs is refused",
        "optimal True True",
    ], ran.stderr
