"""Time of transport over shards: in memory, from Parquet files, from a function, on Dask workers.

python benches/shards_time.py 3_000_000               all of them, side by side
python benches/shards_time.py 100_000_000 --only generated
python benches/shards_time.py 3_000_000 --only dask --workers 1 2

Prints wall and CPU seconds (of this process), passes, traffic and the rows at the coordinator, and
checks that all answers have the same bits.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from published import Parser

import gridcompute as gc

if TYPE_CHECKING:
    from collections.abc import Callable

N_SLOTS, BLOCK = 100, 1 << 20
NAMES = ("family", "origin", "arrival", "energy", "delay", "data", "value")


def tables(seed: int) -> list[tuple[np.ndarray, str, str]]:
    """Four terms: energy by family, delay by family, data by origin, waiting by hour of arrival."""
    r = np.random.default_rng(seed)
    runtime = r.uniform(1, 5, (16, N_SLOTS))
    return [
        (runtime * r.uniform(0.1, 1, N_SLOTS), "family", "energy"),
        (runtime, "family", "delay"),
        (r.random((6, N_SLOTS)), "origin", "data"),
        (0.3 * r.integers(0, 24, (24, N_SLOTS)), "arrival", "value"),
    ]


def block(number: int, seed: int) -> dict[str, np.ndarray]:
    """The columns of one block of jobs; pure in (seed, number)."""
    r = np.random.default_rng([seed, number])

    def lognormal(mean: float, sigma: float) -> np.ndarray:
        return np.exp(mean + np.float32(sigma) * r.standard_normal(BLOCK, np.float32))

    work, value = lognormal(1, 1.2), lognormal(0, 0.7)
    return {
        "family": r.integers(0, 16, BLOCK, np.int16),
        "origin": r.integers(0, 6, BLOCK, np.int16),
        "arrival": r.integers(0, 24, BLOCK, np.int16),
        "energy": 10 * work,
        "delay": 2 * value * work,
        "data": lognormal(1.3, 1.5),
        "value": value,
    }


def columns_of(first: int, last: int, seed: int) -> dict[str, np.ndarray]:
    """The columns of a range of jobs."""
    parts = [block(b, seed) for b in range(first // BLOCK, -(-last // BLOCK))]
    begin = first // BLOCK * BLOCK
    if len(parts) == 1:
        return {name: column[first - begin : last - begin] for name, column in parts[0].items()}
    return {
        name: np.concatenate([p[name] for p in parts])[first - begin : last - begin]
        for name in NAMES
    }


def timed(name: str, solve: Callable[[], Any]) -> Any:
    """Solve, print a line, return the matching."""
    wall, cpu = time.perf_counter(), time.process_time()
    m = solve()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    s = m.stats
    traffic = ""
    if "questions" in s:
        sent, back = s["bytes_to_shards"] / 1e6, s["bytes_from_shards"] / 1e6
        traffic = (
            f", {s['questions']} questions, {sent:.1f} MB there, {back:.1f} MB back, "
            f"{s['rows_sampled']:,} rows sampled, {s['rows_listed']:,} listed, "
            f"{s['seconds_waiting']:.1f} s waiting"
        )
    print(
        f"{name:24s} {wall:7.1f} s, {cpu:7.1f} s CPU, {s['passes']:.2f} passes, "
        f"peak {peak:.2f} GiB, {m.status}{traffic}",
        flush=True,
    )
    return m


def main() -> None:
    p = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("n_jobs", type=lambda text: int(text.replace("_", "")))
    p.add_argument("--only", nargs="*", default=["memory", "generated", "parquet", "dask"])
    p.add_argument("--workers", nargs="*", type=int, default=[1, 2])
    p.add_argument("--threads", type=int, default=None)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--verify", action="store_true")
    a = p.parse_args()
    n, terms = a.n_jobs, tables(a.seed)
    r = np.random.default_rng(a.seed)
    capacity = r.multinomial(int(n / 0.9), r.dirichlet(np.full(N_SLOTS, 2.0))).astype(np.int64)
    found: dict[str, Any] = {}

    def jobs(first: int, last: int) -> dict[str, np.ndarray]:
        return columns_of(first, last, a.seed)

    if "memory" in a.only:
        whole = jobs(0, n)
        cost = gc.Terms([(t, whole[key], whole[coef]) for t, key, coef in terms])
        del whole
        found["memory"] = timed("memory", lambda: gc.transport(cost, capacity, threads=a.threads))
        del cost
    if "generated" in a.only:
        source = gc.shards.generated(n, jobs, terms=terms)
        found["generated"] = timed(
            "generated", lambda: gc.transport(source, capacity, threads=a.threads)
        )
        if a.verify:
            start = time.perf_counter()
            certificate = found["generated"].verify()
            print(f"  verified in {time.perf_counter() - start:.1f} s: {certificate}")
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root) / "jobs"
        if {"parquet", "dask"} & set(a.only):
            import pyarrow as pa
            import pyarrow.parquet as pq

            folder.mkdir()
            for at in range(0, n, BLOCK):
                part = pa.table(jobs(at, min(at + BLOCK, n)))
                pq.write_table(part, folder / f"{at:012d}.parquet", compression="none")
        if "parquet" in a.only:
            files = gc.shards.parquet(folder, terms=terms)
            found["parquet"] = timed(
                "parquet",
                lambda: gc.transport(files, capacity, out=Path(root) / "out", threads=a.threads),
            )
        for workers in a.workers if "dask" in a.only else []:
            import dask.dataframe as dd
            from dask.distributed import Client, LocalCluster

            import gridcompute.dask

            with (
                LocalCluster(
                    n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=None
                ) as cluster,
                Client(cluster) as client,
            ):
                frame = dd.read_parquet(folder)
                found[f"dask, {workers} workers"] = timed(
                    f"dask, {workers} workers",
                    lambda c=client, f=frame: gridcompute.dask.transport(
                        c, f, capacity, terms=terms
                    ),
                )
    answers = {(m.objective, m.bound, m.prices.tobytes()) for m in found.values()}
    assert len(answers) <= 1, "the answers differ"


if __name__ == "__main__":
    main()
