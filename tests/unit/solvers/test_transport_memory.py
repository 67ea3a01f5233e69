"""Memory by entries, not by pairs of classes: solved in a child under an address-space limit."""

import subprocess
import sys

import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.sparse.csgraph import min_weight_full_bipartite_matching

from gridcompute import transport

resource = pytest.importorskip("resource")

LIMIT = """
import resource
import numpy as np
from scipy.sparse import csr_array
from gridcompute import transport

def limit(megabytes):
    used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + megabytes * 2**20,) * 2)
"""

SPARSE = """
n, s, each, pool, kind = ARGUMENTS
r = np.random.default_rng(1)
pick = np.array([r.choice(pool, each, replace=False) for _ in range(n)])
pick[:, 0] = r.permutation(pool)[:n]  # a matching, so that there is an answer
pairs = np.unique(np.repeat(np.arange(n), each) * s + (pick * (s // pool)).ravel())
values = r.integers(1, 1000, len(pairs)).astype(kind)
cost = csr_array((values, (pairs // s, pairs % s)), shape=(n, s))
cost.sort_indices()
limit(100)
m = transport(cost, np.ones(s, np.int64), threads=1)
assert m.status == "optimal", m
assert m.verify(threads=1).valid
print("done")
"""

DENSE = """
n, s = ARGUMENTS
r = np.random.default_rng(2)
cost = r.integers(0, 1000, (n, s), np.int32)
cost[:, : n // 2] //= 8  # many jobs compete for few classes
limit(200)
m = transport(cost, np.ones(s, np.int64), threads=1)
assert m.status == "optimal" and m.exact, m
print("done")
"""


def run(script, *arguments):
    """Run a script in a child, which ends with "done" or fails."""
    done = subprocess.run(
        [sys.executable, "-c", LIMIT + script.replace("ARGUMENTS", repr(arguments))],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (0, "done\n"), (arguments, done.stderr[-2000:])


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(
    ("n", "s", "each", "pool"),
    [
        (400, 20_000, 2, 400),
        (400, 20_000, 3, 420),
        (900, 8000, 4, 1000),
        (20, 300_000, 5, 1000),
        (6000, 6000, 3, 6000),  # beyond what is solved in memory: the keys of a sample
        (4000, 12_000, 3, 6000),
    ],
)
@pytest.mark.parametrize("kind", ["int64", "float64"])
def test_sparse_costs_take_memory_by_entries(n, s, each, pool, kind):
    """If this fails, 800 entries of 400 x 20,000 take 16 bytes a pair of classes: 6.5 GB.

    Or the keys of a sample, 18,000 of 6000 x 6000, take a matrix of 288 MB.
    """
    run(SPARSE, n, s, each, pool, kind)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(("n", "s"), [(1, 20_000), (60, 20_000), (300, 8000)])
def test_a_few_jobs_take_no_memory_for_all_pairs_of_classes(n, s):
    """If this fails, thousands of classes take memory by their square for a few jobs."""
    run(DENSE, n, s)


@pytest.mark.parametrize("kind", [np.int64, np.float64])
@pytest.mark.parametrize(("n", "s"), [(1020, 1020), (1100, 1100), (700, 2500)])
@pytest.mark.parametrize("seed", range(4))
def test_paths_between_many_classes_are_the_shortest(n, s, seed, kind):
    """If this fails, arcs between more than 1,024 classes are lost or out of date.

    One slot a class, few entries a job and small costs: long paths, and many ties.
    """
    r = np.random.default_rng(seed)
    columns = np.array([r.choice(s, 4, replace=False) for _ in range(n)])
    columns[:, 0] = r.permutation(s)[:n]
    pairs = np.unique(np.repeat(np.arange(n), 4) * s + columns.ravel())
    values = r.integers(1, 30 if seed % 2 else 10**6, len(pairs)).astype(kind)
    cost = csr_array((values, (pairs // s, pairs % s)), shape=(n, s))
    m = transport(cost, np.ones(s, np.int64))
    rows, best = min_weight_full_bipartite_matching(cost)
    assert m.objective == cost[rows, best].sum(), (n, s, seed)
    assert m.verify().valid, (n, s, seed)
