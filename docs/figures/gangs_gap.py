"""The gap that transport proves with demands, against the number of jobs that a class holds."""

import matplotlib.pyplot as plt
import numpy as np

from gridcompute import transport

N_CLASSES = 8
JOBS_PER_CLASS = [2, 4, 8, 16, 32, 64, 128, 256]


def gap(each, seed):
    """The gap in percent of one problem with costs and demands of unlike size."""
    r = np.random.default_rng(seed)
    n = N_CLASSES * each
    cost = r.integers(1, 10_000, (n, N_CLASSES)) * (1 + r.integers(0, 4, (n, 1)))
    demand = np.clip(r.lognormal(1.0, 1.0, n), 1, 32).astype(np.int64)
    capacity = np.full(N_CLASSES, int(1.05 * demand.sum() / N_CLASSES) + 8)
    return 100 * transport(cost, capacity, demand=demand).gap


fig, ax = plt.subplots(figsize=(6.5, 2.8))
for seed in (5, 6, 7):
    ax.plot(JOBS_PER_CLASS, [gap(each, seed) for each in JOBS_PER_CLASS], "o-", ms=4)
ax.set(xscale="log", xlabel="jobs per class", ylabel="gap proved, %", xticks=JOBS_PER_CLASS)
ax.set_xticklabels(JOBS_PER_CLASS)
ax.minorticks_off()
ax.set_title("8 classes, demands of 1 to 32, three seeds", loc="left")
fig.tight_layout()
