"""One plan under the volume rule on a calm day: what each new site may claim, and what it used."""

import matplotlib.pyplot as plt
import numpy as np

import gridcompute as gc
from gridcompute import grid

day = grid.east_west(n_jobs=1000, seed=1)
calm = day.replace(
    energy=day.energy.replace(direct_kwh=0.5 * day.energy.direct_kwh),
    mandate=grid.Mandate(share=0.8, rule="volume"),
)
plan = gc.match(calm, gap=0.01, work_limit=400_000)
new = np.flatnonzero(calm.sites.new)
claimed, used = (100 * plan.green[k][new] for k in ("n1_statutory", "n2_hourly"))
order = np.argsort(used)

fig, (ax, one) = plt.subplots(1, 2, figsize=(9.5, 3.0), width_ratios=[1, 1])
y = np.arange(len(new))
ax.barh(y + 0.2, claimed[order], 0.38, color="#e69f00", label="N1, may be claimed")
ax.barh(y - 0.2, used[order], 0.38, color="#009e73", label="N2, used in its hour")
ax.axvline(80, color="k", ls=":", lw=1)
ax.set_yticks(y, [str(calm.sites.name[new[k]]) for k in order])
ax.set(xlabel="% of the site's load", xlim=(0, 105), ylim=(-0.6, len(new) + 0.9))
ax.legend(frameon=False, fontsize=8, loc="upper left", ncols=2)

# The site with the widest gap between both, hour by hour.
s = int(new[np.argmax(claimed - used)])
d, hours = plan.dispatch, np.arange(calm.hours)
own = d.direct_kwh.sum(axis=0)[s]
parts = [own, d.bundled_kwh[s], d.green_discharge_kwh[s], d.grid_kwh[s] + d.grey_discharge_kwh[s]]
names, colors = ["own", "bundled", "from battery", "grid"], ["#009e73", "#56b4e9", "#f0e442", "0.7"]
one.stackplot(hours, parts, labels=names, colors=colors, step="mid")
one.set(xlabel="hour", ylabel="kWh", xlim=(0, calm.hours - 1))
one.set_title(
    f"{calm.sites.name[s]}: {plan.green['n2_hourly'][s]:.0%} green in its hour", loc="left"
)
one.legend(frameon=False, fontsize=7, loc="upper left", ncols=2)
one.set_ylim(top=1.3 * d.load_kwh[s].max())
fig.tight_layout()
