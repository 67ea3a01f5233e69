"""Slow, readable rules of fair shares: the published ones word by word, leximin by trying all."""

import itertools
import math
from fractions import Fraction

UNLIMITED = math.inf


def kai_level(total, queues):
    """Shares of the queues of one level and what remains, by KAI's three steps, in Fractions.

    A queue has guarantee, request, weight, limit, priority, age, given (numbers; inf allowed for
    the first, second and fourth).
    """

    def exact(x):
        return x if x == math.inf else Fraction(x)

    share = [Fraction(q["given"]) for q in queues]
    remaining = Fraction(total)
    for k, q in enumerate(queues):  # step 1
        guarantee = Fraction(total) if q["guarantee"] == math.inf else Fraction(q["guarantee"])
        amount = min(guarantee, exact(q["request"]), exact(q["limit"]))
        share[k] += amount
        remaining -= amount
    if remaining <= 0:
        return share, Fraction(0)
    noted = {}
    priorities = sorted({q["priority"] for q in queues}, reverse=True)
    for priority in priorities:  # step 2
        group = [k for k, q in enumerate(queues) if q["priority"] == priority]
        while remaining > 0:
            unsatisfied = [
                k
                for k in group
                if share[k] < exact(queues[k]["request"]) and share[k] < exact(queues[k]["limit"])
            ]
            total_weight = sum((Fraction(queues[k]["weight"]) for k in unsatisfied), Fraction(0))
            if total_weight == 0:
                break
            to_give, another = remaining, False
            for k in unsatisfied:
                q = queues[k]
                if q["weight"] == 0:
                    continue
                offer = to_give * Fraction(q["weight"]) / total_weight
                rest = min(exact(q["request"]), exact(q["limit"])) - share[k]
                if rest <= offer:
                    take = rest
                    noted.pop(k, None)
                else:
                    take = Fraction(math.floor(offer))
                    noted[k] = offer - take
                share[k] += take
                remaining -= take
                another = another or rest < offer
            if not another:
                break
    for priority in priorities:  # step 3
        group = [k for k in noted if queues[k]["priority"] == priority]
        for k in sorted(group, key=lambda k: (-noted[k], queues[k]["age"], k)):
            piece = min(Fraction(1), remaining)
            share[k] += piece
            remaining -= piece
    return share, remaining


def kai_tree(total, queues, parent):
    """The same down a tree: the share of a queue is the total of its children."""
    share = [Fraction(0)] * len(queues)

    def divide(amount, above):
        members = [k for k, p in enumerate(parent) if p == above]
        got, rest = kai_level(amount, [queues[k] for k in members])
        for k, s in zip(members, got, strict=True):
            share[k] = s
            divide(s, k)
        return rest

    return share, divide(total, -1)


class KueueTree:
    """The sums of a tree of cohorts and queues, as published; amounts are ints, or inf."""

    def __init__(self, nodes, usage):
        self.nodes = {n["name"]: n for n in nodes}
        self.children = {}
        for n in nodes:
            self.children.setdefault(n["parent"], []).append(n["name"])
        self.used = {}
        for name, flavor, resource, amount in usage:
            key = (name, flavor, resource)
            self.used[key] = self.used.get(key, 0) + amount

    def keys(self, name):
        """The pairs of flavor and resource that the node or one below it has a quota for."""
        own = {(q["flavor"], q["resource"]) for q in self.nodes[name]["quotas"]}
        return own.union(*(self.keys(c) for c in self.children.get(name, [])))

    def quota(self, name, key):
        """The node's own quota, {} without one."""
        rows = [q for q in self.nodes[name]["quotas"] if (q["flavor"], q["resource"]) == key]
        return rows[0] if rows else {}

    def subtree(self, name, key):
        """Own nominal quota, and what the children's subtrees have beside what they keep."""
        total = self.quota(name, key).get("nominal", 0)
        for child in self.children.get(name, []):
            total += self.lent(child, key)
        return total

    def lent(self, name, key):
        """What of a subtree's quota its parent sees: all but the local part."""
        limit = self.quota(name, key).get("lending_limit")
        subtree = self.subtree(name, key)
        return subtree if limit is None else min(subtree, limit)

    def local(self, name, key):
        """What a node keeps for itself."""
        limit = self.quota(name, key).get("lending_limit")
        if limit is None or limit == UNLIMITED:
            return 0
        return max(0, self.subtree(name, key) - limit)

    def usage(self, name, key):
        """A queue's own; of a cohort, what its children use beyond what they keep."""
        total = self.used.get((name, *key), 0)
        for child in self.children.get(name, []):
            used, local = self.usage(child, key), self.local(child, key)
            if used > local:
                total += used - local
        return total

    def capacity(self, name, key):
        """The most a node could use if all usage were 0."""
        parent = self.nodes[name]["parent"]
        if parent is None:
            return self.subtree(name, key)
        have = self.local(name, key) + self.capacity(parent, key)
        limit = self.quota(name, key).get("borrowing_limit")
        return have if limit is None else min(have, self.subtree(name, key) + limit)

    def borrowed(self, name, extra):
        """What the node uses above its subtree's quota; nothing at a root."""
        if self.nodes[name]["parent"] is None:
            return {}
        out = {}
        for key in self.keys(name):
            used, have = extra.get(key, 0) + self.usage(name, key), self.subtree(name, key)
            if used > have:
                out[key] = used - have
        return out

    def share(self, name, extra):
        """Share in parts of a thousand, dominant resource, and whether anything is borrowed."""
        borrowed = self.borrowed(name, extra)
        parent, root = self.nodes[name]["parent"], name
        while self.nodes[root]["parent"] is not None:
            root = self.nodes[root]["parent"]
        best, dominant = Fraction(0), None
        for resource in sorted({r for _, r in borrowed}):
            amount = sum(a for (_, r), a in borrowed.items() if r == resource)
            lendable = sum(
                self.capacity(parent, key) for key in self.keys(root) if key[1] == resource
            )
            if lendable > 0:
                ratio = 1000 * bounded(amount) / bounded(lendable)
                if ratio > best:
                    best, dominant = ratio, resource
        weight = Fraction(str(self.nodes[name]["weight"]))
        if best == 0:
            return 0, None, bool(borrowed)
        return (math.ceil(best / weight) if weight else math.inf), dominant, bool(borrowed)


def bounded(amount):
    """An amount in a ratio: unlimited counts as the largest int64."""
    return Fraction(2**63 - 1) if amount == UNLIMITED else Fraction(amount)


def leximin_brute(
    usable,
    capacity,
    request,
    weight,
    guarantee=None,
):
    """The lexicographically largest sorted vector of share / weight, over all integral shares.

    With guarantees the vectors of min(share, guarantee) / weight are compared first.
    """
    n = len(request)
    sets = []
    for size in range(1, n + 1):
        for members in itertools.combinations(range(n), size):
            open_ = [s for s in range(len(capacity)) if any(usable[i][s] for i in members)]
            sets.append((members, sum(int(capacity[s]) for s in open_)))
    owed = [0] * n if guarantee is None else [int(g) for g in guarantee]
    units = [Fraction(w) for w in weight]
    best = None
    for share in itertools.product(*(range(int(r) + 1) for r in request)):
        if all(sum(share[i] for i in members) <= room for members, room in sets):
            first = sorted(
                Fraction(min(x, g)) / w for x, g, w in zip(share, owed, units, strict=True)
            )
            key = (first, sorted(Fraction(x) / w for x, w in zip(share, units, strict=True)))
            if best is None or key > best:
                best = key
    assert best is not None
    return best[1]


def leximin_greedy(
    usable,
    capacity,
    request,
    weight,
    guarantee=None,
):
    """Leximin shares one unit at a time: each where it helps most and still fits.

    A unit fits if an augmenting path leads from its tenant to a class with room.
    """
    n, n_classes = len(request), len(capacity)
    owed = [0] * n if guarantee is None else [int(g) for g in guarantee]
    held = [[0] * n_classes for _ in range(n)]
    room = [int(c) for c in capacity]

    def augment(tenant):
        came = {}  # class -> (tenant that moves in, class it leaves)
        seen, queue = {tenant}, [(tenant, -1)]
        for i, left in queue:
            for s in range(n_classes):
                if not usable[i][s] or s in came:
                    continue
                came[s] = (i, left)
                if room[s]:
                    room[s] -= 1
                    while s >= 0:
                        i, left = came[s]
                        held[i][s] += 1
                        if left >= 0:
                            held[i][left] -= 1
                        s = left
                    return True
                for j in range(n):
                    if held[j][s] and j not in seen:
                        seen.add(j)
                        queue.append((j, s))
        return False

    share, done = [0] * n, set[int]()
    while True:
        keys = [
            (share[i] >= owed[i], Fraction(share[i]) / Fraction(weight[i]), Fraction(weight[i]), i)
            for i in range(n)
            if i not in done and share[i] < request[i]
        ]
        if not keys:
            return share
        i = min(keys)[3]
        if augment(i):
            share[i] += 1
        else:
            done.add(i)


def dominant_greedy(demand, capacity, request, weight):
    """Tasks by progressive filling, one at a time, in Fractions (weight 0: none)."""
    n = len(demand)
    rows = [[Fraction(d) for d in row] for row in demand]
    left = [Fraction(c) for c in capacity]
    tasks, done = [0] * n, {i for i in range(n) if weight[i] == 0}
    step = [
        max((d / c for d, c in zip(row, left, strict=True) if d and c), default=Fraction(0))
        / Fraction(weight[i] or 1)
        for i, row in enumerate(rows)
    ]
    while True:
        keys = [
            (tasks[i] * step[i], -step[i], i)
            for i in range(n)
            if i not in done and tasks[i] < request[i]
        ]
        if not keys:
            return tasks
        i = min(keys)[2]
        if all(d <= room for d, room in zip(rows[i], left, strict=True)):
            tasks[i] += 1
            left = [room - d for d, room in zip(rows[i], left, strict=True)]
        else:
            done.add(i)


def leximin_of_rates(rate, capacity, request, weight, guarantee):
    """The best sorted vector of share / weight over all allocations, with rates of any kind."""
    n, n_classes = len(request), len(capacity)
    reached = {(0,) * n}
    for s in range(n_classes):
        for _ in range(int(capacity[s])):
            reached |= {
                (*share[:i], share[i] + int(rate[i][s]), *share[i + 1 :])
                for share in reached
                for i in range(n)
                if rate[i][s] and share[i] + int(rate[i][s]) <= request[i]
            }

    def key(share):
        units = [Fraction(w) for w in weight]
        owed = [min(x, int(g)) for x, g in zip(share, guarantee, strict=True)]
        return (
            sorted(Fraction(x) / w for x, w in zip(owed, units, strict=True)),
            sorted(Fraction(x) / w for x, w in zip(share, units, strict=True)),
        )

    return max(key(share) for share in reached)[1]
