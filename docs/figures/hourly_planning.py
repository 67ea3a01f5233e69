"""What policies cost above the bound in hindsight on shared slots, and when two of them run."""

import matplotlib.pyplot as plt
import numpy as np

from gridcompute import forecast, timeshift

hours = np.arange(24 * 16)
r = np.random.default_rng(4)
daily = 100 + 45 * np.sin((hours - 6) / 24 * 2 * np.pi)
noise = np.zeros(len(hours))
for h in range(1, len(hours)):
    noise[h] = 0.93 * noise[h - 1] + 6 * r.standard_normal()
actual = np.maximum(daily + noise, 10.0)
issued = [np.resize(daily[h : h + 72], 72) for h in range(0, len(hours) - 72, 24)]
signal = forecast.Signal(actual, "2024-01-01", issued)
n = 260
jobs = {
    "arrival_h": np.sort(r.integers(0, 24 * 7, n)),
    "hours": np.clip(r.lognormal(1.0, 0.7, n), 1, 16).astype(int),
    "slots": r.integers(1, 4, n),
    "window_h": r.integers(6, 30, n),
}
SLOTS = 16
policies = ["arrival", "threshold", "gaia", "book", "fifo", "rolling"]
found = {
    name: timeshift.replay(jobs, signal, slots=SLOTS, policy=name, interruptible=True, starts=[48])
    for name in policies
}

fig, axes = plt.subplots(1, 3, figsize=(10.5, 3.0), width_ratios=[2, 3, 3])
above = [100 * (found[name].cost / found[name].bound - 1) for name in policies]
axes[0].barh(policies, above, color=["0.7"] * 5 + ["#0072b2"])
axes[0].invert_yaxis()
axes[0].set(xlabel="% above the bound")
for ax, name in zip(axes[1:], ("arrival", "rolling"), strict=True):
    found[name].plot.load(ax=ax)
    ax.set_title(name, loc="left")
fig.tight_layout()
