"""The work that each family of costs takes, by the counts of `assignment`."""

import matplotlib.pyplot as plt
import numpy as np

from gridcompute import assignment

N = 800
r = np.random.default_rng(1)
a, b = r.random((N, 2)), r.random((N, 2))
near = a + r.normal(0, 0.1 / np.sqrt(N), (N, 2))
product = np.outer(r.random(N), r.random(N))


def distances(p, q):
    """Euclidean distances in units of a millionth."""
    return np.hypot(p[:, :1] - q[:, 0], p[:, 1:] - q[:, 1])


families = {
    "few values (0 to 99)": r.integers(0, 100, (N, N)),
    "points near their partners": distances(a, near),
    "independent, uniform": r.random((N, N)),
    "uniform, rectangular": r.random((N, N + N // 4)),
    "column offsets": r.random((N, N)) + 3 * r.random(N),
    "distances in the plane": distances(a, b),
    "products $a_i b_j$": product,
}
counts = {}
for name, cost in families.items():
    integers = cost if cost.dtype.kind == "i" else (1e6 * cost).astype(np.int64)
    answer = assignment(integers)
    if not answer.exact:
        raise AssertionError(f"{name}: not proved optimal")
    counts[name] = answer.stats

fig, axes = plt.subplots(1, 3, figsize=(9.5, 3.1), sharey=True)
panels = {
    "bids a row": lambda s: s["bids"] / N,
    "searches per 100 rows": lambda s: 100 * s["searches"] / N,
    "passes made by searches": lambda s: s["arcs"] / N**2,
}
for ax, (title, value) in zip(axes, panels.items(), strict=True):
    heights = [value(s) for s in counts.values()]
    colours = ["C1" if s["phases"] else "C0" for s in counts.values()]
    ax.barh(list(counts), heights, color=colours, height=0.65)
    ax.set_title(title, loc="left")
axes[0].invert_yaxis()
kinds = {"shortest paths alone": "C0", "an auction ran": "C1"}
handles = [plt.Rectangle((0, 0), 1, 1, color=colour) for colour in kinds.values()]
fig.legend(handles, kinds, loc="lower center", ncols=2, frameon=False)
fig.tight_layout(rect=(0, 0.08, 1, 1))
