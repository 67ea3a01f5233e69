"""The bound that prices prove, as the price of one class moves away from the optimum."""

import matplotlib.pyplot as plt
import numpy as np

from gridcompute import transport

r = np.random.default_rng(4)
cost = r.integers(0, 100, (60, 5))
capacity = np.array([8, 12, 12, 16, 20])
m = transport(cost, capacity)

first = int(np.argmax(m.prices))
prices = np.linspace(0, 3 * m.prices[first], 200)
bounds = []
for price in prices:
    p = m.prices.copy()
    p[first] = price
    bounds.append((cost + p).min(axis=1).sum() - capacity @ p)

fig, ax = plt.subplots(figsize=(6.5, 2.6))
ax.plot(prices, bounds, label="bound $D(p)$")
ax.axhline(m.objective, color="C1", label="objective of the optimum")
ax.plot(m.prices[first], m.bound, "ko", ms=5, label="prices of the answer")
ax.set(xlabel="price of one class, the others as in the answer", ylabel="cost")
ax.legend(frameon=False, loc="lower center")
fig.tight_layout()
