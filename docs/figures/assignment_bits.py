"""The same problem in integers of several widths, and with an outlier that is capped."""

import time

import matplotlib.pyplot as plt
import numpy as np

from gridcompute import assignment

N = 600
r = np.random.default_rng(2)
base = r.integers(0, 10**6, (N, N)) + r.integers(0, 3 * 10**6, N)
outlier = base.copy()
outlier[0, 0] = 10**15
cases = {
    "int64, small values": base,
    "one cost of 1e15": outlier,
    "values near 1e12": base * 10**6 + r.integers(0, 10**6, (N, N)),
    "floats": base / 7,
}

fig, ax = plt.subplots(figsize=(6.5, 2.2))
for name, cost in cases.items():
    seconds = np.inf
    for _ in range(3):
        start = time.process_time()
        a = assignment(cost)
        seconds = min(seconds, time.process_time() - start)
    if a.status != "optimal":
        raise AssertionError(f"{name}: {a.status}")
    bar = ax.barh(name, 1000 * seconds, color="C0" if a.stats["bits"] == 32 else "C1", height=0.65)
    ax.bar_label(bar, [f" {a.stats['bits']} bits"])
ax.invert_yaxis()
ax.margins(x=0.15)
ax.set(xlabel="CPU ms")
fig.tight_layout()
