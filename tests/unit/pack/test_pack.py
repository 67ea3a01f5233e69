"""`gc.pack.Packer`: what goes in, what comes out, and what is said of bad input."""

import ctypes
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pytest

import gridcompute as gc
from gridcompute import pack
from gridcompute.errors import InvalidProblemError


def nodes(**changes):
    """Four nodes of two models."""
    table = {
        "cpu_milli": np.array([16000, 16000, 32000, 32000]),
        "memory_mib": np.array([65536] * 4),
        "gpu": np.array([2, 2, 4, 4]),
        "model": ["T4", "T4", "V100", "V100"],
    }
    return table | changes


def pods(n=1, *, cpu=1000, memory=1024, gpus=1, milli=500, spec=""):
    return {
        "cpu_milli": [cpu] * n,
        "memory_mib": [memory] * n,
        "num_gpu": [gpus] * n,
        "gpu_milli": [milli] * n,
        "gpu_spec": [spec] * n,
    }


def test_the_module_is_public_and_imported_on_first_use():
    """If this fails, gc.pack is missing or its import is paid for by those who do not use it."""
    assert gc.pack is pack
    assert "pack" in dir(gc)


def test_two_halves_share_a_device_and_a_whole_pod_gets_its_own():
    """If this fails, parts are scattered where they could share."""
    mix = {k: [*pods(2)[k], *pods(1, gpus=2, milli=1000)[k]] for k in pods()}
    packer = pack.Packer(nodes(), mix=mix)
    placed = packer.place(mix)
    assert (placed.node >= 0).all()
    assert placed.node[0] == placed.node[1]
    assert placed.device[0] == placed.device[1]
    assert bin(int(placed.devices[2])).count("1") == 2
    assert packer.free["gpu_milli"].sum() == 12000 - 3000
    assert len(packer) == 3
    assert placed.ids.tolist() == [0, 1, 2]


def test_the_same_answer_from_any_kind_of_table():
    """If this fails, a data frame or an Arrow table is read otherwise than a mapping of arrays."""
    pandas = pytest.importorskip("pandas")
    mix = {k: [*pods(3)[k], *pods(2, gpus=0, milli=0)[k], *pods(1, spec="V100")[k]] for k in pods()}
    found = []
    for make in (dict, pandas.DataFrame, pa.table):
        packer = pack.Packer(make(nodes()), mix=make(mix))
        found.append(packer.place(make(mix)).node.tolist())
        one = {k: v[:1] for k, v in mix.items()}  # one row is read in a way of its own
        found[-1] += packer.place(make(one)).node.tolist()
    assert found[0] == found[1] == found[2]


def test_missing_models_in_a_frame_mean_any():
    """If this fails, an empty cell of a CSV file refuses a pod."""
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(pods(2)).assign(gpu_spec=[None, float("nan")])
    packer = pack.Packer(nodes(), mix=frame)
    assert (packer.place(frame).node >= 0).all()
    assert (packer.place(frame.iloc[:1]).node >= 0).all()


def test_pods_of_a_list_of_models_go_there_or_are_refused():
    """If this fails, a pod is on a model that it may not use."""
    mix = pods(1, gpus=4, milli=1000, spec="V100")
    packer = pack.Packer(nodes(), mix=mix)
    placed = packer.place({k: v * 3 for k, v in mix.items()})
    assert sorted(placed.node.tolist()) == [-1, 2, 3]
    refused = placed.refused
    assert [why for _, why in refused] == ["devices"]
    other = packer.place(pods(1, spec="H100"))
    assert other.refused == [(3, "model")]
    text = str(packer.explain(3))
    assert text == "pod 3 was refused; of the nodes now 4 lack model"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"cpu": 40_000}, "cpu"),
        ({"memory": 70_000}, "memory"),
        ({"gpus": 5, "milli": 1000}, "devices"),
    ],
)
def test_the_reason_is_what_no_node_has(change, why):
    """If this fails, the wrong resource is blamed."""
    packer = pack.Packer(nodes(), mix=pods())
    assert [r for _, r in packer.place(pods(**change)).refused] == [why]


def test_eight_device_slots_are_kept_while_parts_have_other_room():
    """If this fails, small pods take the only node that a large pod of the mix could use."""
    table = {
        "cpu_milli": [96000] * 3,
        "memory_mib": [393216] * 3,
        "gpu": [8] * 3,
        "model": ["G2"] * 3,
    }
    small, large = pods(1, milli=300, cpu=2000), pods(1, gpus=8, milli=1000, cpu=64000)
    mix = {k: small[k] * 80 + large[k] for k in small}
    packer = pack.Packer(table, mix=mix)
    for _ in range(40):
        packer.place(small)
    assert packer.place(large).node[0] >= 0
    groups = packer.reservations
    assert groups["size"] == [8]
    assert groups["slots"] == [int((packer.free["gpu"] == 8).sum())]


#: Nodes: (number, CPU, memory, devices, model). Pods: (number, CPU, memory, GPUs, milli, models).
SCARCE = {
    "two shapes that only few nodes can host": (
        [(60, 96000, 393216, 8, "G2"), (20, 128000, 786432, 8, "G3")],
        [
            (9, 120000, 737280, 8, 1000, ""),
            (9, 120200, 640000, 8, 1000, ""),
            (209, 16000, 48000, 1, 1000, ""),
            (125, 4000, 30000, 1, 810, ""),
            (23, 88000, 327680, 8, 1000, ""),
        ],
    ),
    "a model whose CPU ends before its devices": (
        [
            (20, 16000, 131072, 2, "P100"),
            (4, 64000, 131072, 2, "P100"),
            (20, 104000, 131072, 2, "T4"),
        ],
        [
            (12, 11908, 18432, 1, 470, "P100"),
            (60, 11300, 18000, 1, 1000, ""),
            (20, 3000, 18000, 1, 300, ""),
            (10, 16000, 18000, 0, 0, ""),
        ],
    ),
}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("world", SCARCE)
def test_the_scarce_kind_of_node_is_kept_for_the_pods_that_fit_nowhere_else(world, seed):
    """If this fails, pods with a choice take nodes without which others are refused early."""

    def column(rows, k):
        return [row[k] for row in rows for _ in range(row[0])]

    few, kinds = SCARCE[world]
    names = ["cpu_milli", "memory_mib", "gpu", "model"]
    table = {name: column(few, k) for k, name in enumerate(names, 1)}
    mix = {name: np.array(column(kinds, k)) for k, name in enumerate(pods(), 1)}
    order = np.random.default_rng(seed).permutation(len(mix["num_gpu"]))
    packer = pack.Packer(table, mix=mix)
    placed = [packer.place({n: v[[k]] for n, v in mix.items()}).node[0] >= 0 for k in order]
    arrived = np.cumsum((mix["num_gpu"] * mix["gpu_milli"])[order]) / (10 * sum(table["gpu"]))
    refused = order[~np.array(placed) & (arrived < 90)]
    assert not len(refused), (world, seed, {n: v[refused].tolist() for n, v in mix.items()})


def test_a_refused_pod_is_placed_by_moving_another():
    """If this fails, moves do not make room, or take more than they may."""
    table = {
        "cpu_milli": [4000, 4000],
        "memory_mib": [8192] * 2,
        "gpu": [1, 1],
        "model": ["T4", "V100"],
    }
    packer = pack.Packer(table, mix=pods(1, milli=400))
    packer.place(pods(1, milli=700, spec="V100"))
    assert packer.place(pods(1, milli=400)).node.tolist() == [0]
    packer.release(0)
    assert packer.place(pods(1, milli=400, spec="V100")).node.tolist() == [1]
    whole = pods(1, milli=1000)
    assert packer.place(whole).refused == [(3, "devices")]
    explanation = packer.explain(3)
    assert explanation.moves == 1
    assert "moving 1 pod off node" in str(explanation)
    placed = packer.place(whole, moves=1)
    assert placed.refused == []
    assert len(placed.moved) == 1
    assert placed.node.tolist() == [0]
    assert placed.moved == {1: (1, 1)}
    assert packer.layouts_valid()


def test_release_gives_back_all_and_an_id_only_once():
    """If this fails, capacity leaks, or is given back twice."""
    packer = pack.Packer(nodes(), mix=pods())
    before = {k: v.tolist() for k, v in packer.free.items()}
    ids = packer.place(pods(5)).ids
    with pytest.raises(InvalidProblemError, match=r"ids\[5\]: found 0 twice"):
        packer.release([*ids.tolist(), 0])
    packer.release(ids)
    assert {k: v.tolist() for k, v in packer.free.items()} == before
    with pytest.raises(InvalidProblemError, match=r"ids\[0\]: found 3, which is not placed"):
        packer.release(3)
    assert str(packer.explain(3)) == "pod 3 was released"
    packer.release([])


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (
            lambda: pack.Packer(nodes(gpu=[2, 2, 4, 33]), mix=pods()),
            ValueError,
            r"nodes.gpu\[3\]: found 33",
        ),
        (
            lambda: pack.Packer(nodes(cpu_milli=[1, 2, -3, 4]), mix=pods()),
            ValueError,
            r"nodes.cpu_milli\[2\]: found -3",
        ),
        (
            lambda: pack.Packer(nodes(cpu_milli=[1.5, 2, 3, 4]), mix=pods()),
            TypeError,
            "nodes.cpu_milli must be of an integer dtype",
        ),
        (
            lambda: pack.Packer(nodes(model=["T4"]), mix=pods()),
            ValueError,
            "found 4 values, needed 1, one a node",
        ),
        (
            lambda: pack.Packer({"gpu": [1]}, mix=pods()),
            ValueError,
            "nodes: found no column 'cpu_milli'",
        ),
        (lambda: pack.Packer(7, mix=pods()), TypeError, "nodes must be a mapping of column"),
        (lambda: pack.Packer(nodes(), mix=None), ValueError, "mix: found None"),
        (
            lambda: pack.Packer(nodes(), mix=pods(), policy="best"),
            ValueError,
            "policy: found 'best', needed 'price'",
        ),
        (lambda: pack.Packer(nodes(), mix=pods(), ranks=[1, 2]), ValueError, "ranks: found shape"),
        (lambda: pack.Packer(nodes(), mix=pods(), horizons=()), ValueError, "horizons: found"),
        (lambda: pack.Packer(nodes(), mix=pods(), seed=-1), ValueError, "seed: found -1"),
        (lambda: pack.Packer(nodes(), mix=pods(), threads=0), ValueError, "threads: found 0"),
        (
            lambda: pack.Packer(nodes(), mix=pods(), tuning={"listss": 1}),
            ValueError,
            "tuning: found 'listss'",
        ),
        (
            lambda: pack.Packer(nodes(), mix=pods(), tuning={"lists": "many"}),
            TypeError,
            r"tuning\['lists'\] must be a number, not str",
        ),
        (
            lambda: pack.Packer(nodes(), mix=pods(), templates=[1]),
            TypeError,
            r"templates\[0\] must be a Template",
        ),
        (
            lambda: pack.Packer(nodes(), mix=pods(milli=1001)),
            ValueError,
            r"mix.gpu_milli\[0\]: found 1001",
        ),
        (
            lambda: pack.Packer(nodes(), mix=pods(milli=0)),
            ValueError,
            r"needed 1 to 1000 where num_gpu is 1",
        ),
        (
            lambda: pack.Packer(nodes(), mix=pods(gpus=2)),
            ValueError,
            r"needed 1000 where num_gpu is 2 or more",
        ),
        (
            lambda: pack.Packer(nodes(), mix=pods(gpus=0)),
            ValueError,
            r"needed 0 where num_gpu is 0",
        ),
        (
            lambda: pack.Packer(nodes(), mix=pods(gpus=-1)),
            ValueError,
            r"mix.num_gpu\[0\]: found -1",
        ),
        (
            lambda: pack.Packer(nodes(), mix=pods(cpu=2**60)),
            ValueError,
            r"mix.cpu_milli\[0\]: found",
        ),
        (
            lambda: pack.Packer(nodes(), mix=pods() | {"profile": ["1g.5gb"]}),
            ValueError,
            "gpu_milli",
        ),
        (lambda: pack.mig("GTX 1080"), ValueError, "model: found 'GTX 1080', needed one whose MIG"),
        (lambda: pack.vnpu("910C"), ValueError, "chip: found '910C', needed one of 910A"),
    ],
)
def test_bad_input_is_told_with_what_was_found_and_where(make, error, message):
    """If this fails, somebody looks for a typo in 10,000 rows at night."""
    with pytest.raises(error, match=message):
        make()


def test_a_failed_call_changes_nothing():
    """If this fails, half of a batch with a bad row is placed."""
    packer = pack.Packer(nodes(), mix=pods())
    bad = {k: [*v, *v] for k, v in pods().items()} | {"gpu_milli": [500, 2000]}
    with pytest.raises(InvalidProblemError, match=r"pods.gpu_milli\[1\]: found 2000") as caught:
        packer.place(bad)
    assert caught.value.field == "gpu_milli"
    assert caught.value.index == 1
    with pytest.raises(InvalidProblemError, match="moves: found -1"):
        packer.place(pods(), moves=-1)
    assert len(packer) == 0
    assert packer.free["gpu_milli"].sum() == 12000


def heap():
    """Bytes that malloc has given out, in arenas and mapped; 0 where the C library does not say."""
    mallinfo = getattr(ctypes.CDLL(None), "mallinfo2", None)
    if mallinfo is None:
        return 0

    class Info(ctypes.Structure):
        _fields_ = [("field", ctypes.c_size_t * 10)]

    mallinfo.restype = Info
    info = mallinfo().field
    return info[4] + info[7]


def test_memory_goes_with_the_pods_that_are_placed(tmp_path, monkeypatch):
    """If this fails, a service that runs for months grows by every pod that ever came.

    Waves of 600 pods, of which half have no room; the world is full and empty in turn.
    """
    monkeypatch.setattr("gridcompute.pack.packer._LATEST", 500, raising=False)
    table = {"cpu_milli": [600], "memory_mib": [300], "gpu": [1], "model": ["T4"]}
    fitting = pods(300, cpu=2, memory=1, gpus=0, milli=0)
    wave = {name: values + pods(300)[name] for name, values in fitting.items()}
    packer = pack.Packer(table, mix=None, window=200, policy="best_fit")
    found = []
    for turn in range(75):
        placed = packer.place(wave)
        assert len(placed.refused) == 300, turn
        packer.release(placed.ids[placed.node >= 0])
        if turn in (4, 74):
            packer.snapshot(tmp_path / "packer")
            found.append((heap(), (tmp_path / "packer").stat().st_size))
    assert len(packer) == 45_000
    (before, first), (after, last) = found
    assert last - first < 64, "the snapshot grew by pods that are gone"
    assert after - before < 200_000, f"42,000 pods that are gone hold {after - before} bytes"


def test_what_is_said_of_pods_that_are_gone(tmp_path, monkeypatch):
    """If this fails, an id of long ago is taken for another, or its error says nothing."""
    monkeypatch.setattr("gridcompute.pack.packer._LATEST", 4)
    packer = pack.Packer(nodes(), mix=pods())
    packer.place(pods(2))
    assert packer.place(pods(1, spec="H100")).refused == [(2, "model")]
    packer.release(1)
    packer.place(pods(3, milli=100))
    packer.snapshot(tmp_path / "packer")
    for made in (packer, pack.Packer.restore(tmp_path / "packer")):
        states = [made.explain(k).state for k in range(6)]
        assert states == ["placed", "past", "refused", "placed", "placed", "placed"]
        assert str(made.explain(0)) == str(packer.explain(0))
        assert "too long ago to say whether it was refused or released" in str(made.explain(1))
        for gone in (1, 2, 6, -1, 2**40):
            said = rf"ids\[1\]: found {gone}, which is not placed, needed the id of a placed pod"
            with pytest.raises(InvalidProblemError, match=said):
                made.release([0, gone])
        with pytest.raises(InvalidProblemError, match="window: found 5, needed at most 4, the"):
            made.learn(window=5)
        made.learn(window=4)
        assert made.prices["count"] == [1, 3]
        for everything in (None, 6, 100):
            made.learn(window=everything)
            assert made.prices["count"] == [2, 1, 3]
    assert packer.place(pods()).first == 6


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_a_restored_packer_learns_what_the_other_does(tmp_path, seed):
    """If this fails, programs of a restored packer start elsewhere and end at other prices."""
    r = np.random.default_rng(seed)
    gpus, model = r.integers(1, 5, 6), r.choice(["T4", "V100"], 6).tolist()
    table = nodes(cpu_milli=r.integers(8, 40, 6) * 1000, memory_mib=[65536] * 6)
    milli = r.integers(100, 1001, 8)
    packer = pack.Packer(table | {"gpu": gpus, "model": model}, mix=None, window=16)
    both = [packer]
    for turn in range(30):
        kind = r.integers(0, 8, 8)
        wave = pods(8) | {"cpu_milli": 500 + 500 * (kind % 3), "gpu_milli": milli[kind]}
        found = [made.place(wave) for made in both]
        for made, placed in zip(both, found, strict=True):
            assert placed.node.tolist() == found[0].node.tolist(), turn
            assert made.prices == packer.prices, turn
            made.release(placed.ids[placed.node >= 0][::2])
        if turn == 15:
            packer.snapshot(tmp_path / "packer")
            both.append(pack.Packer.restore(tmp_path / "packer"))


def test_no_nodes_no_devices_no_pods():
    """If this fails, an empty cluster or an empty batch ends in an error or worse."""
    empty = {"cpu_milli": [], "memory_mib": [], "gpu": [], "model": []}
    packer = pack.Packer(empty, mix=pods())
    assert packer.place(pods(2)).refused == [(0, "model"), (1, "model")]
    assert packer.layouts_valid()
    assert packer.place({k: [] for k in pods()}).node.tolist() == []
    with pytest.raises(InvalidProblemError, match=r"nodes.gpu: found no devices"):
        packer.bound(pods())
    for policy in ("price", "fgd", "best_fit", "dot_product", "packing", "clustering"):
        bare = pack.Packer(nodes(gpu=[0] * 4), mix=pods(gpus=0, milli=0), policy=policy)
        assert (bare.place(pods(4, gpus=0, milli=0)).node >= 0).all()
        assert bare.place(pods(1)).refused == [(4, "devices")]
        none = pack.Packer(nodes(), mix={k: [] for k in pods()}, policy=policy)
        assert (none.place(pods(4)).node >= 0).all()


def test_a_mix_is_learned_from_a_window():
    """If this fails, a packer without a mix goes on with prices of pods long gone."""
    packer = pack.Packer(nodes(), mix=None, window=8)
    packer.place(pods(4, milli=100))
    assert packer.prices["milli"] == [100]
    for _ in range(5):
        packer.place(pods(1, milli=250))
    assert packer.prices["milli"] == [100, 250]
    packer.learn(window=2)
    assert packer.prices["milli"] == [250]
    packer.learn(mix=pods(3, milli=700))
    assert packer.prices["count"] == [3]
    with pytest.raises(InvalidProblemError, match="window: found no pods"):
        pack.Packer(nodes(), mix=pods()).learn()


def test_explanations_say_what_a_pod_blocks():
    """If this fails, nobody learns why a large pod has no room."""
    large = pods(1, gpus=4, milli=1000, cpu=4000)
    small = pods(1, milli=500, spec="V100")
    mix = {k: small[k] + large[k] for k in small}
    packer = pack.Packer(nodes(gpu=[2, 2, 4, 0]), mix=mix)
    packer.place(small)
    explanation = packer.explain(0)
    assert explanation.state == "placed"
    assert explanation.node == 2
    assert "1 slot of 4 devices with 4000 milli CPU (V100)" in explanation.blocked
    assert "without it there would be" in str(explanation)
    with pytest.raises(InvalidProblemError, match="id: found 9, needed 0 to 0"):
        packer.explain(9)


def test_counts_of_mig_and_vnpu_contents():
    """If this fails, a card holds more or less than its data sheet says."""
    a100 = pack.mig("A100-40GB")
    names = [tuple(sorted(a100.items[k][0] for k in state)) for state in a100.states]
    assert ("2g.10gb", "3g.20gb") in names
    assert ("1g.5gb", "2g.10gb", "2g.10gb", "2g.10gb") in names
    assert ("3g.20gb", "3g.20gb") in names
    assert ("1g.5gb", "3g.20gb", "3g.20gb") not in names
    assert ("1g.5gb", "7g.40gb") not in names
    assert tuple(["1g.5gb"] * 4 + ["3g.20gb"]) in names
    h100 = pack.mig("H100-PCIE-80GB")
    names = [tuple(sorted(h100.items[k][0] for k in state)) for state in h100.states]
    assert ("2g.20gb", "3g.40gb") not in names  # no published geometry has both
    npu = pack.vnpu("310P3")
    assert [npu.most(t) for t in npu.profiles] == [7, 3, 1]
    assert npu.weights == {"vir01": 125, "vir02": 250, "vir04": 500}
    assert pack.vnpu("Ascend910A").most("vir16") == 1


def test_templates_and_milli_in_one_cluster():
    """If this fails, a part in milli is on a card that is cut, or a profile on one that is not."""
    table = nodes(model=["T4", "T4", "910B3", "910B3"])
    profiles = {k: v * 9 for k, v in pods().items() if k != "gpu_milli"}
    profiles["profile"] = ["vir10_3c_32g"] * 9
    packer = pack.Packer(table, mix=profiles, templates=pack.vnpu("910B3"))
    placed = packer.place(profiles)
    assert set(placed.node.tolist()) <= {2, 3}
    halves = packer.place(pods(9))
    assert set(halves.node.tolist()) == {0, 1, -1}
    whole = packer.place(pods(2, gpus=2, milli=1000, spec="910B3"))
    assert (whole.node >= 2).any()
    assert packer.layouts_valid()
    with pytest.raises(InvalidProblemError, match=r"pods.profile\[0\]: found 'vir99'"):
        packer.place({k: v[:1] for k, v in profiles.items()} | {"profile": ["vir99"]})
    assert packer.bound(profiles, served=0.0).verify().valid


def test_a_bound_sees_that_whole_devices_of_a_pod_lie_on_one_node():
    """If this fails, ten nodes of eight devices are said to hold more than ten pods of five."""
    ten = {
        "cpu_milli": [64000] * 10,
        "memory_mib": [65536] * 10,
        "gpu": [8] * 10,
        "model": ["V100"] * 10,
    }
    arrivals = pods(30, gpus=5, milli=1000)
    packer = pack.Packer(ten, mix=arrivals)
    bound = packer.bound(arrivals, served=0.0)
    assert (bound.exact, bound.verify().valid) == (Fraction(125, 2), True)
    dear = tuple({k: price // 2 for k, price in blocks.items()} for blocks in bound.duals.block)
    assert not replace(bound, duals=replace(bound.duals, block=dear)).verify().valid
    longest = packer.bound(arrivals)
    assert (longest.pods, longest.verify().valid) == (11, True)
    # Pods of 3 fill what a pod of 5 leaves: blocks of both sizes share a node.
    both = {
        k: [*v, *w]
        for (k, v), w in zip(arrivals.items(), pods(30, gpus=3, milli=1000).values(), strict=True)
    }
    assert packer.bound(both, served=0.0).value == 100.0


def test_a_bound_with_other_duals_or_another_claim_is_not_verified():
    """If this fails, the certificate is a formality."""
    packer = pack.Packer(nodes(), mix=pods(milli=600))
    arrivals = pods(40, milli=600)
    bound = packer.bound(arrivals, served=50.0)
    assert bound.verify().valid
    assert bound.value == pytest.approx(60.0)  # twelve devices, 600 milli on each at most
    assert not replace(bound, exact=bound.exact - 1).verify().valid
    low = [{part: price // 2 for part, price in rho.items()} for rho in bound.duals.part]
    worse = replace(bound, duals=replace(bound.duals, part=tuple(low)))
    assert not worse.verify().valid
    negative = replace(bound.duals, cpu=tuple(-1 for _ in bound.duals.cpu))
    assert "negative" in replace(bound, duals=negative).verify().reason
    prefix = packer.bound(arrivals)
    assert prefix.pods == 13
    assert prefix.value == pytest.approx(60.0)
    assert prefix.verify().valid
    assert not replace(prefix, pods=12).verify().valid
    short = packer.bound(pods(3, milli=600))
    assert short.pods == 4
    assert short.verify().valid


def test_a_bound_on_what_no_policy_serves_says_that_it_is_empty():
    """If this fails, an empty claim is read as a number that some policy exceeds."""
    packer = pack.Packer(nodes(), mix=pods(milli=600))
    arrivals = pods(40, milli=600)  # twelve devices, one pod on each: 60 %
    for served, status in ((60.0, "proved"), (64.9, "proved"), (65.0, "empty"), (95.0, "empty")):
        bound = packer.bound(arrivals, served=served)
        assert (bound.status, bound.exact < bound.pods * 5) == (status, status == "empty"), bound
        assert np.isnan(bound.value) == (status == "empty"), bound
        assert f"status={status!r}" in repr(bound)
        assert bound.verify().valid, bound.verify()
        wrong = replace(bound, status="empty" if status == "proved" else "proved")
        assert "status" in wrong.verify().reason
        assert "value" in replace(bound, value=61.0).verify().reason
    nowhere = packer.bound(pods(gpus=5, milli=1000), served=100.0)
    assert (nowhere.status, nowhere.verify().valid) == ("empty", True), nowhere
    assert packer.bound(pods(gpus=5, milli=1000), served=0.0).status == "proved"
    assert packer.bound(arrivals).status == "proved"


def test_many_models_and_shapes_are_merged_for_the_program_and_still_proved():
    """If this fails, a fleet of sixty models takes minutes, or its bound is not proved."""
    random = np.random.default_rng(2)
    n, m = 120, 400
    table = {
        "cpu_milli": random.integers(8_000, 64_000, n),
        "memory_mib": random.integers(8_000, 64_000, n),
        "gpu": random.integers(0, 9, n),
        "model": [f"M{k % 60}" for k in range(n)],
    }
    many = {
        "cpu_milli": random.integers(0, 9_000, m),
        "memory_mib": random.integers(0, 9_000, m),
        "num_gpu": np.ones(m, np.int64),
        "gpu_milli": random.integers(1, 1_001, m),
        "gpu_spec": [f"M{k % 70}" if k % 3 == 0 else "" for k in range(m)],
    }
    packer = pack.Packer(table, mix=many)
    packer.place(many)
    assert packer.layouts_valid()
    arrivals = {name: [*values] * 3 for name, values in many.items()}
    bounds = [packer.bound(arrivals, served=30.0), packer.bound(arrivals)]
    assert [bound.status for bound in bounds] == ["empty", "proved"]  # no node is of model M60
    for bound in bounds:
        assert bound.verify().valid
        assert bound.exact <= 100


def test_fgd_tells_lists_of_models_apart_as_they_are_written():
    """If this fails, a list that names a model twice counts with another, against the record."""
    mix = {name: values * 40 for name, values in pods().items()}
    mix["gpu_spec"] = ["T4"] * 19 + ["T4|T4"] * 19 + ["V100"] * 2
    packer = pack.Packer(nodes(), mix=mix, policy="fgd")
    assert packer.prices["count"] == [19, 19]  # 38 of 40 pods are 95 %
