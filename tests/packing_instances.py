"""Small clusters and pods for the tests of packing."""

import numpy as np
from hypothesis import strategies as st

MODELS = ("T4", "P100", "V100")


def node_table(nodes):
    """The nodes as columns."""
    return {
        "cpu_milli": np.array([n["cpu"] for n in nodes], np.int64),
        "memory_mib": np.array([n["memory"] for n in nodes], np.int64),
        "gpu": np.array([n["gpu"] for n in nodes], np.int64),
        "model": [n["model"] for n in nodes],
    }


def pod_table(pods):
    """The pods as columns."""
    return {
        "cpu_milli": np.array([p["cpu"] for p in pods], np.int64),
        "memory_mib": np.array([p["memory"] for p in pods], np.int64),
        "num_gpu": np.array([p["gpus"] for p in pods], np.int64),
        "gpu_milli": np.array([p["milli"] for p in pods], np.int64),
        "gpu_spec": [p["spec"] for p in pods],
    }


@st.composite
def clusters(draw, most_nodes=6, most_devices=4):
    """Nodes, each with its rank."""
    n = draw(st.integers(1, most_nodes))
    ranks = draw(st.permutations(range(n)))
    return [
        {
            "cpu": draw(st.sampled_from([0, 4000, 8000, 16000, 64000])),
            "memory": draw(st.sampled_from([0, 16384, 65536, 262144])),
            "gpu": draw(st.integers(0, most_devices)),
            "model": draw(st.sampled_from(MODELS)),
            "rank": rank,
        }
        for rank in ranks
    ]


@st.composite
def shapes(draw):
    """What one pod asks for."""
    gpus = draw(st.sampled_from([0, 1, 1, 1, 1, 2, 3, 4]))
    milli = 0 if gpus == 0 else 1000
    if gpus == 1:
        milli = draw(st.sampled_from([1, 100, 190, 333, 470, 500, 501, 810, 999, 1000]))
    return {
        "cpu": draw(st.sampled_from([0, 500, 2000, 4000, 9000])),
        "memory": draw(st.sampled_from([0, 1024, 8192, 40000])),
        "gpus": gpus,
        "milli": milli,
        "spec": draw(st.sampled_from(["", "", "", "T4", "P100|V100", "T4|T4|V100", "H100"])),
    }


@st.composite
def pod_lists(draw, most=40):
    """Pods of a few shapes, in order of arrival."""
    kinds = draw(st.lists(shapes(), min_size=1, max_size=6))
    return draw(st.lists(st.sampled_from(kinds), min_size=1, max_size=most))
