"""For any records, the columns hold what the records held, or the first bad value is named."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from gridcompute import Interner, InvalidProblemError, jobs_from_records

KEYS = st.one_of(st.text(max_size=3), st.integers(-(2**63), 2**63 - 1))
GOOD = st.fixed_dictionaries(
    {
        "i": st.integers(-(2**63), 2**63 - 1),
        "f": st.floats(allow_nan=False),
        "b": st.booleans(),
        "s": KEYS,
        "t": st.datetimes(),
        "r": st.lists(st.integers(-(2**31), 2**31 - 1), max_size=4),
    }
)
FIELDS = {"i": "int64", "f": "float64", "b": "bool", "t": "datetime", "r": ["int32"]}


@given(st.lists(GOOD, max_size=20), st.booleans())
def test_columns_give_the_records_back(records, lazily):
    keys = Interner()
    read = jobs_from_records(iter(records) if lazily else records, {**FIELDS, "s": keys})
    offsets, values = read["r"]
    for row, record in enumerate(records):
        assert read["i"][row] == record["i"]
        assert read["f"][row] == record["f"]
        assert math.copysign(1, read["f"][row]) == math.copysign(1, record["f"])
        assert read["b"][row] == record["b"]
        assert keys[read["s"][row]] == record["s"]
        assert type(keys[read["s"][row]]) is type(record["s"])
        assert read["t"][row].item() == record["t"]
        assert values[offsets[row] : offsets[row + 1]].tolist() == record["r"]
    assert list(keys) == list(dict.fromkeys((type(r["s"]), r["s"])[1] for r in records))


@given(
    st.lists(
        st.one_of(st.integers(), st.floats(), st.booleans(), st.none(), st.text(max_size=2)),
        max_size=8,
    )
)
def test_the_first_value_that_is_no_int64_is_named(values):
    def fits(value):
        if isinstance(value, float):
            return value.is_integer() and -(2**63) <= value < 2**63
        return type(value) is int and -(2**63) <= value < 2**63

    bad = next((row for row, value in enumerate(values) if not fits(value)), None)
    records = [{"x": value} for value in values]
    if bad is None:
        assert jobs_from_records(records, {"x": "int64"})["x"].tolist() == values
    else:
        with pytest.raises(InvalidProblemError) as caught:
            jobs_from_records(records, {"x": "int64"})
        assert (caught.value.field, caught.value.index) == ("x", bad)


class InternerMachine(RuleBasedStateMachine):
    """An interner against a dict and a stack of freed ids; failed batches leave no trace."""

    def __init__(self):
        super().__init__()
        self.interner, self.ids, self.free, self.size = Interner(), {}, [], 0

    def expect(self, key):
        if key not in self.ids:
            self.ids[key] = self.free.pop() if self.free else self.size
            self.size = max(self.size, self.ids[key] + 1)
        return self.ids[key]

    @rule(keys=st.lists(KEYS, max_size=5))
    def intern(self, keys):
        assert self.interner.intern(keys).tolist() == [self.expect(key) for key in keys]

    @rule(keys=st.lists(KEYS, max_size=5))
    def failed_batch(self, keys):
        with pytest.raises(InvalidProblemError) as caught:
            jobs_from_records([{"k": key} for key in [*keys, 0.5]], {"k": self.interner})
        assert caught.value.index == len(keys)

    @rule(data=st.data())
    def remove(self, data):
        if self.ids:
            keys = data.draw(
                st.lists(
                    st.sampled_from(list(self.ids)), unique_by=lambda k: (type(k), k), max_size=4
                )
            )
            freed = [self.ids.pop(key) for key in keys]
            self.free += freed
            assert self.interner.remove(keys).tolist() == freed

    @invariant()
    def same_ids(self):
        assert (len(self.interner), self.interner.size) == (len(self.ids), self.size)
        assert self.interner.lookup(self.ids).tolist() == list(self.ids.values())
        assert [self.interner[i] for i in self.ids.values()] == list(self.ids)
        assert np.array_equal(self.interner.lookup(self.interner), np.sort(list(self.ids.values())))


TestInternerMachine = InternerMachine.TestCase
