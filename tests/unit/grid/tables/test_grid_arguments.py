"""Arguments of the grid's tables that no file can bring: Python objects of odd kinds and sizes."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest

import gridcompute as gc
from gridcompute import InvalidProblemError, grid
from malformed import sound

if TYPE_CHECKING:
    from collections.abc import Callable

P = sound()
PLAN = gc.match(P, time_limit=0)

Case = tuple["Callable[[], Any]", type[Exception], str]


def labels(table, name, size):
    """Labels of rows that are none: each is an error of its own."""
    field = f"{table.title}.{name}"
    cases = [
        ("A" * size, TypeError, f"{field} must be a sequence of str, not str"),
        (5, TypeError, f"{field} must be a sequence of str, not int"),
        (tuple(range(size)), TypeError, f"{field}[0] must be a str, not int"),
        ((None,) * size, TypeError, f"{field}[0] must be a str, not NoneType"),
        (("a",) * 2, InvalidProblemError, f"{field}[1] is 'a', needed a name not used at 0"),
    ]
    return {
        f"{field} {i}": (lambda v=v: table.replace(**{name: v}), error, words)
        for i, (v, error, words) in enumerate(cases)
    }


CASES = {
    **labels(P.classes, "accelerator_names", 2),
    **labels(P.classes, "family_names", 2),
    **labels(P.energy, "source_names", 1),
    "two accelerators, one name": (
        lambda: P.classes.replace(accelerator_names=["A800"]),
        InvalidProblemError,
        "classes.accelerator[1] is 1, needed below 1, the accelerator_names",
    ),
    "two sources, one name": (
        lambda: P.energy.replace(source_names=("sun", "wind")),
        InvalidProblemError,
        "energy.source_names has 2 names, needed 1, one a row of direct_kwh",
    ),
    "rules that are arrays": (
        lambda: P.energy.replace(terminal=np.array(["cyclic", "value"])),
        InvalidProblemError,
        "energy.terminal is array(",
    ),
    "a latency rule": (
        lambda: P.corridors.replace(latency_rule=np.array(["one_way", "round_trip"])),
        InvalidProblemError,
        "corridors.latency_rule is array(",
    ),
    "a scope": (
        lambda: grid.Mandate(scope=np.array(["site", "operator"])),
        InvalidProblemError,
        "mandate.scope is array(",
    ),
    "a ledger that is a path": (
        lambda: grid.Mandate(ledger="ledger.jsonl"),
        TypeError,
        "mandate.ledger must be a grid.Ledger, not str",
    ),
    "a problem's name": (
        lambda: P.replace(name=None),
        TypeError,
        "problem.name must be a str, not NoneType",
    ),
    "a site's name": (
        lambda: P.sites.replace(name=["a", "\ud800"]),
        InvalidProblemError,
        "sites.name[1] is '\\ud800', needed text that UTF-8 can hold",
    ),
    "fewer tenants than none": (
        lambda: grid.Quotas.unlimited(-1),
        InvalidProblemError,
        "n_tenants: found -1, needed 0 to",
    ),
    "tenants beyond memory": (
        lambda: grid.Quotas.unlimited(10**18),
        InvalidProblemError,
        "n_tenants: found 1000000000000000000, needed 0 to",
    ),
    "half a tenant": (
        lambda: grid.Quotas.unlimited(1.5),
        TypeError,
        "n_tenants must be an integer, not float",
    ),
    "jobs beyond int32": (
        lambda: grid.east_west(n_jobs=10**13),
        InvalidProblemError,
        "n_jobs is 10000000000000, needed at most 2147483647",
    ),
    "rows of different lengths": (
        lambda: P.jobs.replace(gang=[[1], [1, 2], [1], [1]]),
        InvalidProblemError,
        "jobs.gang: found rows of different lengths, needed an array",
    ),
    "nothing": (
        lambda: P.jobs.replace(value_yuan=None),
        TypeError,
        "jobs.value_yuan is None, needed a number (yuan)",
    ),
    "a size below 0": (
        lambda: grid.Energy.from_arrow(P.energy.to_arrow(), sizes={"hour": -1}),
        InvalidProblemError,
        "sizes.hour: found -1, needed 0 to",
    ),
    "a size that is text": (
        lambda: grid.Energy.from_arrow(P.energy.to_arrow(), sizes={"hour": "3"}),
        TypeError,
        "sizes.hour must be an integer, not str",
    ),
    "a battery turned around": (
        lambda: grid.whatif(PLAN, battery=-1),
        InvalidProblemError,
        "battery: found -1, needed 0 or more",
    ),
    "renewables of no number": (
        lambda: grid.whatif(PLAN, renewables=float("nan")),
        InvalidProblemError,
        "renewables: found nan, needed 0 or more",
    ),
    "a corridor of three": (
        lambda: grid.whatif(PLAN, gbit_s=1, corridor=("North", "South", "North")),
        InvalidProblemError,
        "corridor is ('North', 'South', 'North'), needed the names of two sites",
    ),
    "a corridor of one": (
        lambda: grid.whatif(PLAN, gbit_s=1, corridor="North"),
        InvalidProblemError,
        "corridor is 'North', needed the names of two sites",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_an_odd_argument_is_refused_by_name(case):
    """If this fails, an argument is taken for something else, or ends in an error of numpy."""
    make, error, words = CASES[case]
    with pytest.raises(error) as caught:
        make()
    assert type(caught.value) is error, caught.value
    assert str(caught.value).startswith(words), caught.value


def test_labels_may_come_in_any_row():
    """If this fails, a list or an array of names is refused, or kept open to writes."""
    for names in (["A800", "H20"], np.array(["A800", "H20"]), ("A800", "H20")):
        assert P.classes.replace(accelerator_names=names).accelerator_names == ("A800", "H20")
    assert P.classes.replace(family_names=()).family_names == ("family 0", "family 1")


def test_categories_of_a_data_frame_are_text():
    """If this fails, a column of categories, as pandas and polars write them, is refused."""
    names = pa.array(["North", "South"]).dictionary_encode()
    assert grid.Sites.from_arrow(pa.table({"name": names})).name.tolist() == ["North", "South"]
