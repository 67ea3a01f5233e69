"""Hours of an operator whose sun and wind turn out other than forecast, beside one who knew all."""

import matplotlib.pyplot as plt
import numpy as np

import gridcompute as gc

HOURS = 12
op = gc.grid.Rolling(gc.grid.east_west(n_jobs=150, seed=1, hours=18), horizon_h=6, gap=0.1)
r = np.random.default_rng(7)
factor = 1.0
for _ in range(HOURS):
    factor = 1 + 0.7 * (factor - 1) + 0.15 * r.standard_normal()
    op.step(actual={"renewables": max(factor, 0.0)}, work_limit=60_000)
seen = op.hindsight(gap=0.1, work_limit=200_000)

fig, (load, regret) = plt.subplots(1, 2, figsize=(9.5, 3.0))
op.plot.load(ax=load)
op.plot.regret(by="hour", seen=seen, ax=regret)
for ax in (load, regret):
    ax.title.set_fontsize(9)
fig.tight_layout()
