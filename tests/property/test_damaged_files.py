"""Bytes changed anywhere in the files of a problem or a plan: refused, or read; never worse.

Each story runs in a child process, for a damaged Parquet footer has ended processes outright.
"""

import os
import random
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from effort import examples
from gridcompute import InvalidProblemError, grid
from gridcompute.grid.files.table_files import read_footer
from malformed import sound

TESTS = Path(__file__).resolve().parent.parent
CHILD = textwrap.dedent(
    """
    import pathlib, random, resource, signal, sys
    sys.path.insert(0, sys.argv[1])
    from grid_oracles import greedy_plan
    from gridcompute import InvalidProblemError, grid
    from malformed import sound

    resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
    signal.alarm(300)
    r, base = random.Random(int(sys.argv[3])), pathlib.Path(sys.argv[2])
    problem = sound()
    grid.write_problem(problem, base / "csv", format="csv")
    grid.write_problem(problem, base / "parquet")
    grid.write_plan(greedy_plan(problem), base / "plan")
    people = {"written.json", "audit.md", "plan.html", "green.csv"}
    files = [f for f in sorted(base.rglob("*")) if f.is_file() and f.name not in people]
    files.remove(base / "plan" / "jobs.parquet")
    read = {"csv": grid.read_problem, "parquet": grid.read_problem, "plan": grid.read_plan}
    for k in range(int(sys.argv[4])):
        file = r.choice(files)
        whole = file.read_bytes()
        data = bytearray(whole)
        at = r.randrange(len(data))
        kind = r.choice(["flip", "flips", "cut", "insert", "delete"])
        if kind == "cut":
            del data[at:]
        elif kind == "insert":
            data[at:at] = r.randbytes(r.choice([1, 2, 8]))
        elif kind == "delete":
            del data[at : at + r.choice([1, 4, 20])]
        else:
            for _ in range(1 if kind == "flip" else 8):
                data[r.randrange(len(data))] ^= 1 << r.randrange(8)
        file.write_bytes(data)
        folder = base / file.relative_to(base).parts[0]
        print(k, file.relative_to(base), kind, at, flush=True)
        try:
            read[folder.name](folder)
        except InvalidProblemError as error:
            assert len(str(error)) < 3000, str(error)
        file.write_bytes(whole)
    print("survived")
    """
)


def test_no_damage_of_a_file_ends_the_process(tmp_path):
    """If this fails, a disk's or a sender's mistake kills the service that reads its tables."""
    seed = int(os.environ.get("GRIDCOMPUTE_TEST_SEED", "7"))
    command = [sys.executable, "-c", CHILD, TESTS, tmp_path, seed, examples(200, 5000)]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)
    *_, last = done.stdout.splitlines() or [""]
    assert last == "survived", (seed, last, done.returncode, done.stderr[-3000:])


def test_the_footer_that_ends_pyarrow(tmp_path):
    """pyarrow ends the process when it is asked for a column of some damaged footers."""
    path = tmp_path / "sites.parquet"
    pyarrow.parquet.write_table(sound().sites.to_arrow(), path)
    whole = path.read_bytes()
    r = random.Random(5)
    for _ in range(2000):
        data = bytearray(whole)
        data[-r.randrange(1, 1800)] ^= 1 << r.randrange(8)
        path.write_bytes(data)
        try:
            read_footer(path)
        except InvalidProblemError as error:
            assert str(error).startswith("sites.parquet: found")  # noqa: PT017


@pytest.mark.parametrize("compression", ["none", "snappy", "zstd"])
def test_the_footer_says_what_pyarrow_says(tmp_path, compression):
    """If this fails, sound files are refused for their size, or bombs are not."""
    path = tmp_path / "t.parquet"
    table = pa.table(
        {
            "flat": np.arange(1000),
            "lists": pa.FixedSizeListArray.from_arrays(pa.array(np.ones(24_000)), 24),
            "text": [f"name {i % 7}" for i in range(1000)],
            "true": np.arange(1000) % 3 == 0,
        }
    )
    pyarrow.parquet.write_table(table, path, compression=compression, row_group_size=300)
    footer = pyarrow.parquet.ParquetFile(path).metadata
    groups = [footer.row_group(i) for i in range(footer.num_row_groups)]
    chunks = [g.column(i) for g in groups for i in range(g.num_columns)]
    found = read_footer(path)
    assert found.rows == 1000
    assert found.values == sum(c.num_values for c in chunks) == 27_000
    assert found.page_bytes == sum(c.total_uncompressed_size for c in chunks)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_footer_or_none(data):
    """If this fails, a file of noise ends in another error than "needed Parquet"."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "t.parquet")
        path.write_bytes(b"PAR1" + data + len(data).to_bytes(4, "little") + b"PAR1")
        try:
            footer = read_footer(path)
        except InvalidProblemError as error:
            assert "needed Parquet" in str(error)  # noqa: PT017
        else:
            assert isinstance(footer.rows, int)


def test_a_whole_row_of_equal_jobs_is_no_bomb(tmp_path):
    """A million jobs that differ in nothing take some kilobytes; they are read all the same."""
    problem = sound()
    n = 1_000_000
    same = {name: getattr(problem.jobs, name)[:1].repeat(n) for name in problem.jobs.columns()}
    many = problem.replace(jobs=grid.Jobs(**same))
    folder = grid.write_problem(many, tmp_path / "in")
    assert (folder / "jobs.parquet").stat().st_size < 200_000
    assert len(grid.read_problem(folder).jobs) == n
