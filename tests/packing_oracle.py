"""The slow readable twin of the packer: published policies by their rules, and brute-force bounds.

Nothing here is shared with the library: nodes and pods are plain dictionaries, devices lists of
milli left, and every node is scored again for every pod.
"""

import itertools
import math
from functools import cache

NO_ROOM = (-1, 0)


def allowed(node, pod):
    """Whether the pod may use the node's model."""
    return not pod["spec"] or pod["gpus"] == 0 or node["model"] in pod["spec"].split("|")


def devices_for(node, pod):
    """The devices that the pod would take by default, or None: the fullest, or the first free."""
    left = node["left"]
    if pod["gpus"] == 0:
        return []
    if pod["gpus"] == 1 and pod["milli"] < 1000:
        fitting = [d for d in range(len(left)) if left[d] >= pod["milli"]]
        return [min(fitting, key=lambda d: (left[d], d))] if fitting else None
    free = [d for d in range(len(left)) if left[d] == 1000]
    return free[: pod["gpus"]] if len(free) >= pod["gpus"] else None


def fits(node, pod):
    """Whether the node has room."""
    return (
        allowed(node, pod)
        and node["cpu"] >= pod["cpu"]
        and node["memory"] >= pod["memory"]
        and devices_for(node, pod) is not None
    )


def typical(mix):
    """The most frequent shapes, memory aside, of 95 % of the pods."""
    counts = {}
    for p in mix:
        key = (p["cpu"], p["milli"], p["gpus"], p["spec"])
        counts[key] = counts.get(key, 0) + 1
    chosen, covered = [], 0
    for key, count in sorted(counts.items(), key=lambda kv: (kv[1], kv[0]), reverse=True):
        chosen.append((key, count))
        covered += count
        if covered >= 0.95 * len(mix):
            break
    total = float(sum(c for _, c in chosen))
    return [
        ({"cpu": c, "milli": m, "gpus": g, "spec": s, "memory": 0}, n / total)
        for (c, m, g, s), n in chosen
    ]


def fragment(node, pods):
    """Free milli that the typical pods could not use, by kind and then together."""
    kinds = dict.fromkeys(["both", "gpu", "cpu", "none", "none_cpu", "model"], 0.0)
    for pod, weight in pods:
        free = float(sum(node["left"]))
        cpu = node["cpu"] >= pod["cpu"]
        if pod["gpus"] == 0:
            kinds["none" if cpu else "none_cpu"] += weight * free
        elif not allowed(node, pod):
            kinds["model"] += weight * free
        else:
            enough = [m for m in node["left"] if m >= pod["milli"]]
            if len(enough) >= pod["gpus"] and cpu:
                kinds["gpu"] += weight * float(sum(m for m in node["left"] if m < pod["milli"]))
            elif len(enough) >= pod["gpus"]:
                kinds["cpu"] += weight * free
            else:
                kinds["gpu" if cpu else "both"] += weight * free
    return sum(kinds.values())


def after(node, pod, devices):
    """The node with the pod on it."""
    left = [m - pod["milli"] * (d in devices) for d, m in enumerate(node["left"])]
    return {
        **node,
        "cpu": node["cpu"] - pod["cpu"],
        "memory": node["memory"] - pod["memory"],
        "left": left,
        "pods": [*node["pods"], pod],
    }


def score(policy, node, pod, pods):
    """The integer score of a node with room, and the devices."""
    devices = devices_for(node, pod)
    free, demand = sum(node["left"]), pod["gpus"] * pod["milli"]
    if policy == "fgd":
        tries = [devices]
        if pod["gpus"] == 1 and pod["milli"] < 1000:
            tries = [[d] for d, m in enumerate(node["left"]) if m >= pod["milli"]]
        before, best = fragment(node, pods), None
        for choice in tries:
            gain = before - fragment(after(node, pod, choice), pods)
            value = int(1 / (1 + math.exp(-gain / 1000)) * 100)
            if best is None or value > best[0]:
                best = (value, choice)
        return best
    if policy == "best_fit":
        cpu, milli = (node["cpu"] - pod["cpu"]) / 128000, (free - demand) / 8000
        return int((1 - (cpu * 0.5 + milli * 0.5)) * 100), devices
    if policy == "dot_product":
        cpu, milli = node["cpu"] / 128000, free / 8000
        return int((1 - (cpu * (pod["cpu"] / 128000) + milli * (demand / 8000)) / 2) * 100), devices
    if pod["gpus"] == 0:
        return 0, devices
    if policy == "packing":
        empty = sum(m == 1000 for m in node["left"])
        if empty == len(node["left"]):
            return max(33 - empty, empty), devices
        opened = sum(node["left"][d] == 1000 for d in devices)
        if opened:
            return max(50 - opened, 33), devices
        percent = sum(node["left"][d] * 100 // 1000 for d in devices)
        return max(100 - percent // 10, 50), devices

    def kind(p):
        return 0 if p["gpus"] == 1 and p["milli"] < 1000 else p["gpus"]

    kinds = {kind(p) for p in node["pods"] if p["gpus"]}
    bonus = 25
    if kinds:
        bonus = 75 if kinds == {kind(pod)} else 50 if kind(pod) in kinds else 0
    return 25 * (8000 - free) // 8000 + bonus, devices


def replay(policy, nodes, mix, pods):
    """Place the pods one at a time; return (node or -1, bitmask) of each, and the nodes."""
    nodes = [dict(n, left=[1000] * n["gpu"], pods=[]) for n in nodes]
    known, out = typical(mix), []
    for pod in pods:
        room = [k for k, node in enumerate(nodes) if fits(node, pod)]
        if not room:
            out.append(NO_ROOM)
            continue
        scored = {k: score(policy, nodes[k], pod, known) for k in room}
        values = {k: v for k, (v, _) in scored.items()}
        if policy == "best_fit":
            low, high = min(values.values()), max(values.values())
            values = {
                k: 0 if high == low else (v - low) * 100 // (high - low) for k, v in values.items()
            }
        best = min(room, key=lambda k: (-values[k], nodes[k]["rank"], k))
        devices = scored[best][1]
        nodes[best] = after(nodes[best], pod, devices)
        out.append((best, sum(1 << d for d in devices)))
    return out, nodes


def most_served(nodes, pods, forced):
    """The most milli that can be held of the pods if the first `forced` are; None: they cannot."""

    @cache
    def best(k, state):
        if k == len(pods):
            return 0
        pod = pods[k]
        value = -math.inf if k < forced else best(k + 1, state)
        for n, (cpu, memory, left) in enumerate(state):
            node = {**nodes[n], "cpu": cpu, "memory": memory, "left": list(left)}
            if not fits(node, pod):
                continue

            if pod["gpus"] == 1 and pod["milli"] < 1000:
                tries = [(d,) for d, m in enumerate(left) if m >= pod["milli"]]
            else:
                free = [d for d, m in enumerate(left) if m == 1000]
                tries = list(itertools.islice(itertools.combinations(free, pod["gpus"]), 1))
            for devices in tries:
                new = tuple(sorted(m - pod["milli"] * (d in devices) for d, m in enumerate(left)))
                changed = (cpu - pod["cpu"], memory - pod["memory"], new)
                rest = best(k + 1, (*state[:n], changed, *state[n + 1 :]))
                value = max(value, pod["gpus"] * pod["milli"] + rest)
        return value

    start = tuple((n["cpu"], n["memory"], (1000,) * n["gpu"]) for n in nodes)
    found = best(0, start)
    return None if found == -math.inf else int(found)
