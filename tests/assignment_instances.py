"""Assignment costs for tests and benches: classes that defeat one method or another, seeded."""

import numpy as np


def uniform(n, seed):
    return np.random.default_rng(seed).integers(0, 10**6, (n, n))


def narrow(n, seed):
    """Few values, many ties."""
    return np.random.default_rng(seed).integers(0, 100, (n, n))


def binary(n, seed):
    """Maximum cardinality matching in disguise: ties everywhere."""
    return (np.random.default_rng(seed).random((n, n)) > 3 / n).astype(np.int64)


def constant(n, _):
    return np.full((n, n), 7)


def product(n, seed):
    """Machol and Wien's: lists of cheapest columns tell nothing."""
    r = np.random.default_rng(seed)
    return np.outer(r.integers(1, 1000, n), r.integers(1, 1000, n))


def geometric(n, seed):
    r = np.random.default_rng(seed)
    a, b = r.random((n, 2)), r.random((n, 2))
    return (np.hypot(a[:, :1] - b[:, 0], a[:, 1:] - b[:, 1]) * 1e6).astype(np.int64)


def line(n, seed):
    """Points on a line: any non-crossing matching is an optimum, detours are equal and long."""
    r = np.random.default_rng(seed)
    return np.abs(np.sort(r.integers(0, 10**6, n))[:, None] - np.sort(r.integers(0, 10**6, n)))


def clusters(n, seed):
    """Two clusters that do not balance: some rows must go far, and prices with them."""
    r = np.random.default_rng(seed)
    a = (np.arange(n) < n // 2 + 5).astype(int) * 10**5 + r.integers(0, 100, n)
    b = (np.arange(n) < n // 2 - 5).astype(int) * 10**5 + r.integers(0, 100, n)
    return np.abs(a[:, None] - b)


def offsets(n, seed):
    """Rows and columns with offsets of their own, far above the noise."""
    r = np.random.default_rng(seed)
    noise = r.integers(0, 1000, (n, n))
    return noise + r.integers(0, 10**6, n)[:, None] + r.integers(0, 10**6, n)


def low_rank(n, seed):
    r = np.random.default_rng(seed)
    return (r.standard_normal((n, 3)) @ r.standard_normal((3, n)) * 1e4).astype(np.int64)


def heavy_tailed(n, seed):
    return np.exp(np.random.default_rng(seed).normal(0, 4, (n, n)) + 8).astype(np.int64)


def staircase(n, _):
    """i + j below the diagonal and a wall above: the greedy start is as wrong as can be."""
    i, j = np.indices((n, n))
    return np.where(j <= i, n - j, 10**6 + i * j)


CLASSES = {
    f.__name__: f
    for f in (
        uniform,
        narrow,
        binary,
        constant,
        product,
        geometric,
        line,
        clusters,
        offsets,
        low_rank,
        heavy_tailed,
        staircase,
    )
}
