"""The grid plans a day in milli of devices, and hands each hour to the packer for the nodes.

python examples/packing_grid_hour.py            two sites, a day of 600 jobs; some seconds

To the grid a class is a number of interchangeable accelerators. A class whose devices can be shared
takes its capacity in milli: 1000 a device, a job's gang is the milli that it needs, and power and
memory are those of a milli. The plan says which jobs run at which class and hour; which node and
which device is the packer's, hour by hour: what ended is released, what starts is placed.

A plan that fills every milli could not be packed, for a device that holds 810 milli leaves 190. So
the class's capacity is what the packer's bound says that anybody can serve whole of such jobs, less
a reserve. At most four jobs are moved to make room for one; what finds none is printed, with why.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

import gridcompute as gc
from gridcompute import grid, pack

HOURS = 24
#: CPU, memory, devices, milli of each: a part of a GPU, one, two or eight whole ones.
KINDS = np.array(
    [
        (2_000, 8_192, 1, 200),
        (4_000, 16_384, 1, 470),
        (3_000, 16_384, 1, 810),
        (10_000, 65_536, 1, 1_000),
        (20_000, 131_072, 2, 1_000),
        (80_000, 524_288, 8, 1_000),
    ]
)
SHARES = np.array([0.15, 0.2, 0.2, 0.35, 0.07, 0.03])
RESERVE = 0.05
NODES = (10, 6)  # of eight devices each, at the two sites


def node_table(n: int) -> dict[str, Any]:
    """The nodes of one class."""
    return {
        "cpu_milli": np.full(n, 128_000),
        "memory_mib": np.full(n, 1_048_576),
        "gpu": np.full(n, 8),
        "model": ["A800"] * n,
    }


def pod_table(kinds: Any) -> dict[str, Any]:
    """Jobs as pods."""
    columns = KINDS[kinds]
    names = ("cpu_milli", "memory_mib", "num_gpu", "gpu_milli")
    return {name: columns[:, k] for k, name in enumerate(names)}


def problem_of(kinds: Any, random: np.random.Generator, share: list[float]) -> grid.Problem:
    """A day at two sites: the first with sun at noon, the second with a cheap night."""
    n = len(kinds)
    release = random.integers(0, HOURS - 8, n)
    milli = KINDS[kinds, 2] * KINDS[kinds, 3]
    capacity = [int(8_000 * nodes * s) for nodes, s in zip(NODES, share, strict=True)]
    sun = np.maximum(0, 40 * np.sin((np.arange(HOURS) - 6) / 12 * np.pi))
    night = np.where((np.arange(HOURS) < 7) | (np.arange(HOURS) > 21), 0.3, 0.8)
    return grid.Problem(
        jobs=grid.Jobs(
            gang=milli.astype(np.int32),
            work_h=random.choice([1.0, 2.0, 4.0, 6.0], n),
            family=np.zeros(n, np.int32),
            origin=random.integers(0, 2, n).astype(np.int32),
            release=release.astype(np.int32),
            deadline=(release + 8).astype(np.int32),
            value_yuan=milli * 0.02,
        ),
        sites=grid.Sites(
            name=np.array(["North", "South"]),
            pue=np.array([1.2, 1.3]),
            new=np.array([True, False]),
            carbon_g_per_kwh=np.array([600.0, 400.0]),
        ),
        classes=grid.Classes(
            site=np.array([0, 1]),
            accelerator=np.array([0, 0]),
            accelerator_names=("A800 milli",),
            capacity=np.repeat(np.array(capacity)[:, None], HOURS, axis=1),
            memory_gb=np.array([0.08, 0.08]),
            power_kw=np.array([0.4e-3, 0.4e-3]),
            overhead_kw=0.2e-3,
            throughput=np.ones((1, 2)),
            family_names=("job",),
        ),
        hours=HOURS,
        energy=grid.Energy(
            source_names=("sun",),
            direct_kwh=np.stack([sun, 0 * sun])[None],
            direct_yuan_per_kwh=np.full((1, 2), 0.24),
            tariff_yuan_per_kwh=np.stack([np.full(HOURS, 0.6), night]),
            carbon_yuan_per_t=60.0,
        ),
        corridors=grid.Corridors(
            delay_ms=np.array([[0.0, 12.0], [12.0, 0.0]]),
            bandwidth_gb=np.full((2, 2, HOURS), 900.0),
            price_yuan_per_gb=np.array([[0.0, 0.03], [0.03, 0.0]]),
        ),
        quotas=grid.Quotas.unlimited(1),
        mandate=grid.Mandate(share=0.3),
    )


def main(arguments: list[str] | None = None) -> int:
    """Plan the day, pack its hours, and say what found no room."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--jobs", type=int, default=600)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(arguments)
    random = np.random.default_rng(given.seed)
    kinds = random.choice(len(KINDS), given.jobs, p=SHARES)
    pods = pod_table(kinds)
    packers = [pack.Packer(node_table(n), mix=pods) for n in NODES]
    share = []
    for packer in packers:
        bound = packer.bound(pods)
        assert bound.verify().valid
        share.append(min(1.0, bound.value / 100) - RESERVE)
    plan = gc.match(problem_of(kinds, random, share), gap=0.02, time_limit=5)
    print(plan)
    table = plan.table()
    job, at, start, hours = (np.asarray(table[k]) for k in ("job", "klass", "start", "hours"))
    end = start + hours

    refused = placed = moved = 0
    ids: dict[int, int] = {}
    for hour in range(HOURS):
        for c, packer in enumerate(packers):
            ended = [int(j) for j in job[(at == c) & (end == hour)] if int(j) in ids]
            packer.release(np.array([ids.pop(j) for j in ended], np.int64))
            starting = job[(at == c) & (start == hour)]
            p = packer.place({k: v[starting] for k, v in pods.items()}, moves=4)
            moved += len(p.moved)
            for j, id_, node in zip(starting.tolist(), p.ids.tolist(), p.node, strict=True):
                if node >= 0:
                    ids[j] = id_
                    placed += 1
                else:
                    refused += 1
                    print(f"hour {hour}, class {c}, job {j}: {packer.explain(id_)}")
            assert packer.layouts_valid()
    print(
        f"{placed} of {placed + refused} planned jobs have nodes and devices, {moved} were moved; "
        f"planned at {share[0]:.0%} and {share[1]:.0%} of the devices"
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
