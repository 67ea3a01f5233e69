"""Cost and bound of one day of the packaged scenario, by the counted work that match may use."""

import matplotlib.pyplot as plt

import gridcompute as gc
from gridcompute import grid

LIMITS = [50, 100, 200, 400, 800]  # thousand units
problem = grid.east_west(n_jobs=2000, seed=0)
plans = [gc.match(problem, work_limit=1000 * limit) for limit in LIMITS]

fig, ax = plt.subplots(figsize=(6.5, 2.9))
cost, bound = [p.objective_yuan for p in plans], [p.bound_yuan for p in plans]
ax.fill_between(LIMITS, bound, cost, color="0.92")
ax.plot(LIMITS, cost, "o-", ms=4, label="cost of the plan")
ax.plot(LIMITS, bound, "s-", ms=4, label="bound")
for x, y, p in zip(LIMITS, cost, plans, strict=True):
    ax.annotate(f"gap {p.gap:.1%}", (x, y), (0, 5), textcoords="offset points", fontsize=7)
ax.set(xscale="log", xlabel="limit of work, thousand units", ylabel="yuan")
ax.set_xticks(LIMITS, LIMITS)
ax.minorticks_off()
ax.set_ylim(top=1.1 * max(cost))
ax.legend(frameon=False, fontsize=8, loc="lower right")
fig.tight_layout()
