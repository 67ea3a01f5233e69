"""The same teams and accelerators, divided as one pool and by leximin, with the cuts that bind."""

import matplotlib.pyplot as plt
import numpy as np

from gridcompute import fair

TEAMS = ["vision", "speech", "language", "batch"]
capacity = np.array([24, 60, 120])  # H100, A100, L40S
request, guarantee = np.array([60, 80, 90, 90]), np.array([10, 10, 10, 10])
weight = np.array([1, 1, 2, 1])
can_use = np.array([[1, 0, 0], [1, 1, 0], [1, 1, 1], [0, 0, 1]], bool)

pool = fair.divide(int(capacity.sum()), guarantee=guarantee, request=request, weight=weight)
shares = fair.leximin(
    can_use, capacity=capacity, request=request, guarantee=guarantee, weight=weight
)
assert shares.verify()

fig, (ax, cuts) = plt.subplots(1, 2, figsize=(9.0, 3.0), width_ratios=[3, 2])
x, width = np.arange(len(TEAMS)), 0.27
ax.bar(x - width, request, width, color="0.8", label="asked for")
ax.bar(x, pool.share, width, color="#e69f00", label="as one pool (divide)")
ax.bar(x + width, shares.share, width, color="#0072b2", label="as each can use (leximin)")
ax.hlines(guarantee, x - 0.4, x + 0.4, color="k", ls=":", lw=1)
ax.text(3.42, guarantee[-1], " guaranteed", va="center", fontsize=7)
ax.set_xticks(x, TEAMS)
ax.set(ylabel="accelerators", ylim=(0, 130), xlim=(-0.5, 4.1))
ax.legend(frameon=False, loc="upper left", fontsize=8)

# What each level adds: the units of its classes, and its tenants, who use up all of them.
names, kinds, base = [], ["H100", "A100", "L40S"], 0
for level in shares.levels:
    units = int(capacity[level.classes].sum())
    cuts.bar(len(names), units, bottom=base, color="#0072b2", alpha=0.75)
    who = ", ".join(TEAMS[t] for t in level.tenants)
    what = ", ".join(kinds[c] for c in level.classes)
    cuts.text(len(names), base + units, f"{what}: {units}", ha="center", va="bottom", fontsize=7)
    names.append(who)
    base += units
cuts.set_xticks(range(len(names)), names)
cuts.set(ylabel="accelerators in the cut", ylim=(0, 1.15 * base))
cuts.set_title("levels: these use up what they can use", loc="left", fontsize=8)
fig.tight_layout()
