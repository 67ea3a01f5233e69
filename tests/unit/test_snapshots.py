"""The one container of snapshots: files are written whole, and damaged ones are refused."""

import numpy as np
import pytest

import gridcompute as gc
from gridcompute import InvalidProblemError, _snapshot, grid, pack


def matcher():
    return gc.Matcher([1], cost=[(np.array([[1.0]]), "family", None)], unplaced=9.0)


def packer():
    nodes = {"cpu_milli": [9000], "memory_mib": [900], "gpu": [2], "model": ["T4"]}
    pod = {"cpu_milli": [600], "memory_mib": [300], "num_gpu": [1], "gpu_milli": [500]}
    made = pack.Packer(nodes, mix=pod, policy="best_fit")
    made.place(pod)
    return made


def operator():
    return grid.Rolling(grid.east_west(n_jobs=9, hours=12))


MAKERS = {"Matcher": matcher, "Packer": packer, "grid.Rolling": operator}


@pytest.mark.parametrize("kind", MAKERS)
def test_damaged_and_foreign_snapshots_are_refused(kind, tmp_path):
    """If this fails, a service starts from half a file, or from one of another class."""
    made, path = MAKERS[kind](), tmp_path / "state"
    restore = type(made).restore
    made.snapshot(path)
    whole = path.read_bytes()
    restore(path).snapshot(path)
    assert path.read_bytes() == whole, "what was restored is not what was written"
    start = len(f"gridcompute.{kind}\n")
    version = whole[:start] + b"\x63" + whole[start + 1 :]
    flipped = whole[: start + 60] + bytes([whole[start + 60] ^ 1]) + whole[start + 61 :]
    for damaged, message in (
        (b"", "no snapshot of a"),
        (whole[: start - 1], "no snapshot of a"),
        (version, "version 99, this library reads"),
        (whole[: start + 3], "checksum"),
        (whole[:-1], "torn"),
        (whole + b"x", "torn"),
        (flipped, "checksum"),
    ):
        path.write_bytes(damaged)
        with pytest.raises(InvalidProblemError, match=message) as caught:
            restore(path)
        assert str(path) in str(caught.value), caught.value
    with pytest.raises(FileNotFoundError):
        restore(tmp_path / "none")


@pytest.mark.parametrize("kind", MAKERS)
def test_parts_of_a_snapshot_that_do_not_fit_are_refused(kind, tmp_path):
    """If this fails, a file with a right checksum and a part less is believed."""
    made, path = MAKERS[kind](), tmp_path / "state"
    made.snapshot(path)
    meta, arrays = _snapshot.read(path, kind)
    for name in meta:
        _snapshot.write(path, kind, {n: v for n, v in meta.items() if n != name}, arrays)
        with pytest.raises(InvalidProblemError, match="damaged"):
            type(made).restore(path)
    for name in arrays:
        _snapshot.write(path, kind, meta, {n: v for n, v in arrays.items() if n != name})
        with pytest.raises(InvalidProblemError, match=r"damaged|its costs"):
            type(made).restore(path)
    for other in MAKERS.keys() - {kind}:
        _snapshot.write(path, other, meta, arrays)
        with pytest.raises(InvalidProblemError, match=f"no snapshot of a {kind}"):
            type(made).restore(path)
