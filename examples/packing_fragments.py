"""Where fragments build up while a cluster fills: FGD beside prices, by model, with a picture.

python examples/packing_fragments.py                a made cluster; some seconds
python examples/packing_fragments.py --data examples/data    FGD's own cluster and pods

Pods of the mix arrive one at a time until they have asked for 130 % of the GPUs. After every 5 %
the fragments of each node are measured as FGD does: the free milli that the typical pods could not
use, weighted by how often each occurs. The picture stacks them by model over what has arrived.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gridcompute import pack

if TYPE_CHECKING:
    from numpy.typing import NDArray

COLOURS = ("#4e79a7", "#f28e2b", "#59a14f", "#e15759", "#76b7b2", "#edc948", "#b07aa1", "#9c755f")
STEP, END = 5, 130
PODS = ("cpu_milli", "memory_mib", "num_gpu", "gpu_milli", "gpu_spec")


def made(seed: int) -> tuple[dict[str, Any], dict[str, Any], NDArray[np.int64]]:
    """A small cluster of three models, pods of a mix, and their order of arrival."""
    nodes = {
        "cpu_milli": np.repeat([96_000, 104_000, 16_000], [36, 40, 30]),
        "memory_mib": np.repeat([393_216, 524_288, 122_880], [36, 40, 30]),
        "gpu": np.repeat([8, 2, 2], [36, 40, 30]),
        "model": np.repeat(["A800", "T4", "P100"], [36, 40, 30]).tolist(),
    }
    kinds = [  # CPU, memory, devices, milli, models; how many of a hundred
        ((8_000, 16_384, 0, 0, ""), 12),
        ((4_000, 8_192, 1, 320, ""), 8),
        ((8_000, 16_384, 1, 470, ""), 12),
        ((3_000, 8_192, 1, 810, ""), 16),
        ((11_000, 32_768, 1, 1_000, ""), 40),
        ((8_000, 16_384, 1, 1_000, "T4|P100"), 8),
        ((16_000, 65_536, 2, 1_000, ""), 2),
        ((64_000, 262_144, 8, 1_000, "A800"), 2),
    ]
    rows = [kind for kind, n in kinds for _ in range(n)]
    mix: dict[str, Any] = {
        name: np.array(values, object if name == "gpu_spec" else np.int64)
        for name, values in zip(PODS, zip(*rows, strict=True), strict=True)
    }
    order = np.random.default_rng(seed).integers(0, len(rows), 2_000)
    return nodes, mix, order


def published(data: Path) -> tuple[dict[str, Any], dict[str, Any], NDArray[np.int64]]:
    """FGD's cluster, its default pods, and the order of arrival of seed 44."""
    import csv
    import gzip

    def read(name: str) -> dict[str, Any]:
        with gzip.open(data / "packing" / name, "rt", newline="") as file:
            head, *rows = csv.reader(file)
        columns = dict(zip(head, zip(*rows, strict=True), strict=True))
        text = {"name", "model", "gpu_spec"}
        return {
            k: np.array(v, object) if k in text else np.array(v, np.int64)
            for k, v in columns.items()
        }

    nodes, listed = read("nodes.csv.gz"), read("pods_default.csv.gz")
    order = np.load(data / "packing" / "fgd_arrivals.npz")["order_default_44"]
    return nodes, {name: listed[name] for name in PODS}, order


def fragments(nodes: dict[str, Any], mix: dict[str, Any], free: dict[str, Any]) -> Any:
    """Milli of every node that the pods of the mix could not use, weighted."""
    devices, left = free["devices"], free["gpu_milli"]
    model = np.asarray(nodes["model"], object)
    shapes: dict[tuple[Any, ...], int] = {}
    columns = [mix[k].tolist() for k in ("cpu_milli", "num_gpu", "gpu_milli", "gpu_spec")]
    for row in zip(*columns, strict=True):
        shapes[row] = shapes.get(row, 0) + 1
    out = np.zeros(len(model))
    for (cpu, gpus, milli, spec), count in shapes.items():
        usable = np.zeros(len(model))
        if gpus:
            fitting = devices >= milli
            hosts = (fitting.sum(axis=1) >= gpus) & (free["cpu_milli"] >= cpu)
            if spec:
                hosts &= np.isin(model, spec.split("|"))
            usable = np.where(hosts, (devices * fitting).sum(axis=1), 0)
        out += count / len(columns[0]) * (left - usable)
    return out


def play(nodes: Any, mix: Any, order: Any, policy: str) -> tuple[list[int], Any, float]:
    """Percents arrived, fragments by model at each in percent, and what is allocated at the end."""
    packer = pack.Packer(nodes, mix=mix, policy=policy)
    capacity = 1000 * int(np.sum(nodes["gpu"]))
    models = sorted(set(nodes["model"]))
    of = np.array([models.index(m) for m in nodes["model"]])
    marks, measured, arrived = [], [], 0
    for row in order.tolist():
        while arrived * 100 >= len(marks) * STEP * capacity and len(marks) * STEP <= END:
            lost = fragments(nodes, mix, packer.free)
            measured.append(np.bincount(of, lost, len(models)) * 100 / capacity)
            marks.append(len(marks) * STEP)
        if marks[-1] >= END:
            break
        packer.place({name: values[row : row + 1] for name, values in mix.items()})
        arrived += int(mix["num_gpu"][row] * mix["gpu_milli"][row])
    allocated = 100 - float(packer.free["gpu_milli"].sum()) * 100 / capacity
    return marks, np.array(measured), allocated


def picture(models: list[str], runs: dict[str, tuple[list[int], Any, float]]) -> str:
    """An SVG: a panel a policy, fragments stacked by model."""
    wide, high, left, top = 380, 260, 50, 40
    most = max(float(m.sum(axis=1).max()) for _, m, _ in runs.values()) * 1.05
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{len(runs) * (wide + left) + 130}" '
        f'height="{high + 90}" font-family="sans-serif" font-size="12">'
    ]
    for panel, (name, (marks, measured, allocated)) in enumerate(runs.items()):
        x0 = left + panel * (wide + left)

        def at(percent: float, value: float, x0: int = x0) -> str:
            return f"{x0 + percent / END * wide:.1f},{top + high - value / most * high:.1f}"

        out.append(f'<text x="{x0}" y="{top - 14}">{name}: {allocated:.2f} % allocated</text>')
        floor = np.zeros(len(marks))
        for k, _ in enumerate(models):
            roof = floor + measured[:, k]
            points = [at(p, v) for p, v in zip(marks, roof, strict=True)]
            points += [at(p, v) for p, v in zip(marks[::-1], floor[::-1], strict=True)]
            colour = COLOURS[k % len(COLOURS)]
            out.append(f'<polygon points="{" ".join(points)}" fill="{colour}"/>')
            floor = roof
        for percent in (0, 50, 100, 130):
            x, y = at(percent, 0).split(",")
            out.append(f'<text x="{x}" y="{float(y) + 16}" text-anchor="middle">{percent}</text>')
        for value in np.linspace(0, most, 4):
            x, y = at(0, float(value)).split(",")
            out.append(f'<text x="{float(x) - 6}" y="{y}" text-anchor="end">{value:.1f}</text>')
        x, y = x0 + wide / 2, top + high + 34
        out.append(f'<text x="{x}" y="{y}" text-anchor="middle">% of the GPUs arrived</text>')
    for k, model in enumerate(models):
        y = top + 18 * k
        x = len(runs) * (wide + left) + 20
        out.append(f'<rect x="{x}" y="{y}" width="12" height="12" fill="{COLOURS[k % 8]}"/>')
        out.append(f'<text x="{x + 18}" y="{y + 11}">{model}</text>')
    out.append(f'<text x="8" y="{top - 26}">fragments, % of all GPUs</text></svg>')
    return "\n".join(out)


def main(arguments: list[str] | None = None) -> int:
    """Play both policies, print what came of them, and write the picture."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, help="a folder with packing/, FGD's cluster")
    parser.add_argument("--seed", type=int, default=1, help="of the made cluster")
    parser.add_argument("--out", type=Path, default=Path("out"))
    given = parser.parse_args(arguments)
    nodes, mix, order = published(given.data) if given.data else made(given.seed)
    runs = {name: play(nodes, mix, order, name) for name in ("fgd", "price")}
    models = sorted(set(nodes["model"]))
    for name, (marks, measured, allocated) in runs.items():
        at = {mark: float(m.sum()) for mark, m in zip(marks, measured, strict=True)}
        shown = ", ".join(f"{at[p]:.1f} at {p} %" for p in (50, 90, 130) if p in at)
        print(f"{name:6s} {allocated:6.2f} % allocated; fragments in percent of all GPUs: {shown}")
    given.out.mkdir(parents=True, exist_ok=True)
    path = given.out / "packing_fragments.svg"
    path.write_text(picture(models, runs), encoding="utf-8")
    print(f"the picture is {path}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
