"""The bound of a grid plan at the prices of its answer times a factor: any prices prove one."""

import matplotlib.pyplot as plt
import numpy as np

import gridcompute as gc
from gridcompute import grid
from gridcompute.grid.checker.bound import lower_bound

problem = grid.east_west(n_jobs=400, seed=0)
plan = gc.match(problem, gap=0.05, work_limit=600_000)
SCARCE = ("capacity", "corridor", "quota", "gang", "cover_yuan")
factors = np.linspace(0.0, 2.5, 26)


def at(factor, names):
    """The bound where these prices are multiplied."""
    changed = {name: factor * getattr(plan.prices, name) for name in names}
    return lower_bound(problem, plan.prices.replace(**changed))


fig, ax = plt.subplots(figsize=(6.5, 2.8))
ax.plot(factors, [at(f, SCARCE) for f in factors], label="accelerators, corridors, quotas")
ax.plot(factors, [at(f, ("energy",)) for f in factors], label="energy")
ax.axhline(plan.objective_yuan, color="k", lw=1, label="cost of the plan")
ax.axhline(plan.bound_yuan, color="k", lw=1, ls=":", label="bound told with it")
ax.set(xlabel="factor on these prices of the answer, the others as they are", ylabel="yuan")
ax.set_ylim(0.4 * plan.bound_yuan, 1.12 * plan.objective_yuan)
ax.legend(frameon=False, fontsize=8, loc="lower center")
fig.tight_layout()
