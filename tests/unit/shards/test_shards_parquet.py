"""Jobs in Parquet files: what is read, what is written, and what faults leave behind."""

import json
import os

import numpy as np
import pytest

import gridcompute as gc
from disks import small_disk
from gridcompute import _files
from shard_cases import in_memory, make

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

JOBS, SLOTS = 110_000, 40


@pytest.fixture(scope="module")
def jobs(tmp_path_factory):
    """Five files, one without rows, with row groups of any size, and the answer in memory."""
    folder = tmp_path_factory.mktemp("jobs")
    columns, terms, capacity = make(JOBS, SLOTS, 11)
    for k, (a, b) in enumerate(
        [(0, 30_001), (30_001, 30_001), (30_001, 30_002), (30_002, 90_000), (90_000, JOBS)]
    ):
        part = pa.table({name: array[a:b] for name, array in columns.items()})
        pq.write_table(part, folder / f"jobs-{k}.parquet", row_group_size=7_000 + k)
    return folder, terms, capacity, in_memory(columns, terms, capacity)


@pytest.fixture
def recorded(monkeypatch):
    """Answers of the first seconds are recorded too."""
    monkeypatch.setattr("gridcompute.shards.local_solve._UNRECORDED", 0.0)


def placed(out):
    files = sorted(out.glob("*.parquet"))
    return np.concatenate([pq.read_table(f).column("slot").to_numpy() for f in files])


@pytest.mark.parametrize("rows", [1, 40_000, None])
def test_files_answer_what_memory_does(jobs, tmp_path, rows):
    """Shards cut across files and row groups; the answer is a file a shard, in order."""
    folder, terms, capacity, memory = jobs
    source = gc.shards.parquet(folder, terms=terms, rows_per_shard=rows)
    m = gc.transport(source, capacity, out=tmp_path / "out")
    assert (m.objective, m.bound, m.status) == (memory.objective, memory.bound, "optimal")
    assert (placed(tmp_path / "out") == memory.assignment).all()
    assert len(list((tmp_path / "out").iterdir())) == source.n_shards
    assert not (tmp_path / "out.partial").exists()
    assert m.verify().valid
    assert pq.read_schema(next((tmp_path / "out").iterdir())).field("slot").type == pa.int32()


@pytest.mark.parametrize("shards", [0, 1, 9])
@pytest.mark.parametrize("threads", [1, 3])
def test_columns_that_fit_are_read_once(jobs, shards, threads):
    """Room for none, one or all of the seven shards: others are read for each pass, to the bits."""
    folder, terms, capacity, memory = jobs
    room = shards * 16_384 * (2 * 4 + 2 * 8)  # a shard's keys and coefficients
    source = gc.shards.parquet(folder, terms=terms, rows_per_shard=1, cache_bytes=room)
    assert source.n_shards == 7
    m = gc.transport(source, capacity, threads=threads)
    assert (m.objective, m.bound) == (memory.objective, memory.bound)
    assert (np.asarray(m.assignment) == memory.assignment).all()
    passes = (
        gc.transport(
            gc.shards.parquet(folder, terms=terms, rows_per_shard=1, cache_bytes=0), capacity
        ).stats["shards_read"]
        / 7
    )
    assert passes >= 3
    kept = min(shards, 7)
    assert m.stats["shards_read"] == kept + (7 - kept) * passes, f"kept {kept}, {passes} passes"
    with pytest.raises(gc.InvalidProblemError, match="cache_bytes"):
        gc.shards.parquet(folder, terms=terms, cache_bytes=-1)


def test_row_groups_that_shards_share_are_decoded_once(tmp_path, monkeypatch):
    """One row group, seven shards, four threads: whoever comes first decodes it for all."""
    columns, terms, capacity = make(JOBS, SLOTS, 12)
    pq.write_table(pa.table(columns), tmp_path / "all.parquet", row_group_size=JOBS)
    decode, count = pq.ParquetFile.read_row_group, []
    monkeypatch.setattr(
        pq.ParquetFile,
        "read_row_group",
        lambda self, *a, **b: (count.append(1), decode(self, *a, **b))[1],
    )
    source = gc.shards.parquet(tmp_path, terms=terms, rows_per_shard=1)
    m = gc.transport(source, capacity, threads=4)
    assert m.objective == in_memory(columns, terms, capacity).objective
    assert len(count) == 1
    for _ in range(2):  # whatever passes end early leave behind is taken by later ones
        m.verify()
    assert len(count) == 3


def test_a_file_list_keeps_its_order(jobs):
    """Files are numbered as they are given."""
    folder, terms, _, _ = jobs
    files = sorted(folder.iterdir())
    assert gc.shards.parquet(files[::-1], terms=terms).n_jobs == JOBS
    assert gc.shards.parquet(files[0], terms=terms).n_jobs == 30_001


def test_out_must_be_new(jobs, tmp_path):
    """Files that are there are never mixed with an answer."""
    folder, terms, capacity, _ = jobs
    source = gc.shards.parquet(folder, terms=terms)
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "mine").write_text("mine")
    with pytest.raises(gc.InvalidProblemError, match="out: found files"):
        gc.transport(source, capacity, out=tmp_path / "old")
    (tmp_path / "new.partial").mkdir()
    (tmp_path / "new.partial" / "mine").write_text("mine")
    with pytest.raises(gc.InvalidProblemError, match="not ours"):
        gc.transport(source, capacity, out=tmp_path / "new")
    with pytest.raises(gc.InvalidProblemError, match="found a file"):
        gc.transport(source, capacity, out=tmp_path / "old" / "mine")
    assert (tmp_path / "new.partial" / "mine").read_text() == "mine"


@pytest.mark.usefixtures("recorded")
@pytest.mark.parametrize("dies_at", [0, 1, 3, 7, 8])
def test_a_crash_leaves_nothing_that_looks_whole_and_is_resumed(jobs, tmp_path, dies_at):
    """The call ends in the middle; the same call goes on from there, to the same bits."""
    folder, terms, capacity, memory = jobs
    source = gc.shards.parquet(folder, terms=terms, rows_per_shard=40_000, cache_bytes=0)
    read, calls = source.read, 0

    def dying(shard, threads):
        nonlocal calls
        calls += 1
        if calls > dies_at:
            raise OSError("the machine went down")
        return read(shard, threads)

    source.read = dying
    with pytest.raises(OSError, match="went down"):
        gc.transport(source, capacity, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()
    source.read = read
    m = gc.transport(source, capacity, out=tmp_path / "out")
    assert (placed(tmp_path / "out") == memory.assignment).all()
    assert m.bound == memory.bound
    assert not (tmp_path / "out.partial").exists()
    if dies_at > 4:
        assert m.stats["shards_read"] < 9 + 3, "passes that were done are not run again"


@pytest.mark.usefixtures("recorded")
def test_another_problem_does_not_resume(jobs, tmp_path):
    """What was left of one problem is not taken for another."""
    folder, terms, capacity, _ = jobs
    source = gc.shards.parquet(folder, terms=terms, rows_per_shard=40_000)
    stop = gc.transport(source, capacity, out=tmp_path / "out", progress=lambda p: p.done > 0.8)
    assert stop.status == "stopped"
    assert (tmp_path / "out.partial").is_dir()
    more = capacity + 1
    m = gc.transport(source, more, out=tmp_path / "out")
    assert m.status == "optimal"
    assert m.verify().valid


@pytest.mark.usefixtures("recorded")
def test_what_another_version_began_is_refused(jobs, tmp_path):
    """A journal says which protocol it is of: another one is neither taken nor removed."""
    folder, terms, capacity, memory = jobs
    source = gc.shards.parquet(folder, terms=terms, rows_per_shard=40_000, cache_bytes=0)
    gc.transport(source, capacity, out=tmp_path / "out", progress=lambda p: p.done > 0.8)
    stamp = tmp_path / "out.partial" / "problem.json"
    begun = json.loads(stamp.read_text())
    for text in (
        json.dumps({**begun, "shard_protocol": begun["shard_protocol"] + 1}),
        json.dumps({"problem": begun["problem"]}),
        begun["problem"],  # as it was before there was a version
        "",
    ):
        stamp.write_text(text)
        left = sorted(stamp.parent.rglob("*"))
        with pytest.raises(gc.InvalidProblemError, match=r"begun with shard protocol .*, needed"):
            gc.transport(source, capacity, out=tmp_path / "out")
        assert sorted(stamp.parent.rglob("*")) == left
    stamp.write_text(json.dumps(begun))
    m = gc.transport(source, capacity, out=tmp_path / "out")
    assert (placed(tmp_path / "out") == memory.assignment).all()
    assert m.stats["shards_read"] < 9, "what was there is not taken"


def test_a_truncated_file_is_named(jobs, tmp_path):
    """The end of a file is missing: an error with its path, before anything is written."""
    folder, terms, _, _ = jobs
    for file in folder.iterdir():
        data = file.read_bytes()
        (tmp_path / file.name).write_bytes(data[: len(data) // 2] if "-3" in file.name else data)
    with pytest.raises(gc.InvalidProblemError, match=r"jobs-3\.parquet unreadable"):
        gc.shards.parquet(tmp_path, terms=terms)


def test_a_file_damaged_meanwhile_is_named(jobs, tmp_path):
    """A file is cut after its footer was read: the solve ends, and nothing looks whole."""
    folder, terms, capacity, _ = jobs
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    source = gc.shards.parquet(tmp_path, terms=terms)
    cut = tmp_path / "jobs-3.parquet"
    cut.write_bytes(cut.read_bytes()[:1000])
    with pytest.raises(gc.InvalidProblemError, match=r"jobs-3\.parquet"):
        gc.transport(source, capacity, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("what", ["missing", "type", "null", "key", "none"])
def test_a_schema_or_a_value_that_differs_is_named(jobs, tmp_path, what):
    """The third file of four has another schema, or a value that no column may have."""
    folder, terms, capacity, _ = jobs
    good = pq.read_table(sorted(folder.iterdir())[0]).slice(0, 100)
    for k in range(4):
        part = good
        if k == 2 and what == "missing":
            part = good.drop_columns(["data"])
        if k == 2 and what == "type":
            part = good.set_column(2, "work", good.column("work").cast(pa.float64()))
        if k == 2 and what == "null":
            part = good.set_column(3, "data", pa.array([None] + [1.0] * 99, pa.float64()))
        if k == 2 and what == "key":
            part = good.set_column(0, "family", pa.array([0] * 50 + [7] + [0] * 49, pa.int16()))
        if what != "none":
            pq.write_table(part, tmp_path / f"{k}.parquet")
    message = {
        "missing": r"no column 'data' in .*2\.parquet",
        "type": r"column 'work' of type double in .*2\.parquet, needed float as in .*0\.parquet",
        "null": r"a null in data\[200\]",
        "key": r"terms\[0\]\.key\[250\]: found 7, needed a row from 0 to 6",
        "none": r"no \.parquet file",
    }[what]
    with pytest.raises(gc.InvalidProblemError, match=message):
        gc.transport(gc.shards.parquet(tmp_path, terms=terms), capacity, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_columns_without_numbers_are_named_before_a_solve(tmp_path):
    """A key that is a float, words, lists; a dictionary of integers is read as these."""
    table = [[1.0, 2.0], [3.0, 1.0]]
    columns = {
        "family": pa.array([0, 1, 0, 1], pa.int8()).dictionary_encode(),
        "share": pa.array([0.0, 1.0, 0.0, 1.0]),
        "word": pa.array(["a", "b", "c", "d"]),
        "row": pa.array([[1.0, 2.0]] * 4, pa.list_(pa.float64(), 2)),
    }
    pq.write_table(pa.table(columns), tmp_path / "jobs.parquet")

    def solve(key, coef):
        source = gc.shards.parquet(tmp_path, terms=[(table, key, coef)])
        return gc.transport(source, [2, 2]).objective

    assert solve("family", "share") == 2.0
    with pytest.raises(TypeError, match=r"'share' of .*jobs\.parquet must be integers, not double"):
        solve("share", "share")
    with pytest.raises(TypeError, match=r"'word' .* must be integers, not string"):
        solve("word", "share")
    with pytest.raises(TypeError, match=r"'row' .* must be numbers, not fixed_size_list"):
        solve("family", "row")


def test_rows_of_costs_that_do_not_fit_are_named(tmp_path):
    """Lists of any length, with what to write in their place; a null, with its job and class."""
    rows = [[1.0, 2.0]] * 4
    pq.write_table(
        pa.table({"row": pa.array(rows, pa.list_(pa.float64()))}), tmp_path / "a.parquet"
    )
    with pytest.raises(TypeError, match=r"lists of one length.*pyarrow\.list_\(pyarrow\.float64"):
        gc.shards.parquet(tmp_path / "a.parquet", cost="row")
    rows[3] = [1.0, None]
    fixed = pa.array(rows, pa.list_(pa.float64(), 2))
    pq.write_table(pa.table({"row": fixed}), tmp_path / "a.parquet", row_group_size=3)
    with pytest.raises(gc.InvalidProblemError, match=r"null in row\[3, 1\] .*a\.parquet") as error:
        gc.transport(gc.shards.parquet(tmp_path / "a.parquet", cost="row"), [2, 2])
    assert (error.value.field, error.value.index) == ("row", 3)


def test_integers_that_float64_does_not_hold_are_refused(tmp_path):
    """A coefficient of 2**53 + 1 in the second row group of a shard is not rounded."""
    columns = {"work": np.array([1, 2, 2**53 + 1, 4]), "family": np.array([0, 1, 0, 1])}
    pq.write_table(pa.table(columns), tmp_path / "jobs.parquet", row_group_size=2)
    source = gc.shards.parquet(tmp_path, terms=[([[1.0, 2.0], [3.0, 1.0]], "family", "work")])
    with pytest.raises(gc.InvalidProblemError, match="9007199254740993"):
        gc.transport(source, [2, 2])


def test_a_full_disk_ends_the_solve_and_another_call_goes_on(jobs, tmp_path):
    """The disk has no room for the answer: an OSError, no folder; with room the call succeeds."""
    folder, terms, capacity, memory = jobs
    source = gc.shards.parquet(folder, terms=terms, rows_per_shard=40_000)
    with small_disk(tmp_path / "disk", 64) as disk:
        with pytest.raises(OSError, match="No space left"):
            gc.transport(source, capacity, out=disk / "out")
        assert not (disk / "out").exists()
    with small_disk(tmp_path / "large", 64_000) as disk:
        m = gc.transport(source, capacity, out=disk / "out")
        assert (placed(disk / "out") == memory.assignment).all()
        assert m.assignment[5] == memory.assignment[5]


@pytest.mark.usefixtures("recorded")
def test_a_write_that_fails_leaves_no_answer(jobs, tmp_path, monkeypatch):
    """Writing the second file fails once: the next call finds the first one and goes on."""
    folder, terms, capacity, memory = jobs
    source = gc.shards.parquet(folder, terms=terms, rows_per_shard=40_000)
    write, count = _files.write_all, 0

    def failing(descriptor, data):
        nonlocal count
        count += bytes(data[:4]) == b"PAR1"
        if count == 2:
            count += 1
            write(descriptor, b"half")
            raise OSError(28, os.strerror(28))
        write(descriptor, data)

    monkeypatch.setattr(_files, "write_all", failing)
    with pytest.raises(OSError, match="No space left"):
        gc.transport(source, capacity, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()
    m = gc.transport(source, capacity, out=tmp_path / "out")
    assert (placed(tmp_path / "out") == memory.assignment).all()
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        f"shard-{k:06d}.parquet" for k in range(source.n_shards)
    ]
    assert m.verify().valid


def test_an_infeasible_problem_leaves_no_folder(jobs, tmp_path):
    """There is no answer to write."""
    folder, terms, capacity, _ = jobs
    m = gc.transport(gc.shards.parquet(folder, terms=terms), capacity // 3, out=tmp_path / "out")
    assert (m.status, m.assignment) == ("infeasible", None)
    assert m.witness_slots is not None
    assert not any(tmp_path.iterdir())
