"""Two queues on 64 accelerators, round by round: one borrows, the other takes back its own."""

import matplotlib.pyplot as plt
import numpy as np

from gridcompute import Matcher, fair

SLOTS, ROUNDS = 64, 40
queues = fair.Queues(name=["vision", "speech"], guarantee=[32, 32])
world = Matcher(
    [SLOTS],
    cost=[(np.array([[1.0]]), None, None)],
    unplaced="value",
    demand="gpus",
    queues=queues,
    queue="team",
    preemptible="preemptible",
    move_cost=0.1,
)
r = np.random.default_rng(3)
live, held, asked, evicted = [], [], [], []
for t in range(ROUNDS):
    n = {"vision": 6, "speech": 6 if 14 <= t < 26 else 0}
    for team, count in n.items():
        gpus = r.choice([1, 2, 4, 8], count, p=[0.4, 0.3, 0.2, 0.1])
        columns = {"gpus": gpus, "team": [team] * count, "value": 10.0 + gpus}
        ids = world.add({**columns, "preemptible": [True] * count})
        live += [
            (int(i), team, int(g), t + int(r.integers(3, 9)))
            for i, g in zip(ids, gpus, strict=True)
        ]
    gone = [job for job in live if job[3] <= t]
    world.remove([job[0] for job in gone])
    live = [job for job in live if job[3] > t]
    m = world.match()
    evicted.append(int((m.changes["kind"] == "EVICT").sum()))
    slot = world.slot_of([job[0] for job in live])
    runs = [job for job, s in zip(live, slot, strict=True) if s >= 0]
    held.append([sum(job[2] for job in runs if job[1] == q) for q in queues.name])
    asked.append([sum(job[2] for job in live if job[1] == q) for q in queues.name])

held, asked = np.array(held), np.array(asked)
fig, (ax, moves) = plt.subplots(2, 1, figsize=(7.5, 3.8), height_ratios=[3, 1], sharex=True)
for k, (name, color) in enumerate(zip(queues.name, ("#0072b2", "#e69f00"), strict=True)):
    ax.step(range(ROUNDS), held[:, k], where="mid", color=color, label=f"{name} holds")
    ax.step(range(ROUNDS), asked[:, k], where="mid", color=color, ls=":", label=f"{name} asks for")
ax.axhline(32, color="0.6", lw=0.8)
ax.text(0, 33, "guarantee of each", fontsize=7, color="0.4")
ax.set(ylabel="accelerators", ylim=(0, 140))
ax.legend(frameon=False, ncols=2, fontsize=8, loc="upper right")
moves.bar(range(ROUNDS), evicted, color="0.5")
moves.set(xlabel="round", ylabel="evicted")
fig.tight_layout()
