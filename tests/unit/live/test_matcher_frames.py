"""Jobs from data frames, Arrow tables, records and labelled arrays: read by name, or refused."""

import numpy as np
import pytest

from arrow_streams import ArrowStream
from gridcompute import InvalidProblemError, Matcher

TABLE = np.array([[1.0, 2.0, 4.0], [3.0, 1.0, 2.0]])
COLUMNS = {"k": [0, 1, 0, 1], "w": [3.0, 5.0, 2.0, 0.5], "u": [90.0, 80.0, 70.0, 60.0]}


def world_of(**more):
    """Three classes, a keyed table with a factor, and what being left out costs each job."""
    return Matcher([1, 1, 1], cost=[(TABLE, "k", "w")], unplaced="u", **more)


def as_pandas():
    return pytest.importorskip("pandas").DataFrame(COLUMNS)


def as_nullable_pandas():
    pd = pytest.importorskip("pandas")
    return pd.DataFrame(COLUMNS).astype({"k": "Int64", "w": "Float64"})


def as_polars():
    return pytest.importorskip("polars").DataFrame(COLUMNS)


def as_arrow():
    return pytest.importorskip("pyarrow").table(COLUMNS)


def as_batch():
    return pytest.importorskip("pyarrow").record_batch(COLUMNS)


def as_stream():
    return ArrowStream(as_arrow())


def as_chunks():
    pa = pytest.importorskip("pyarrow")
    table = pa.table(COLUMNS)
    return pa.concat_tables([table.slice(0, 1), table.slice(1)])


def as_records():
    return [dict(zip(COLUMNS, row, strict=True)) for row in zip(*COLUMNS.values(), strict=True)]


def as_structured():
    made = np.zeros(4, [("k", "i4"), ("w", "f8"), ("u", "f8")])
    for name, values in COLUMNS.items():
        made[name] = values
    return made


def as_series():
    pd = pytest.importorskip("pandas")
    return {name: pd.Series(values) for name, values in COLUMNS.items()}


FORMS = [
    as_pandas, as_nullable_pandas, as_polars, as_arrow, as_batch, as_stream, as_chunks, as_records,
    as_structured, as_series, lambda: iter(as_records()),
]  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_a_table_of_any_kind_is_what_its_columns_are(form):
    """If this fails, a notebook's data frame raises somebody else's error, or is read wrongly."""
    plain, world = world_of(), world_of()
    plain.add(COLUMNS)
    assert world.add(form()).tolist() == [0, 1, 2, 3]
    for w in (plain, world):
        w.match()
    assert [list(a) for a in plain.quote(COLUMNS)] == [list(a) for a in world.quote(form())]
    other = {name: list(values)[::-1] for name, values in COLUMNS.items()}
    plain.update([3, 2, 1, 0], other)
    world.update([0, 1, 2, 3], form())
    a, b = plain.match(), world.match()
    assert (a.objective, a.assignment.tolist()) == (b.objective, b.assignment.tolist())
    assert b.verify().valid


@pytest.mark.parametrize("ids", [[7, 3, 9, 1], ["d", "b", "c", "a"]])
def test_ids_come_from_series_of_any_kind(ids):
    """If this fails, ids out of a data frame are refused, or belong to other rows."""
    pd, pl, pa = (pytest.importorskip(name) for name in ("pandas", "polars", "pyarrow"))
    for make in (pd.Series, pd.Index, pl.Series, pa.array, np.array, tuple, iter):
        world = world_of()
        assert list(world.add(COLUMNS, ids=make(ids))) == ids
        world.match()
        world.pin(make(ids[1:2]))
        world.update(make(ids), COLUMNS)
        world.remove(make(ids[:1]))
        assert world.ids == ids[1:]
        assert world.match().verify().valid


def test_labels_that_are_positions_or_the_ids_are_no_surprise():
    """If this fails, a frame indexed by job is refused although its index says what `ids` say."""
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(COLUMNS, index=["d", "b", "c", "a"])
    world, plain = world_of(), world_of()
    world.add(frame, ids=frame.index)
    plain.add(COLUMNS, ids=["d", "b", "c", "a"])
    assert world.match().objective == plain.match().objective
    world.update(frame.index[:2], frame.iloc[:2])
    room = pd.Series([2, 0], index=[2, 0])
    world.set_capacity(room.index, room)
    plain.set_capacity([2, 0], [2, 0])
    assert world.match().objective == plain.match().objective


def test_labels_in_another_order_are_never_taken_by_position():
    """If this fails, a sorted or filtered frame gives each job the costs of another, in silence."""
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(COLUMNS)
    world = world_of()
    ids = world.add(COLUMNS)
    before = world.match().objective
    turned = frame.sort_values("w")
    table = pd.DataFrame(TABLE, columns=["A", "B", "C"])
    calls = {
        "add": lambda: world.add(turned),
        "add, ids in another order": lambda: world.add(turned, ids=[4, 5, 6, 7]),
        "a filtered frame": lambda: world.add(frame[frame.w < 4]),
        "quote": lambda: world.quote(turned),
        "update": lambda: world.update(ids, turned),
        "a series": lambda: world.add({**COLUMNS, "w": turned["w"]}),
        "values": lambda: world.set_capacity([0, 1], pd.Series([2, 0], index=[1, 0])),
        "slots": lambda: world.remove_slots(pd.Series([1], index=[5])),
        "a table": lambda: world.set_table(0, table),
        "rows of a table": lambda: world.set_table(0, pd.DataFrame(TABLE, index=[1, 0])),
        "new classes": lambda: world.add_slots([1], [pd.DataFrame(TABLE[:, :1], columns=["D"])]),
        "a new world": lambda: Matcher([1] * 3, cost=[(table, "k", None)], unplaced=1.0),
        "its capacity": lambda: Matcher(
            pd.Series([1, 2, 3], index=[2, 1, 0]), cost=[(TABLE, "k", None)], unplaced=1.0
        ),
    }
    for name, call in calls.items():
        with pytest.raises(InvalidProblemError, match="in order") as caught:
            call()
        assert "found" in str(caught.value), name
        m = world.match()
        assert (m.objective, len(m.changes["id"])) == (before, 0), name
    world.set_table(0, pd.DataFrame(TABLE))  # the labels are the positions
    for unnamed in (set(ids.tolist()), frozenset(ids.tolist())):
        with pytest.raises(TypeError, match="set"):
            world.update(unnamed, COLUMNS)


@pytest.mark.parametrize("kind", ["mapping", "records", "structured", "pandas", "polars", "arrow"])
def test_columns_that_nobody_knows_are_named(kind):
    """If this fails, `demand=[4]` takes one slot in silence, or a typo drops what was asked for."""

    def made(columns):
        if kind == "mapping":
            return columns
        if kind == "records":
            return [
                dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)
            ]
        if kind == "structured":
            out = np.zeros(4, [(name, "f8" if name != "k" else "i8") for name in columns])
            for name, values in columns.items():
                out[name] = values
            return out
        module = pytest.importorskip({"arrow": "pyarrow"}.get(kind, kind))
        return (module.table if kind == "arrow" else module.DataFrame)(columns)

    world = world_of()
    ids = world.add(COLUMNS)
    before = world.match().objective
    more = COLUMNS | {"demand": [4, 4, 4, 4]}
    short = {name: values for name, values in COLUMNS.items() if name != "u"}
    for columns, name, words in ((more, "demand", "not asked for"), (short, "u", "is missing")):
        for call in (world.add, lambda c: world.update(ids, c), world.quote):
            with pytest.raises(InvalidProblemError, match=words) as caught:
                call(made(columns))
            assert caught.value.field == name
            assert all(repr(known) in str(caught.value) for known in COLUMNS)
    m = world.match()
    assert (len(world), m.objective, len(m.changes["id"])) == (4, before, 0)


def test_missing_values_and_odd_tables_are_named():
    """If this fails, a null becomes NaN or 0, or somebody else's error leaks."""
    pd, pl, pa = (pytest.importorskip(name) for name in ("pandas", "polars", "pyarrow"))
    world = world_of()
    nulls = COLUMNS | {"k": [0, 1, None, 1]}
    for table in (pl.DataFrame(nulls), pa.table(nulls), pd.DataFrame(nulls).astype({"k": "Int64"})):
        with pytest.raises(InvalidProblemError, match=r"k\[2\]: found no value") as caught:
            world.add(table)
        assert (caught.value.field, caught.value.index) == ("k", 2)
    twice = pd.concat([pd.DataFrame(COLUMNS), pd.DataFrame({"w": COLUMNS["w"]})], axis=1)
    with pytest.raises(InvalidProblemError, match="'w' twice"):
        world.add(twice)
    odd = [
        None, "k", b"k", 3, 2.5, np.ones((2, 3)), [1, 2], [("k", 1)], pl.LazyFrame(COLUMNS),
        pa.array([1, 2]), pa.chunked_array([[1], [2]]), object(), pd.Series([1, 2]), {1, 2},
    ]  # fmt: skip
    for columns in odd:
        for call in (world.add, world.quote):
            with pytest.raises((TypeError, InvalidProblemError)) as failed:
                call(columns)
            assert "columns" in str(failed.value), repr(columns)
            assert type(failed.value) in (TypeError, InvalidProblemError), repr(columns)
    texts = COLUMNS | {"w": ["a", "b", "c", "d"]}
    for table in (texts, pd.DataFrame(texts), pl.DataFrame(texts), pa.table(texts)):
        with pytest.raises(TypeError, match="w must be int or float"):
            world.add(table)
    for table in (pl.DataFrame(TABLE), pa.table({"a": [1.0, 2.0], "b": [1.0, 2.0]})):
        with pytest.raises(TypeError, match="to_numpy"):
            world.set_table(0, table)
    assert len(world) == 0
    assert len(world.add(pd.DataFrame(COLUMNS).iloc[:0])) == 0
    assert world.match().objective == 0


def test_rows_of_costs_come_in_columns_of_lists():
    """If this fails, a frame with a row of costs in each cell cannot be read."""
    pd, pl, pa = (pytest.importorskip(name) for name in ("pandas", "polars", "pyarrow"))
    rows = [[1.0, 2.0, 3.0], [4.0, 0.5, 9.0]]
    fixed = pl.Series(rows, dtype=pl.Array(pl.Float64, 3))
    for column in (
        pd.DataFrame({"row": rows}),
        pl.DataFrame({"row": rows}),
        pl.DataFrame({"row": fixed}),
        pa.table({"row": rows}),
        pa.table({"row": pa.array(rows, pa.list_(pa.float64(), 3))}),
        [{"row": row} for row in rows],
        np.array(rows),
    ):
        world = Matcher([1, 1, 1], cost="row", unplaced=50.0)
        world.add(column)
        assert world.match().objective == 1.5
        with pytest.raises(InvalidProblemError, match=r"row"):
            world.add(pd.DataFrame({"row": [[1.0, 2.0, 3.0], [1.0]]}))
        assert len(world) == 2


@pytest.mark.parametrize("name", ["unplaced", "move_cost"])
def test_one_cost_of_all_jobs_is_one_number(name):
    """If this fails, an array given as a scalar is read beyond its end."""
    for bad in ([1.0, 2.0], np.ones(3), None, True, np.nan, -np.inf, 10**400, b"u"):
        with pytest.raises((TypeError, InvalidProblemError), match=name):
            Matcher([1], cost=[([[1.0]], None, "w")], **({"unplaced": 1.0} | {name: bad}))
