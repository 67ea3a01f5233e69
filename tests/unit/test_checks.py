"""Arguments that every function takes: one grammar of messages, nothing cast in silence."""

from fractions import Fraction

import numpy as np
import pytest

import gridcompute as gc
from gridcompute import _checks
from gridcompute.errors import InvalidProblemError

BAD_TYPES = [True, np.True_, "2", b"2", [1], np.array([1]), 1j, {}, object()]


@pytest.mark.parametrize("value", [*BAD_TYPES, 2.0, 2.7, np.float64(1), float("nan")])
@pytest.mark.parametrize("check", [_checks.threads, _checks.seed])
def test_a_whole_number_of_another_type_is_refused(check, value):
    with pytest.raises(TypeError, match=f"{check.__name__} must be an integer"):
        check(value)


@pytest.mark.parametrize("value", [-3, 0, 2**31, 10**400])
def test_a_number_of_threads_out_of_range_is_refused(value):
    with pytest.raises(InvalidProblemError, match=f"threads: found {value}, needed 1 to") as error:
        _checks.threads(value)
    assert error.value.field == "threads"


@pytest.mark.parametrize("value", BAD_TYPES)
@pytest.mark.parametrize("check", [_checks.time_limit, _checks.gap])
def test_a_number_of_another_type_is_refused(check, value):
    with pytest.raises(TypeError, match=f"{check.__name__} must be a number"):
        check(value)


@pytest.mark.parametrize("value", [float("nan"), -1, -5e-324, float("-inf"), np.float32("nan")])
@pytest.mark.parametrize("check", [_checks.time_limit, _checks.gap])
def test_a_number_out_of_range_is_refused(check, value):
    """A time limit of NaN never came: every comparison with it is false."""
    with pytest.raises(InvalidProblemError, match=f"{check.__name__}: found .*, needed 0 or more"):
        check(value)


def test_an_integer_that_no_double_holds_is_refused():
    with pytest.raises(InvalidProblemError, match="needed one that a double can hold"):
        _checks.time_limit(10**400)


@pytest.mark.parametrize("value", [0, 0.0, 5e-324, 1, np.float32(0.5), np.int8(3), Fraction(1, 2)])
def test_numbers_of_all_kinds_are_taken(value):
    assert _checks.time_limit(value) == float(value)


def test_an_infinite_time_limit_is_none():
    """A search that uses the time it is given would otherwise never end."""
    assert _checks.time_limit(float("inf")) is None
    assert _checks.gap(float("inf")) == float("inf")


def test_an_unknown_word_is_refused_with_those_that_are_known():
    with pytest.raises(InvalidProblemError, match=r"method: found 'quick', needed 'a', 'b' or 'c'"):
        _checks.choice("method", "quick", ("a", "b", "c"))
    with pytest.raises(InvalidProblemError, match=r"found 3, needed 'a'"):
        _checks.choice("method", 3, ("a",))


@pytest.mark.parametrize("value", [2**53 + 1, -(2**53) - 1])
def test_an_integer_that_float64_would_round_is_refused_with_its_place(value):
    array = np.zeros((2, 3), np.int64)
    array[1, 2] = value
    with pytest.raises(InvalidProblemError, match=r"x\[1, 2\]: found ") as error:
        _checks.reals("x", array)
    assert error.value.index == (1, 2)
    with pytest.raises(InvalidProblemError, match=r"x: found "):
        _checks.reals("x", value)


@pytest.mark.parametrize("check", [_checks.reals, _checks.plain_array])
def test_a_masked_array_is_refused(check):
    with pytest.raises(TypeError, match="x must be a plain array"):
        check("x", np.ma.masked_array([1.0, 2.0], [True, False]))


@pytest.mark.parametrize("name", ["threads", "time_limit"])
@pytest.mark.parametrize("value", [-1, True, "2", float("nan")])
def test_transport_and_flow_check_what_they_share(name, value):
    calls = [
        lambda **options: gc.transport(np.ones((1, 1)), [1], **options),
        lambda **options: gc.min_cost_flow([0], [1], [1], [1], [0, 0], **options),
    ]
    for call in calls:
        with pytest.raises((InvalidProblemError, TypeError), match=name):
            call(**{name: value})


@pytest.mark.parametrize(
    ("found", "meant"),
    [
        ("Nrth", "North"),
        ("north", "North"),
        (" North", "North"),
        ("tarif", "tariff_yuan_per_kwh"),
        ("Gang", "gang"),
        ("work_hours", "work_h"),
        ("colour", None),
        ("storage_kwh", None),
        ("", None),
        ("x" * 10_000, None),
    ],
)
def test_a_misspelt_word_is_met_with_the_one_meant(found, meant):
    known = ["gang", "work_h", "tariff_yuan_per_kwh", "shed_kwh", "North", "South"]
    words = "" if meant is None else f"; did you mean '{meant}'?"
    assert _checks.meant(found, known) == words
    assert _checks.meant(found, []) == ""


def test_a_list_of_many_names_says_how_many():
    """If this fails, one slip among a thousand tenants is a message of a thousand names."""
    assert _checks.listed(["a", "b"]) == "a, b"
    text = _checks.listed(f"tenant {i}" for i in range(5000))
    assert text.endswith(", ... (5,000 in all)")
    assert len(text) < 1000
