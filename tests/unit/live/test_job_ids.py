"""The table of integer ids of a Matcher, against the interner, which is a dict."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridcompute import Interner, InvalidProblemError, Matcher, _core

# Neighbours, multiples that share their low bits, and the ends of the range.
IDS = st.one_of(
    st.integers(0, 40),
    st.integers(-20, 20).map(lambda k: k << 32),
    st.integers(-4, 3).map(lambda k: (k << 61) + 1),
    st.sampled_from([-(2**63), 2**63 - 1]),
)
STEPS = st.lists(st.tuples(st.booleans(), st.lists(IDS, max_size=30)), max_size=30)


@given(steps=STEPS)
@settings(deadline=None)
def test_any_order_of_calls_gives_the_positions_of_the_interner(
    steps,
):
    """If this fails, a job is found in the place of another, or not at all."""
    table, plain = _core.JobNumbers(), Interner()
    for add, ids in steps:
        some = np.array(ids, np.int64)
        assert table.lookup(some).tolist() == plain.lookup(ids).tolist(), (steps, ids)
        if not add:
            known = [key for key in dict.fromkeys(ids) if key in plain]
            table.release(table.lookup(np.array(known, np.int64)))
            plain.remove(known)
        elif len(set(ids)) < len(ids) or any(key in plain for key in ids):
            with pytest.raises(InvalidProblemError, match=r"twice|already"):
                table.add(some)
        else:
            assert table.add(some).tolist() == plain.intern(ids).tolist(), (steps, ids)
        assert len(table) == len(plain)
        live = np.array([plain.find(key) for key in plain], np.int32)
        assert table.ids(live).tolist() == list(plain)


def test_a_refused_batch_leaves_no_id_behind():
    """If this fails, a caller's mistake makes ids unusable that no job has."""
    table = _core.JobNumbers()
    first = table.add(np.arange(5))
    with pytest.raises(InvalidProblemError, match=r"ids\[2\]: 7 is given twice"):
        table.add(np.array([6, 7, 7]))
    with pytest.raises(InvalidProblemError, match=r"ids\[1\]: 3 is in the Matcher already"):
        table.add(np.array([9, 3]))
    assert len(table) == 5
    assert table.lookup(np.array([6, 7, 9])).tolist() == [-1] * 3
    assert table.repeated(first) == -1
    assert table.repeated(first[[0, 1, 1]]) == 2
    assert table.repeated(first) == -1


def test_many_ids_come_and_go_and_the_table_stays_as_large():
    """If this fails, a service grows with the jobs it has ever had, not with those it has."""
    table = _core.JobNumbers()
    for turn in range(200):
        ids = np.arange(1000) * (1 << 20) + turn
        at = table.add(ids)
        assert (table.lookup(ids) == at).all()
        assert (table.lookup(ids + 1) == -1).all()
        table.release(at[::-1].copy())
    assert (len(table), table.size) == (0, 1000)


def test_ids_are_integers_or_strings_of_any_class_but_not_both():
    """If this fails, True becomes job 1, or an id is cut to what fits."""
    world = Matcher([1], cost=[([[1.0]], None, "w")], unplaced=5.0)
    one = {"w": [1.0]}
    for wrong, error in ((True, TypeError), (1.5, TypeError), (2**63, OverflowError)):
        with pytest.raises(error):
            world.add(one, ids=[wrong])
        with pytest.raises(error):
            world.remove([wrong])
    world.add(one, ids=np.array([7], np.uint8))
    world.add(one, ids=[np.int16(-8)])
    with pytest.raises(TypeError, match="all strings"):
        world.add(one, ids=["a"])
    with pytest.raises(InvalidProblemError, match=r"ids\[1\]: 'a' is not in the Matcher"):
        world.remove([7, "a"])
    assert world.ids == [7, -8]
    mine = np.array([7, -8])
    m = world.match()
    world.remove(mine)
    mine[:] = 0  # the caller's array is the caller's
    assert m.ids == [7, -8]
    assert world.add(one, ids=["a"]) == ["a"]
    assert world.slot_of("a") == -1
    assert m.ids == [7, -8]
