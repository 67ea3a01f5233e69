"""The gap that each round of a matcher with gangs proves, by the number of jobs a class holds."""

import matplotlib.pyplot as plt
import numpy as np

from gridcompute import Matcher

CLASSES, ROUNDS = 8, 30


def gaps(each, seed):
    """The gap of each round, in percent, of a world with about `each` jobs a class."""
    r = np.random.default_rng(seed)
    table = r.integers(10, 200, (6, CLASSES)).astype(float)
    world = Matcher(
        np.full(CLASSES, 3 * each),
        cost=[(table, "family", None)],
        unplaced="value",
        demand="gpus",
        move_cost=1.0,
    )

    def jobs(n):
        gpus = np.clip(r.lognormal(0.6, 0.8, n), 1, 16).astype(int)
        value = 300.0 * gpus
        return {"gpus": gpus, "family": r.integers(0, 6, n), "value": value}

    ids = list(world.add(jobs(CLASSES * each * 4 // 3)))
    out = []
    for _ in range(ROUNDS):
        out.append(100 * world.match().gap)
        gone = r.choice(len(ids), max(1, len(ids) // 20), replace=False)
        world.remove([ids[k] for k in gone])
        ids = [i for k, i in enumerate(ids) if k not in set(gone.tolist())]
        ids += list(world.add(jobs(len(gone))))
    return out


fig, ax = plt.subplots(figsize=(6.5, 2.8))
for each, color in ((4, "#d55e00"), (16, "#e69f00"), (64, "#0072b2"), (256, "#009e73")):
    ax.plot(np.maximum(gaps(each, 1), 1e-4), ".-", ms=4, lw=0.8, color=color, label=f"{each}")
ax.set(xlabel="round", ylabel="gap proved, %", yscale="log")
ax.legend(title="jobs a class", frameon=False, ncols=4, fontsize=8, loc="upper right")
ax.set_ylim(top=30)
fig.tight_layout()
