"""What holds for every cluster and every stream of pods, against the slow twin."""

import os
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

import packing_oracle as oracle
from gridcompute import pack
from gridcompute.errors import InvalidProblemError
from packing_instances import clusters, node_table, pod_lists, pod_table, shapes

#: Of the books; 500 takes two minutes.
EXAMPLES = int(os.environ.get("GRIDCOMPUTE_PACKER_EXAMPLES", "20"))
PUBLISHED = ("best_fit", "fgd", "dot_product", "packing", "clustering")


def ranks_of(nodes):
    return np.array([n["rank"] for n in nodes], np.int32)


def rows(table, at):
    """Some rows of a table."""
    return {name: [values[k] for k in at] for name, values in table.items()}


@pytest.mark.parametrize("policy", PUBLISHED)
@settings(max_examples=60, deadline=None)
@given(nodes=clusters(), pods=pod_lists())
def test_published_policies_do_as_their_rules_say(policy, nodes, pods):
    """If this fails, a comparison with that policy is one with another rule."""
    packer = pack.Packer(
        node_table(nodes), mix=pod_table(pods), policy=policy, ranks=ranks_of(nodes)
    )
    want, _ = oracle.replay(policy, nodes, pods, pods)
    placed = packer.place(pod_table(pods))
    got = list(zip(placed.node.tolist(), placed.devices.tolist(), strict=True))
    assert got == want, (nodes, pods)
    assert packer.layouts_valid()


def check_state(packer, nodes, held):
    """Rebuild what is left from the pods held, and compare."""
    cpu, memory = [n["cpu"] for n in nodes], [n["memory"] for n in nodes]
    left = [[1000] * n["gpu"] for n in nodes]
    for pod, node, mask in held.values():
        cpu[node] -= pod["cpu"]
        memory[node] -= pod["memory"]
        bits = [d for d in range(8) if mask >> d & 1]
        assert len(bits) == pod["gpus"]
        assert oracle.allowed(nodes[node], pod)
        for d in bits:
            left[node][d] -= pod["milli"]
    free = packer.free
    assert free["cpu_milli"].tolist() == cpu
    assert free["memory_mib"].tolist() == memory
    assert min(cpu) >= 0
    assert min(memory) >= 0
    for n, devices in enumerate(left):
        assert free["devices"][n, : len(devices)].tolist() == devices
        assert min(devices, default=0) >= 0
    assert packer.layouts_valid()


@settings(max_examples=60, deadline=None)
@given(
    nodes=clusters(),
    pods=pod_lists(60),
    batch=st.sampled_from([1, 3, 100]),
    moves=st.sampled_from([0, 1, 4]),
    seed=st.integers(0, 3),
    data=st.data(),
)
def test_prices_place_what_fits_and_keep_the_books(nodes, pods, batch, moves, seed, data):
    """If this fails, a node is over-full, a pod that fits is refused, or a release loses some."""
    packer = pack.Packer(node_table(nodes), mix=pod_table(pods), ranks=ranks_of(nodes), seed=seed)
    held = {}
    for a in range(0, len(pods), batch):
        part = pods[a : a + batch]
        placed = packer.place(pod_table(part), moves=moves)
        for k, pod in enumerate(part):
            if placed.node[k] >= 0:
                held[placed.first + k] = (pod, int(placed.node[k]), int(placed.devices[k]))
        for k, (node, mask) in placed.moved.items():
            held[k] = (held[k][0], node, mask)
        assert moves > 0 or not set(placed.moved) & set(range(placed.first))
        check_state(packer, nodes, held)
        now = packer.free
        for k, reason in placed.refused:
            pod = part[k - placed.first]
            note(f"{pod} refused for want of {reason}")
            for n, node in enumerate(nodes):
                state = {
                    **node,
                    "cpu": int(now["cpu_milli"][n]),
                    "memory": int(now["memory_mib"][n]),
                    "left": now["devices"][n, : node["gpu"]].tolist(),
                }
                assert not oracle.fits(state, pod)
            assert str(packer.explain(k)).startswith(f"pod {k} was refused")
        if held and data.draw(st.booleans()):
            gone = data.draw(st.lists(st.sampled_from(sorted(held)), unique=True))
            packer.release(np.array(gone, np.int64))
            for k in gone:
                del held[k]
            check_state(packer, nodes, held)
    packer.release(np.array(sorted(held), np.int64))
    check_state(packer, nodes, {})


@settings(max_examples=20, deadline=None)
@given(nodes=clusters(), pods=pod_lists(), batch=st.sampled_from([1, 5]))
def test_the_same_bits_for_any_threads_and_any_run(nodes, pods, batch):
    """If this fails, two runs on the same input place differently."""
    found = []
    for threads in (1, 2, 7, 7):
        packer = pack.Packer(
            node_table(nodes), mix=pod_table(pods), ranks=ranks_of(nodes), threads=threads
        )
        out = []
        for a in range(0, len(pods), batch):
            placed = packer.place(pod_table(pods[a : a + batch]), moves=2)
            out.append((placed.node.tolist(), placed.devices.tolist(), placed.moved))
        found.append((out, packer.prices, packer.reservations))
    assert found[0] == found[1] == found[2] == found[3]


@settings(max_examples=15, deadline=None)
@given(
    nodes=clusters(),
    pods=pod_lists(50),
    policy=st.sampled_from(["price", "fgd", "best_fit"]),
    window=st.sampled_from([None, 4]),
)
def test_a_restored_packer_goes_on_as_the_other(tmp_path_factory, nodes, pods, policy, window):
    """If this fails, a service that restarts from a snapshot places otherwise than before."""
    path = tmp_path_factory.mktemp("snapshot") / "packer"
    packer = pack.Packer(node_table(nodes), mix=pod_table(pods), policy=policy, window=window)
    half = len(pods) // 2 + 1
    first = packer.place(pod_table(pods[:half]))
    gone = [k for k in range(half) if first.node[k] >= 0][::2]
    packer.release(np.array(gone, np.int64))
    packer.snapshot(path)
    other = pack.Packer.restore(path)
    for a in range(0, len(pods), 2):
        x, y = (p.place(pod_table(pods[a : a + 2]), moves=3) for p in (packer, other))
        assert x.node.tolist() == y.node.tolist()
        assert x.devices.tolist() == y.devices.tolist()
        assert x.moved == y.moved
        assert x.refused == y.refused
    assert packer.prices == other.prices
    for k in gone:
        assert packer.explain(k).state == other.explain(k).state == "released"


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    nodes=clusters(),
    kinds=st.lists(shapes(), min_size=1, max_size=5),
    policy=st.sampled_from(["price", "fgd", "best_fit"]),
    window=st.sampled_from([None, 2, 9]),
    data=st.data(),
)
def test_the_books_are_those_of_a_dictionary_of_placed_pods(
    tmp_path_factory, nodes, kinds, policy, window, data
):
    """If this fails, a pod that left counts on, or a later pod is taken for it.

    Two packers in step, one of which is replaced by its snapshot now and then.
    """
    path = tmp_path_factory.mktemp("snapshot") / "packer"
    came = []  # pods, and whether each was placed
    held = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gridcompute.pack.packer._LATEST", 6)
        kept = max(6, window or 0)
        mix = None if window else pod_table(kinds)
        packers = [
            pack.Packer(node_table(nodes), mix=mix, policy=policy, window=window) for _ in range(2)
        ]
        for _ in range(data.draw(st.integers(1, 12))):
            part = data.draw(
                st.lists(st.sampled_from(kinds), max_size=data.draw(st.integers(0, 9)))
            )
            moves = data.draw(st.sampled_from([0, 0, 3]))
            placed, same = (p.place(pod_table(part), moves=moves) for p in packers)
            assert vars(placed).keys() == vars(same).keys()
            for name, value in vars(placed).items():
                assert np.array_equal(value, getattr(same, name)), name
            assert placed.first == len(came)
            where = zip(placed.node.tolist(), placed.devices.tolist(), strict=True)
            for k, (pod, (node, mask)) in enumerate(zip(part, where, strict=True), len(came)):
                came.append((pod, node >= 0))
                if node >= 0:
                    held[k] = (pod, node, mask)
            held.update({k: (held[k][0], *at) for k, at in placed.moved.items()})
            share = data.draw(st.sampled_from([0, 0, 2, 1]))
            gone = [k for k in held if share and k % share == 0]
            for p in packers:
                p.release(np.array(gone, np.int64))
            for k in gone:
                del held[k]
            if data.draw(st.booleans()):
                packers[0].snapshot(path)
                packers[0] = pack.Packer.restore(path)
            for p in packers:
                assert len(p) == len(came)
                check_state(p, nodes, held)
        for k, (_, was_placed) in enumerate(came):
            state = "placed" if k in held else "released" if was_placed else "refused"
            if k not in held and k < len(came) - kept:
                state = "past"
            said = [p.explain(k) for p in packers]
            assert said[0] == said[1]
            assert said[0].state == state, (k, len(came), kept)
            if k not in held:
                with pytest.raises(InvalidProblemError, match=f"found {k}, which is not placed"):
                    packers[0].release([k])
        for n in (1, 2, 5, kept, kept + 1, len(came), len(came) + 1):
            if kept < n < len(came):
                with pytest.raises(InvalidProblemError, match=f"window: found {n}, needed at most"):
                    packers[0].learn(window=n)
            elif came and n and policy != "fgd":  # whose mix has no memory, and leaves out the rare
                packers[0].learn(window=n)
                latest = Counter(shape_of(nodes, *pod.values()) for pod, _ in came[-n:])
                mix = packers[0].prices
                columns = (mix[name] for name in ("cpu", "memory", "gpus", "milli", "spec"))
                found = [shape_of(nodes, *row) for row in zip(*columns, strict=True)]
                assert dict(zip(found, mix["count"], strict=True)) == latest, n


def shape_of(nodes, cpu, memory, gpus, milli, spec):
    """What the packer cannot tell apart: lists of the same models of the cluster."""
    models = frozenset(spec.split("|")) & {n["model"] for n in nodes}
    return cpu, memory, gpus, milli, models if spec and gpus else None


@settings(max_examples=40, deadline=None)
@given(
    nodes=clusters(most_nodes=2, most_devices=2),
    pods=pod_lists(6),
    percent=st.sampled_from([0.0, 30.0, 70.0, 100.0]),
)
def test_bounds_hold_against_brute_force(nodes, pods, percent):
    """If this fails, somebody can serve more than is said that anybody can."""
    capacity = 1000 * sum(n["gpu"] for n in nodes)
    if capacity == 0:
        return
    packer = pack.Packer(node_table(nodes), mix=pod_table(pods), policy="best_fit")
    demand = np.cumsum([p["gpus"] * p["milli"] for p in pods])
    bound = packer.bound(pod_table(pods), served=percent)
    assert bound.verify().valid, bound.verify()
    forced = int((demand * 100 <= percent * capacity).sum())
    assert bound.pods == forced
    best = oracle.most_served(nodes, pods, forced)
    if best is not None:
        assert best * 100 <= bound.exact * capacity, (best, bound)
    prefix = packer.bound(pod_table(pods))
    assert prefix.verify().valid, prefix.verify()
    served = max(
        k for k in range(len(pods) + 1) if oracle.most_served(nodes, pods[:k], k) is not None
    )
    assert served < prefix.pods, (served, prefix)


PROFILES = ("1g.5gb", "2g.10gb", "3g.20gb", "7g.40gb")


@settings(max_examples=40, deadline=None)
@given(
    gpus=st.lists(st.integers(1, 3), min_size=1, max_size=3),
    profiles=st.lists(st.sampled_from(PROFILES), min_size=1, max_size=30),
    policy=st.sampled_from(["price", "fgd", "best_fit", "packing"]),
    data=st.data(),
)
def test_devices_only_ever_hold_layouts_that_are_allowed(gpus, profiles, policy, data):
    """If this fails, a device would have to be cut in a way that it cannot be."""
    nodes = {
        "cpu_milli": [64000] * len(gpus),
        "memory_mib": [10**6] * len(gpus),
        "gpu": gpus,
        "model": ["A100-40GB"] * len(gpus),
    }
    pods = {
        "cpu_milli": [100] * len(profiles),
        "memory_mib": [100] * len(profiles),
        "num_gpu": [1] * len(profiles),
        "profile": profiles,
    }
    packer = pack.Packer(nodes, mix=pods, templates=pack.mig("A100-40GB"), policy=policy)
    held = []
    for k in range(len(profiles)):
        placed = packer.place(rows(pods, [k]), moves=data.draw(st.sampled_from([0, 2])))
        held += [] if placed.refused else [placed.first]
        assert packer.layouts_valid()
        if held and data.draw(st.booleans()):
            packer.release([held.pop(data.draw(st.integers(0, len(held) - 1)))])
            assert packer.layouts_valid()
    packer.release(np.array(held, np.int64))
    assert packer.free["gpu"].tolist() == gpus
    bound = packer.bound(pods, served=0.0)
    assert bound.verify().valid
