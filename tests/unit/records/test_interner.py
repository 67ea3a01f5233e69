"""Interner: ids in order of first occurrence, stable, the last freed first in line."""

import copy
import pickle
import re

import numpy as np
import pytest

from gridcompute import Interner, InvalidProblemError


def test_first_occurrence_order_and_stability():
    keys = Interner()
    assert keys.intern(["b", "a", "b", 7, -7, "7"]).tolist() == [0, 1, 0, 2, 3, 4]
    assert keys.intern(["7", "c"]).tolist() == [4, 5]
    assert list(keys) == ["b", "a", 7, -7, "7", "c"]
    assert len(keys) == keys.size == 6
    assert repr(keys) == "<Interner of 6 keys>"


def test_int64_keys_from_arrays():
    keys = Interner()
    ids = np.array([2**63 - 1, -(2**63), 0], np.int64)
    assert keys.intern(ids).tolist() == [0, 1, 2]
    assert keys.lookup(ids[::-1].tolist()).tolist() == [2, 1, 0]
    assert type(keys[0]) is int


def test_string_subclasses_are_their_text():
    class Odd(str):
        def __hash__():
            return 1 // 0

    keys = Interner(["a"])
    assert keys.find(Odd("a")) == 0
    assert keys.add(np.str_("a")) == 0
    assert type(keys[0]) is str


def test_unicode_is_compared_by_code_point():
    """Composed and decomposed text, lone surrogates and NULs: neither merged nor lost."""
    texts = ["\u00e9", "e\u0301", "\ud800", "\U0001f600", "a\0b", "a", "", "重庆"]
    assert Interner().intern(texts).tolist() == list(range(len(texts)))


@pytest.mark.parametrize("key", [True, np.True_, 1.0, None, b"a", ("a",)])
def test_other_types_are_no_keys(key):
    with pytest.raises(TypeError, match="a key must be a str or an int"):
        Interner().add(key)


def test_huge_int():
    with pytest.raises(OverflowError, match="does not fit 64 bits"):
        Interner().add(2**63)


def test_remove_and_reuse():
    keys = Interner("abcd")
    assert keys.remove(["b", "d"]).tolist() == [1, 3]
    assert (len(keys), keys.size, list(keys)) == (2, 4, ["a", "c"])
    assert "b" not in keys
    with pytest.raises(IndexError, match="id 1 is not given"):
        keys[1]
    assert keys.intern(["e", "f", "g"]).tolist() == [3, 1, 4]


def test_remove_all_or_none():
    keys = Interner("ab")
    with pytest.raises(KeyError, match=re.escape("keys[1] = 'z'")):
        keys.remove(["a", "z"])
    with pytest.raises(InvalidProblemError, match="distinct"):
        keys.remove(["a", "a"])
    assert list(keys) == ["a", "b"]


def test_intern_all_or_none():
    keys = Interner("ab")
    with pytest.raises(TypeError):
        keys.intern(["c", 1.5])
    assert list(keys) == ["a", "b"]
    assert keys.add("d") == 2


def test_index_out_of_range():
    for place in (-1, 1):
        with pytest.raises(IndexError):
            Interner("a")[place]


def test_pickle_and_copy_keep_ids_and_what_comes_next():
    keys = Interner("abcd")
    keys.remove(["c", "a"])
    for twin in (pickle.loads(pickle.dumps(keys)), copy.copy(keys), copy.deepcopy(keys)):
        assert twin.__reduce__() == keys.__reduce__()
        assert twin.intern(["x", "y", "z"]).tolist() == [0, 2, 4]
    assert len(keys) == 2


def test_forged_state_is_refused():
    restore, (keys, free) = Interner("ab").__reduce__()
    with pytest.raises(ValueError, match="no state of an interner"):
        restore([*keys, None], free)
    with pytest.raises(ValueError, match="no state of an interner"):
        restore(["a", "a"], free)


def test_numbers_are_the_keys_that_are_ints():
    """If this fails, a matcher's changes name other jobs than those that moved."""
    it = Interner([7, -(2**63), 2**63 - 1])
    assert it.numbers(np.array([2, 0, 1], np.int32)).tolist() == [2**63 - 1, 7, -(2**63)]
    it.remove([7])
    for bad in (0, 3, -1):
        with pytest.raises(IndexError, match="is not given"):
            it.numbers(np.array([bad], np.int32))
    with pytest.raises(TypeError):
        Interner(["a"]).numbers(np.array([0], np.int32))


def test_release_frees_ids_as_remove_does():
    """If this fails, a service that removes many jobs gives one id to two of them."""
    one, two = Interner(["a", "b", "c", 7]), Interner(["a", "b", "c", 7])
    one.release(one.lookup(["c", 7]))
    two.remove(["c", 7])
    assert list(one) == list(two) == ["a", "b"]
    assert one.intern(["x", "y", "z"]).tolist() == two.intern(["x", "y", "z"]).tolist()
    assert one.lookup([7]).tolist() == [-1]


@pytest.mark.parametrize("call", ["keys", "numbers", "release"])
def test_ids_are_an_array_of_int32(call):
    """If this fails, ids are read from memory that holds something else."""
    it = Interner([5, 6, 7])
    take = getattr(it, call)
    for bad in (np.arange(2), np.zeros((1, 2), np.int32), np.arange(3, dtype=np.int32)[::2]):
        with pytest.raises(ValueError, match=r"int32|contiguous"):
            take(bad)
    with pytest.raises(TypeError):
        take([0, 1])
    take(np.empty(0, np.int32))
    assert list(it) == [5, 6, 7]


@pytest.mark.parametrize("call", ["intern", "release"])
def test_a_call_that_is_short_of_memory_changes_nothing(call):
    """If this fails, two keys get one id, or a key stays without its id, once memory was short."""
    hooks = pytest.importorskip("_testcapi", reason="CPython's hooks of memory are not installed")
    failed = 0
    for n in range(40):
        interner = Interner([f"k{k}" for k in range(30)])
        interner.remove([f"k{k}" for k in range(0, 20, 3)])
        twin = copy.copy(interner)
        keys, ids = [f"new {k}" for k in range(12)], np.array([1, 2, 25, 8], np.int32)
        calls = {
            "intern": lambda i, k=keys: i.intern(k),
            "release": lambda i, at=ids: i.release(at),
        }
        before = interner.__reduce__()[1]
        try:
            hooks.set_nomemory(n, n + 1)
            calls[call](interner)
        except MemoryError:
            hooks.remove_mem_hooks()
            assert interner.__reduce__()[1] == before, n
            np.testing.assert_array_equal(calls[call](interner), calls[call](twin), err_msg=f"{n}")
            assert interner.__reduce__()[1] == twin.__reduce__()[1], n
            failed += 1
        finally:
            hooks.remove_mem_hooks()
    assert failed > 0
