"""Check of dominant shares by each tenant's limiting resource; it shares no code with the solver.

Progressive filling gives tasks in one order, each where it still fits, and no more to a tenant
whose task did not fit. Counts of tasks are its result if they fit together and, for each tenant
that requests more, some resource has no room for its next task after all given tasks that come
before it. Proof by the first task in which the two differ.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["refutations"]


def refutations(
    demand: Sequence[Sequence[Fraction]],
    capacity: Sequence[Fraction],
    most: Sequence[int],
    weight: Sequence[float],
    answer: Any,
) -> list[str]:
    """Return what is wrong with the fields of `TaskShares`, [] if they are proved.

    `most` bounds the tasks of each.
    """
    n, n_resources = len(demand), len(capacity)
    for name, size in (("tasks", n), ("share", n), ("dominant", n), ("bottleneck", n)):
        if getattr(answer, name).shape != (size,):
            return [f"{name}: found shape {getattr(answer, name).shape}, needed ({size},)"]
    tasks: list[int] = answer.tasks.tolist()
    bottleneck: list[int] = answer.bottleneck.tolist()
    for i, count in enumerate(tasks):
        if not 0 <= count <= most[i]:
            return [f"tasks[{i}]: found {count}, needed 0 to {most[i]}"]
    totals = [
        sum((d[r] * x for d, x in zip(demand, tasks, strict=True)), Fraction(0))
        for r in range(n_resources)
    ]
    for r, used in enumerate(totals):
        if used > capacity[r]:
            return [f"resource {r} has {capacity[r]}, the tasks use {used}"]
    if answer.used.tolist() != [float(used) for used in totals]:
        return [f"used: found {answer.used}, the tasks use {[float(used) for used in totals]}"]
    level: list[Fraction] = []  # by how much a task raises its tenant's share / weight
    for i in range(n):
        parts = [d / c if c else Fraction(0) for d, c in zip(demand[i], capacity, strict=True)]
        part = max(parts, default=Fraction(0))
        first = parts.index(part) if part else -1
        if (answer.share[i], answer.dominant[i]) != (float(part * tasks[i]), first):
            return [
                f"share[{i}]: found {answer.share[i]} of resource {answer.dominant[i]}, the "
                f"tasks give {float(part * tasks[i])} of {first}"
            ]
        level.append(part / Fraction(weight[i] or 1))

    def before(j: int, height: Fraction, step: Fraction, i: int) -> int:
        """Return how many tasks of j come before a task at that height, with that step, of i."""
        if level[j] == 0:
            return tasks[j]
        whole, rest = divmod(height, level[j])
        # Of tasks at equal height the larger step comes first, then the lower index.
        tie = rest == 0 and (-level[j], j) < (-step, i)
        return min(tasks[j], int(whole) + (1 if rest or tie else 0))

    waiting = [i for i in range(n) if tasks[i] < most[i]]
    lightest: dict[int, Fraction] = {}
    for i in sorted(waiting, key=lambda i: (level[i] * tasks[i], -level[i], i)):
        r = bottleneck[i]
        if not 0 <= r < n_resources or demand[i][r] == 0:
            return [f"bottleneck[{i}]: found {r}, needed a resource that its tasks take"]
        if r in lightest and demand[i][r] >= lightest[r]:
            continue  # no room for a smaller task earlier
        height = level[i] * tasks[i]
        used = sum(
            (demand[j][r] * before(j, height, level[i], i) for j in range(n) if demand[j][r]),
            Fraction(0),
        )
        if used + demand[i][r] <= capacity[r]:
            return [f"tasks[{i}]: found {tasks[i]}, and resource {r} has room for one more"]
        lightest[r] = demand[i][r]
    return []
