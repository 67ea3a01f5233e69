"""Records to columns: what is read, what is refused, and what a failure leaves behind."""

import collections
import dataclasses
import datetime as dt
import enum
import gc
import sys
import tracemalloc
import types

import numpy as np
import pytest

from gridcompute import Interner, InvalidProblemError, Ragged, jobs_from_records

UTC = dt.UTC


def one(value, spec="int64", **options):
    """The column of a single record's field."""
    return jobs_from_records([{"x": value}], {"x": spec}, **options)["x"]


def refused(value, spec="int64", **options):
    """The message of the refusal of a bad value in row 1, which must name row and field."""
    good = {
        "int64": 0,
        "int32": 0,
        "float64": 0.0,
        "bool": True,
        "id": "a",
        "datetime": dt.datetime(2026, 1, 1),
    }
    fine = [] if isinstance(spec, list) else good[spec]
    with pytest.raises(InvalidProblemError, match=r"^row 1, field 'x': ") as caught:
        jobs_from_records([{"x": fine}, {"x": value}], {"x": spec}, **options)
    assert (caught.value.field, caught.value.index) == ("x", 1)
    return str(caught.value)


class TestRecords:
    """Every shape of record gives the same columns."""

    fields = types.MappingProxyType({"a": "int64", "b": "id"})

    def check(self, records):
        read = jobs_from_records(records, self.fields)
        assert list(read) == ["a", "b"]
        assert read["a"].dtype == np.int64
        assert read["b"].dtype == np.int32
        assert read["a"].tolist() == [1, 2, 3]
        assert read["b"].tolist() == [0, 1, 0]

    rows = ((1, "u"), (2, "v"), (3, "u"))

    def test_dicts(self):
        self.check([{"b": b, "a": a, "other": None} for a, b in self.rows])

    def test_generator(self):
        self.check({"a": a, "b": b} for a, b in self.rows)

    def test_tuples_and_lists_by_position(self):
        self.check(self.rows)
        self.check([list(row) for row in self.rows])

    def test_named_tuples_by_name_not_position(self):
        pair = collections.namedtuple("pair", "b a")
        self.check([pair(b, a) for a, b in self.rows])

    def test_objects_by_attribute(self):
        @dataclasses.dataclass(slots=True)
        class Job:
            a: int
            b: str

        self.check([Job(*row) for row in self.rows])
        self.check([types.SimpleNamespace(a=a, b=b) for a, b in self.rows])

    def test_mappings_by_their_own_getitem(self):
        class Shouting(dict):
            def __getitem__(self, key):
                return super().__getitem__(key.upper())

        self.check([types.MappingProxyType({"a": a, "b": b}) for a, b in self.rows])
        self.check([Shouting(A=a, B=b) for a, b in self.rows])
        self.check([collections.OrderedDict(a=a, b=b) for a, b in self.rows])

    def test_mixed_shapes_in_one_batch(self):
        self.check([{"a": 1, "b": "u"}, (2, "v"), types.SimpleNamespace(a=3, b="u")])

    def test_empty(self):
        read = jobs_from_records([], {"a": "int64", "f": "bool", "t": "datetime", "r": ["float64"]})
        assert [len(read[k]) for k in "aft"] == [0, 0, 0]
        assert read["t"].dtype == "datetime64[us]"
        assert read["r"].offsets.tolist() == [0]
        assert read["r"].values.dtype == np.float64
        assert jobs_from_records([{}], {}) == {}

    def test_more_rows_than_the_first_room(self):
        """A wrong growth step would lose or shift rows past the first thousand."""
        read = jobs_from_records(
            ({"a": i, "r": range_list(i)} for i in range(5000)), {"a": "int64", "r": ["int32"]}
        )
        assert (read["a"] == np.arange(5000)).all()
        assert (np.diff(read["r"].offsets) == np.arange(5000) % 3).all()
        assert read["a"].flags.owndata

    def test_wrong_number_of_positions(self):
        with pytest.raises(
            InvalidProblemError, match="row 1: found 1 values, needed 2: a, b"
        ) as caught:
            jobs_from_records([(1, "u"), (2,)], self.fields)
        assert caught.value.index == 1

    @pytest.mark.parametrize("records", [{"a": [1]}, "text", b"text"])
    def test_columns_or_text_are_no_records(self, records):
        with pytest.raises(TypeError, match="records must be an iterable of records"):
            jobs_from_records(records, self.fields)

    def test_not_iterable(self):
        with pytest.raises(TypeError, match="not iterable"):
            jobs_from_records(5, self.fields)


def range_list(i):
    return list(range(i % 3))


class TestMissing:
    def test_absent_key_attribute_or_none_is_an_error_without_default(self):
        for record in ({}, {"x": None}, types.SimpleNamespace(), types.SimpleNamespace(x=None)):
            with pytest.raises(
                InvalidProblemError, match=r"row 0, field 'x': missing in .* needed an integer"
            ):
                jobs_from_records([record], {"x": "int64"})

    def test_defaults_stand_in(self):
        records = [{}, {"x": None}, {"x": 3}, types.SimpleNamespace()]
        assert jobs_from_records(records, {"x": "int64"}, defaults={"x": 7})["x"].tolist() == [
            7,
            7,
            3,
            7,
        ]

    def test_an_id_default_is_interned_when_first_needed(self):
        tenants = Interner()
        jobs_from_records([{"t": "b"}, {}, {"t": "c"}], {"t": tenants}, defaults={"t": "none"})
        assert list(tenants) == ["b", "none", "c"]

    def test_unset_slot_is_missing(self):
        class Job:
            __slots__ = ("x",)

        assert jobs_from_records([Job()], {"x": "int64"}, defaults={"x": 1})["x"].tolist() == [1]

    def test_dict_subclass_with_missing_does_not_grow(self):
        """Reading must not write: a defaultdict would invent the value and keep it."""
        record = collections.defaultdict(lambda: 9)
        assert jobs_from_records([record], {"x": "int64"}, defaults={"x": 1})["x"].tolist() == [1]
        assert not record

    def test_bad_defaults(self):
        with pytest.raises(InvalidProblemError, match=r"defaults: .*found 1\.5") as caught:
            jobs_from_records([], {"x": "int64"}, defaults={"x": 1.5})
        assert caught.value.field == "x"
        with pytest.raises(InvalidProblemError, match="defaults: 'y' is none of the fields"):
            jobs_from_records([], {"x": "int64"}, defaults={"y": 1})

    def test_a_bad_id_default_leaves_the_interner_alone(self):
        tenants = Interner()
        jobs_from_records([{"t": "a"}], {"t": tenants}, defaults={"t": "unused"})
        assert list(tenants) == ["a"]


class Level(enum.IntEnum):
    HIGH = 3


class Index:
    def __init__(self, value):
        self.value = value

    def __index__(self):
        return self.value


class TestNumbers:
    @pytest.mark.parametrize(
        ("value", "kept"),
        [
            (-(2**63), -(2**63)),
            (2**63 - 1, 2**63 - 1),
            (Level.HIGH, 3),
            (3.0, 3),
            (-0.0, 0),
            (np.int8(-4), -4),
            (np.uint64(5), 5),
            (np.float32(6), 6),
            (np.longdouble(7), 7),
            (Index(8), 8),
        ],
    )
    def test_int64_keeps_what_equals_an_integer(self, value, kept):
        assert one(value).tolist() == [kept]

    @pytest.mark.parametrize(
        "value",
        [2**63, -(2**63) - 1, 10**400, 1.5, float("nan"), float("inf"), 2.0**63, np.float32(0.5),
         np.uint64(2**63), np.longdouble("inf"), True, np.True_, "3", b"3", [], 1 + 0j, object()],
    )  # fmt: skip
    def test_int64_refuses_the_rest(self, value):
        assert "needed an integer from -9223372036854775808 to 9223372036854775807" in refused(
            value
        )

    def test_int32_range(self):
        assert one(2**31 - 1, "int32").dtype == np.int32
        assert "found 2147483648 (int), needed an integer from" in refused(2**31, "int32")
        refused(-(2**31) - 1, "int32")

    @pytest.mark.parametrize(
        ("value", "kept"),
        [(1, 1.0), (2**53, 2.0**53), (2**60, 2.0**60), (-0.0, -0.0), (5e-324, 5e-324),
         (float("inf"), float("inf")), (np.float32(0.1), float(np.float32(0.1))),
         (np.float64(0.5), 0.5), (np.int64(3), 3.0), (np.float16(2), 2.0)],
    )  # fmt: skip
    def test_float64_keeps_what_it_holds_exactly(self, value, kept):
        column = one(value, "float64")
        assert column.dtype == np.float64
        assert column.tobytes() == np.float64(kept).tobytes()

    @pytest.mark.parametrize(
        "value",
        [
            2**53 + 1,
            np.int64(2**53 + 1),
            10**400,
            True,
            np.False_,
            "1.0",
            float("nan"),
            np.float32("nan"),
            None.__class__,
        ],
    )
    def test_float64_refuses_the_rest(self, value):
        assert "needed a number that float64 holds exactly, not NaN" in refused(value, "float64")

    def test_float64_refuses_a_longer_float_that_would_round(self):
        third = np.longdouble(1) / 3
        if np.longdouble(float(third)) == third:
            pytest.skip("long double is no longer than double here")
        refused(third, "float64")

    def test_nan_where_allowed(self):
        assert np.isnan(one(float("nan"), "float64", nan=["x"])).all()
        assert np.isnan(one(np.float32("nan"), "float64", nan=["x"])).all()
        refused("nan", "float64", nan=["x"])

    def test_bool_is_strict(self):
        read = jobs_from_records([(True,), (np.False_,), (False,)], {"x": "bool"})["x"]
        assert read.dtype == np.bool_
        assert read.tolist() == [True, False, False]
        for value in (0, 1, 1.0, "", "true", [], np.int8(1)):
            assert "needed True or False" in refused(value, "bool")

    def test_messages_stay_short_and_survive_a_broken_repr(self):
        class Broken:
            def __repr__(self):
                raise RuntimeError

        assert len(refused("x" * 10**6)) < 250
        assert "a value whose repr fails (Broken)" in refused(Broken())
        assert "'\\ud800' (str)" in refused("\ud800")


class TestTimes:
    def test_naive_is_kept_and_aware_becomes_utc(self):
        naive = dt.datetime(2017, 10, 9, 7, 1, 55, 123456)
        zone = dt.timezone(dt.timedelta(hours=8))
        assert one(naive, "datetime")[0] == np.datetime64("2017-10-09T07:01:55.123456")
        assert one(naive.replace(tzinfo=zone), "datetime")[0] == np.datetime64(
            "2017-10-08T23:01:55.123456"
        )

    @pytest.mark.parametrize(
        "year", [1, 1600, 1899, 1900, 1969, 1970, 2000, 2023, 2024, 2100, 9999]
    )
    def test_calendar_agrees_with_python(self, year):
        """An off-by-one in the leap rule shifts whole years of jobs by a day."""
        for month, day in ((1, 1), (2, 28), (3, 1), (12, 31)):
            moment = dt.datetime(year, month, day, 23, 59, 59, 999999)
            assert one(moment, "datetime")[0].item() == moment

    def test_numpy_times_if_microseconds_hold_them(self):
        assert one(np.datetime64("2026-01-02"), "datetime")[0] == np.datetime64("2026-01-02")
        refused(np.datetime64("2026-01-02T00:00:00.000000001"), "datetime")
        refused(np.datetime64(10**15, "Y"), "datetime")
        refused(np.datetime64("NaT", "us"), "datetime")
        assert np.isnat(one(np.datetime64("NaT", "us"), "datetime", nan=["x"])[0])

    def test_naive_and_aware_do_not_mix(self):
        """The two are no points of one axis: their order would depend on the reader's zone."""
        refused(dt.datetime(2026, 1, 1, tzinfo=UTC), "datetime")
        for value in (dt.date(2026, 1, 1), "2026-01-01", 0, dt.timedelta(1)):
            refused(value, "datetime")

    def test_pandas_times(self):
        pandas = pytest.importorskip("pandas", reason="peer group not installed")
        assert one(pandas.Timestamp("2026-01-01"), "datetime")[0] == np.datetime64("2026-01-01")
        refused(pandas.Timestamp("2026-01-01T00:00:00.000000001"), "datetime")
        refused(pandas.NaT, "datetime")


class TestRagged:
    def test_offsets_and_values(self):
        read = jobs_from_records([([1, 2],), ((),), (np.array([3]),)], {"x": ["int64"]})["x"]
        assert isinstance(read, Ragged)
        assert read.offsets.dtype == np.int64
        assert read.offsets.tolist() == [0, 2, 2, 3]
        assert read.values.tolist() == [1, 2, 3]

    def test_ids_share_the_interner_with_a_scalar_field(self):
        sites = Interner()
        read = jobs_from_records(
            [("b", ["a", "b"]), ("a", ["c"])], {"home": sites, "allowed": [sites]}
        )
        assert read["home"].tolist() == [0, 1]
        assert read["allowed"].values.tolist() == [1, 0, 2]

    def test_the_message_names_the_item(self):
        assert "row 1, field 'x': item 2: found 1.5 (float), needed an integer" in refused(
            [1, 2, 1.5], ["int64"]
        )

    @pytest.mark.parametrize("value", ["ab", {1, 2}, {"a": 1}, 5, iter([1]), np.zeros((1, 1))])
    def test_only_ordered_lists(self, value):
        assert "needed a list or tuple" in refused(value, ["int64"])

    def test_default(self):
        assert one(None, ["int64"], defaults={"x": ()}).offsets.tolist() == [0, 0]


class TestSpecs:
    @pytest.mark.parametrize("spec", ["float", "int", "", ["int64", "int64"], [], [["int64"]]])
    def test_unknown_spec(self, spec):
        with pytest.raises(InvalidProblemError, match=r"fields\['x'\]"):
            jobs_from_records([], {"x": spec})

    @pytest.mark.parametrize("spec", [None, int, ("int64",)])
    def test_wrong_type_of_spec(self, spec):
        with pytest.raises(TypeError, match=r"fields\['x'\]"):
            jobs_from_records([], {"x": spec})

    def test_field_names_are_strings(self):
        with pytest.raises(TypeError, match="named by str"):
            jobs_from_records([], {3: "int64"})

    def test_nan_only_where_it_can_be(self):
        with pytest.raises(InvalidProblemError, match="holds no NaN"):
            jobs_from_records([], {"x": "int64"}, nan=["x"])
        with pytest.raises(InvalidProblemError, match="nan: 'y' is none of the fields"):
            jobs_from_records([], {"x": "int64"}, nan=["y"])


class TestFailures:
    """What the caller's own code raises passes through, and interners are as before."""

    def test_a_propertys_exception_passes_even_an_attribute_error(self):
        class Job:
            @property
            def x(self):
                return self.not_there

            @property
            def y(self):
                return 1 // 0

        with pytest.raises(AttributeError, match="not_there"):
            jobs_from_records([Job()], {"x": "int64"}, defaults={"x": 1})
        with pytest.raises(ZeroDivisionError):
            jobs_from_records([Job()], {"y": "int64"})

    def test_generator_raising_midway(self):
        def records():
            yield {"t": "a"}
            yield {"t": "b"}
            raise OSError("the wire broke")

        tenants = Interner(["z"])
        with pytest.raises(OSError, match="the wire broke"):
            jobs_from_records(records(), {"t": tenants})
        assert list(tenants) == ["z"]
        assert tenants.size == 1

    def test_failed_batch_restores_reused_ids_in_order(self):
        tenants = Interner("abcde")
        tenants.remove(["b", "d"])
        before = tenants.__reduce__()
        with pytest.raises(InvalidProblemError):
            jobs_from_records([("x",), ("y",), ("z",), (1.5,)], {"t": tenants})
        assert tenants.__reduce__() == before
        assert [tenants.add(k) for k in "xyz"] == [3, 1, 5]

    def test_the_interner_is_closed_to_others_during_a_batch(self):
        tenants = Interner()

        def records():
            yield {"t": "a"}
            assert tenants.find("a") == 0
            tenants.add("intruder")

        with pytest.raises(RuntimeError, match="taking in a batch"):
            jobs_from_records(records(), {"t": tenants})
        assert len(tenants) == 0
        assert tenants.add("later") == 0

    def test_index_raising_passes(self):
        class Bad:
            def __index__(self):
                raise LookupError("inside")

        with pytest.raises(LookupError, match="inside"):
            one(Bad())

    def test_a_record_emptied_while_it_is_read(self):
        """The value read must be held: its record may let go of it meanwhile."""
        record = {}

        class Bad:
            def __index__(self):
                record.clear()
                gc.collect()
                return 5

        record["x"] = Bad()
        assert jobs_from_records([record], {"x": "int64"})["x"].tolist() == [5]


class TestMemory:
    fields = types.MappingProxyType(
        {"i": "int64", "f": "float64", "s": "id", "b": "bool", "r": ["id"]}
    )

    def records(self):
        return [
            {"i": 10**6 + i, "f": i / 7, "s": f"t{i}", "b": True, "r": [f"r{i}"]}
            for i in range(100)
        ]

    def test_no_reference_is_kept_or_lost(self):
        """A missing decref leaks every record; a missing incref crashes much later."""
        records = self.records()
        values = [v for record in records for v in record.values() if v is not True]
        counts = [sys.getrefcount(v) for v in values]
        for _ in range(3):
            jobs_from_records(records, self.fields)
            with pytest.raises(InvalidProblemError):
                jobs_from_records([*records, {"i": 1.5}], self.fields)
        gc.collect()
        assert [sys.getrefcount(v) for v in values] == counts

    def test_repeated_batches_do_not_grow(self):
        records = self.records()
        jobs_from_records(records, self.fields)
        gc.collect()
        tracemalloc.start()
        try:
            for _ in range(3):
                jobs_from_records(records, self.fields)
            gc.collect()
            before = tracemalloc.get_traced_memory()[0]
            for _ in range(50):
                jobs_from_records(records, self.fields)
            gc.collect()
            grown = tracemalloc.get_traced_memory()[0] - before
        finally:
            tracemalloc.stop()
        assert grown < 5000  # one leaked column of 50 runs would be 40,000 bytes
