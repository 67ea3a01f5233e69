"""What each stage of one transport solve leaves to the next, and the share of time it takes."""

import matplotlib.pyplot as plt
import numpy as np

from gridcompute import transport

N_JOBS, N_CLASSES = 100_000, 100

r = np.random.default_rng(7)
speed = r.uniform(0.25, 1.0, (12, N_CLASSES))
tariff = r.uniform(0.3, 1.0, N_CLASSES)
family, work = r.integers(0, 12, N_JOBS), r.lognormal(1.0, 1.1, N_JOBS)
waiting = r.uniform(0, 300, (N_JOBS, N_CLASSES))
cost = (1000 * work[:, None] * tariff / speed[family] + waiting).astype(np.int32)
capacity = r.multinomial(N_JOBS + N_JOBS // 10, np.full(N_CLASSES, 1 / N_CLASSES))

m = transport(cost, capacity, method="exact")
s = m.stats
left = {
    "pairs of job and class": cost.size,
    "costs read to solve samples": max(1, s["evaluations"] - cost.size),
    "candidates kept by the pricing pass": s["candidates"],
    "groups of jobs with one list": s["groups"],
    "paths augmented in repair": s["augmentations"],
    "jobs that get more candidates": s["rows_extended"],
}

fig, (funnel, clock) = plt.subplots(1, 2, figsize=(9.5, 3.2), width_ratios=[3, 1])
names, counts = list(left), np.array(list(left.values()))
funnel.barh(names, np.maximum(counts, 0.8), color="C0", height=0.65)
for row, count in enumerate(counts):
    at = (max(count, 0.8), row)
    funnel.annotate(f"{count:,}", at, (4, 0), textcoords="offset points", va="center")
funnel.set(xscale="log", xlim=(0.7, 300 * cost.size), xlabel="number, logarithmic")
funnel.invert_yaxis()
funnel.set_title(f"{N_JOBS:,} jobs, {N_CLASSES} classes: status {m.status!r}", loc="left")

seconds = s["seconds"]
share = 100 * np.array(list(seconds.values())) / sum(seconds.values())
clock.barh(list(seconds), share, color="C1", height=0.65)
clock.invert_yaxis()
clock.set(xlabel="% of the time")
clock.set_title("stages", loc="left")
fig.tight_layout()
