"""A pod at a time on a made cluster: the packer's own policy beside the published ones.

What they allocate on FGD's cluster is benches/packing_table.py's, and a day of arrivals and
departures benches/packing_day.py's.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from gridcompute import pack

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "packing_fragments.py"


def made():
    """The example's cluster, mix and order of arrival."""
    spec = importlib.util.spec_from_file_location("packing_fragments", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.made(1)


@pytest.mark.parametrize("policy", ["price", "fgd", "best_fit"])
def test_packing_one_pod_at_a_time(benchmark, policy):
    nodes, mix, order = made()
    rows = [{k: v[row : row + 1] for k, v in mix.items()} for row in order[:700].tolist()]

    def fill():
        packer = pack.Packer(nodes, mix=mix, policy=policy)
        placed = sum(int(packer.place(row).node[0] >= 0) for row in rows)
        return packer, placed

    packer, placed = benchmark.pedantic(fill, rounds=3)
    assert packer.layouts_valid()
    assert placed > 400
    benchmark.extra_info["allocated"] = 1 - packer.free["gpu_milli"].sum() / (
        1000 * int(np.sum(nodes["gpu"]))
    )


def test_packing_bound(benchmark):
    nodes, mix, order = made()
    pods = {k: v[order] for k, v in mix.items()}
    packer = pack.Packer(nodes, mix=mix)
    bound = benchmark.pedantic(lambda: packer.bound(pods, served=90.0), rounds=3)
    assert bound.verify().valid
