"""Records to columns: `jobs_from_records` beside Python lists and pandas on the same records.

All must give the same columns. The peers do less: they neither check types, ranges and NaN, nor
name the row at fault. `day` is a batch of jobs with few distinct strings; `named` adds a string of
its own for each job, where building the dict of names is most of everybody's time.
"""

import json
import random

import numpy as np
import pytest

from gridcompute import Interner, jobs_from_records

N_JOBS = 200_000
FIELDS = {
    "day": {"tenant": "id", "model": "id", "gpus": "int64", "work": "float64", "online": "bool"},
    "named": {"name": "id", "tenant": "id", "gpus": "int64", "work": "float64"},
}


@pytest.fixture(scope="module")
def records():
    """As a service gets them: parsed from JSON, so that equal strings are not the same object."""
    r = random.Random(0)
    made = [
        {
            "name": f"job-{row}",
            "tenant": f"tenant-{r.randrange(500)}",
            "model": f"model-{r.randrange(40)}",
            "gpus": r.choice((1, 2, 4, 8, 256)),
            "work": r.expovariate(1.0),
            "online": r.random() < 0.3,
        }
        for row in range(N_JOBS)
    ]
    return json.loads(json.dumps(made))


def by_gridcompute(records, fields):
    return jobs_from_records(records, fields)


def by_lists(records, fields):
    columns = {}
    for name, spec in fields.items():
        values = [record[name] for record in records]
        if spec == "id":
            ids = {}
            values, spec = [ids.setdefault(value, len(ids)) for value in values], "int32"
        columns[name] = np.array(values, spec)
    return columns


def by_pandas(records, fields):
    pandas = pytest.importorskip("pandas", reason="peer group not installed")
    frame = pandas.DataFrame.from_records(records, columns=list(fields))
    return {
        name: pandas.factorize(frame[name])[0].astype(np.int32)
        if spec == "id"
        else frame[name].to_numpy(spec)
        for name, spec in fields.items()
    }


@pytest.mark.parametrize("batch", FIELDS)
@pytest.mark.parametrize("build", [by_gridcompute, by_lists, by_pandas])
def test_columns(benchmark, records, batch, build):
    benchmark.group = f"ingest: {N_JOBS} dicts, {batch}"
    columns = benchmark.pedantic(build, (records, FIELDS[batch]), rounds=7, warmup_rounds=1)
    for name, column in by_lists(records, FIELDS[batch]).items():
        assert columns[name].dtype == column.dtype
        assert np.array_equal(columns[name], column)


def by_interner(keys):
    return Interner().intern(keys)


def by_unique(keys):
    """numpy's only way; its ids are in sorted order, so they are renumbered by first occurrence."""
    _, first, ids = np.unique(np.array(keys), return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int32)
    rank[np.argsort(first)] = np.arange(len(first), dtype=np.int32)
    return rank[ids]


@pytest.mark.parametrize("build", [by_interner, by_unique])
def test_interning(benchmark, records, build):
    benchmark.group = f"ingest: {N_JOBS} strings to ids"
    keys = [record["tenant"] for record in records]
    ids = benchmark.pedantic(build, (keys,), rounds=5, warmup_rounds=1)
    assert [list(dict.fromkeys(keys))[i] for i in ids[:1000]] == keys[:1000]
