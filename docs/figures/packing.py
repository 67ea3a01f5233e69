"""What pods of a mix are worth by the pattern program, and what policies make of a cluster."""

import matplotlib.pyplot as plt
import numpy as np

from gridcompute import pack

NODES = 60
nodes = {
    "cpu_milli": np.full(NODES, 96_000),
    "memory_mib": np.full(NODES, 786_432),
    "gpu": np.full(NODES, 8),
    "model": ["A800"] * NODES,
}
r = np.random.default_rng(2)
# Shapes of pods: devices, milli of each, CPU, and how often each comes.
SHAPES = [(1, 190, 2000), (1, 470, 4000), (1, 810, 6000), (1, 1000, 8000), (2, 1000, 16_000)]
SHAPES += [(4, 1000, 32_000), (8, 1000, 64_000)]
OFTEN = [0.15, 0.2, 0.25, 0.2, 0.1, 0.06, 0.04]


def pods(kinds):
    """Pods of these kinds, as columns."""
    gpus, milli, cpu = (np.array([SHAPES[k][c] for k in kinds]) for c in range(3))
    return {"cpu_milli": cpu, "memory_mib": 4 * cpu, "num_gpu": gpus, "gpu_milli": milli}


mix = r.choice(len(SHAPES), 600, p=OFTEN)
arrivals = r.choice(len(SHAPES), 2000, p=OFTEN)
size = np.array([SHAPES[k][0] * SHAPES[k][1] for k in range(len(SHAPES))])
total = 1000 * int(nodes["gpu"].sum())
arrived = 100 * np.cumsum(size[arrivals]) / total
arrivals = arrivals[arrived < 130]
arrived = arrived[arrived < 130]

fig, (shapes, ax) = plt.subplots(1, 2, figsize=(9.0, 3.0))
for policy, color in {"price": "#0072b2", "fgd": "#e69f00", "best_fit": "#999999"}.items():
    packer = pack.Packer(nodes, mix=pods(mix), policy=policy)
    if policy == "price":
        priced = packer.prices
    placed = [size[k] if packer.place(pods([k])).node[0] >= 0 else 0 for k in arrivals]
    held = 100 * np.cumsum(placed) / total
    ax.plot(arrived, held, color=color, label=policy.replace("_", " "))
ax.plot(arrived, np.minimum(arrived, 100), color="k", lw=0.8, ls=":", label="all that came")
ax.set(xlabel="arrived, % of the devices", ylabel="allocated, %", xlim=(70, 130), ylim=(70, 101))
ax.legend(frameon=False, fontsize=8, loc="lower right")

one = [k for k, gpus in enumerate(priced["gpus"]) if gpus == 1]
milli, price = (np.array([priced[c][k] for k in one]) for c in ("milli", "price"))
shapes.bar(range(len(one)), price[np.argsort(milli)], color="#0072b2", label="its price")
shapes.plot(range(len(one)), np.sort(milli), "k_", ms=40, label="what it takes")
shapes.set_xticks(range(len(one)), [f"{m} milli" for m in np.sort(milli)])
shapes.set(ylabel="thousandths of a device", xlabel="pods of one device", ylim=(0, 1250))
shapes.legend(frameon=False, fontsize=8, loc="upper left", markerscale=0.3)
fig.tight_layout()
