"""The tables of a problem: what they accept, what they refuse and how they say so."""

import dataclasses

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from arrow_streams import ArrowStream
from gridcompute import InvalidProblemError, grid
from gridcompute.grid.tables.sites import great_circle_km, one_way_ms

JOBS = {"gang": [1, 2], "work_h": [1.0, 2.5], "origin": [0, 1], "deadline": [24, 24]}


def jobs(**changes):
    """Two jobs with some columns changed."""
    columns = {**JOBS, "value_yuan": [1.0, 2.0], **changes}
    return grid.Jobs(**{name: np.asarray(values) for name, values in columns.items()})


def test_a_look_at_a_table_shows_three_rows():
    """If this fails, a notebook shows shapes where a reader wants to see what is in a table."""
    problem = grid.east_west(n_jobs=5, seed=0)
    shown = repr(problem.jobs.replace(gang=[1, 2, 4, 8, 16], work_h=[0.5, 1 / 3, 2, 1, 1]))
    assert shown.splitlines()[:3] == [
        "<Jobs, 5 rows",
        "  gang              1, 2, 4, ...",
        "  work_h            0.5, 0.333333, 2, ...",
    ]
    assert "  capacity     60 x 24, 1 to " in repr(problem.classes)
    assert " Zhangjiakou, YRD demo, Wuhu, ..." in repr(problem.sites)
    assert " none" in repr(problem.jobs.replace(**{k: [] for k in problem.jobs.columns()}))


def test_columns_have_their_dtypes_and_are_read_only():
    """If this fails, the core meets an array it must copy, or a checked one can be changed."""
    table = jobs()
    for name, spec in table.columns().items():
        array = getattr(table, name)
        assert array.dtype == spec.dtype
        assert array.flags.c_contiguous
        assert not array.flags.writeable
    assert len(table) == 2


def test_the_callers_array_stays_writeable_and_is_copied():
    """If this fails, the caller's own array is frozen, or a checked table changes with it."""
    work = np.array([1.0, 2.5])
    table = jobs(work_h=work)
    work[0] = 3.0
    assert table.work_h.tolist() == [1.0, 2.5]


def test_scalars_and_leading_dimensions_are_repeated():
    """If this fails, a flat tariff must be typed 24 times."""
    energy = grid.Energy(
        direct_kwh=np.zeros((1, 2, 3)), tariff_yuan_per_kwh=np.array([0.5, 0.6]), bundled_kwh=4.0
    )
    assert energy.tariff_yuan_per_kwh.tolist() == [[0.5] * 3, [0.6] * 3]
    assert energy.bundled_kwh.tolist() == [[4.0] * 3] * 2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"gang": [1, 0]}, ["jobs.gang[1]", "is 0", ">= 1"]),
        ({"work_h": [np.nan, 1.0]}, ["jobs.work_h[0]", "is nan", "> 0"]),
        ({"work_h": [1.0, np.inf]}, ["jobs.work_h[1]", "is inf", "finite"]),
        ({"deadline": [24, 0]}, ["jobs.deadline[1]", "is 0"]),
        ({"release": [5, 24]}, ["jobs.deadline[1]", "is 24", "after the job's release"]),
        ({"residency": [0, -1]}, ["jobs.residency[0]", "bit set"]),
        ({"placed_class": [3, -1]}, ["jobs.placed_start[0]", "is -1"]),
        ({"gang": [1, 2**40]}, ["jobs.gang[1]", "too large"]),
        ({"value_yuan": [-1.0, 0.0]}, ["jobs.value_yuan[0]", "-1"]),
    ],
)
def test_bad_job_columns_name_table_column_row_found_and_needed(change, words):
    """If this fails, a user with a million rows is not told which one is wrong, or why."""
    with pytest.raises(InvalidProblemError) as caught:
        jobs(**change)
    assert all(word in str(caught.value) for word in words), str(caught.value)
    assert caught.value.field.startswith("jobs.")
    assert caught.value.index is not None


def test_wrong_kinds_are_type_errors():
    """If this fails, fractions of accelerators are rounded in silence."""
    with pytest.raises(TypeError, match=r"jobs\.gang\[1\] is 2\.5, needed an integer"):
        jobs(gang=[1.0, 2.5])
    with pytest.raises(TypeError, match=r"sites\.new\[0\] is 1, needed true or false"):
        grid.Sites(name=np.array(["a"]), new=np.array([1]))


def test_settings_that_are_no_numbers_are_named():
    """If this fails, text in problem.json ends in Python's words about comparing it."""
    for make, name in (
        (lambda: grid.Mandate(share="80%"), "mandate.share"),
        (lambda: grid.Mandate(shortfall_yuan_per_kwh="3"), "mandate.shortfall_yuan_per_kwh"),
        (lambda: grid.DirectRule(used=True), "direct_rule.used"),
        (
            lambda: grid.east_west(n_jobs=5).energy.replace(carbon_yuan_per_t="60"),
            "energy.carbon_yuan_per_t",
        ),
    ):
        with pytest.raises(TypeError, match=rf"{name} must be a number, not"):
            make()


def test_columns_of_two_lengths_name_both():
    """If this fails, the user must count rows to find the odd column."""
    with pytest.raises(
        InvalidProblemError, match=r"jobs\.origin has shape \(1,\).*jobs\.gang has 2"
    ):
        jobs(origin=[0])


def test_other_tables_refuse_what_makes_no_sense():
    """If this fails, nonsense reaches the solver."""
    two = np.array(["a", "b"])
    with pytest.raises(InvalidProblemError, match=r"sites\.pue\[1\] is 0\.9"):
        grid.Sites(name=two, pue=np.array([1.2, 0.9]))
    with pytest.raises(InvalidProblemError, match=r"sites\.name\[1\] is a"):
        grid.Sites(name=np.array(["a", "a"]))
    with pytest.raises(InvalidProblemError, match="at most 63"):
        grid.Sites(name=np.array([str(i) for i in range(64)]))
    with pytest.raises(InvalidProblemError, match=r"green_start_kwh\[0\] is 2"):
        grid.Energy(
            direct_kwh=np.zeros((0, 1, 1)), tariff_yuan_per_kwh=np.ones((1, 1)), green_start_kwh=2.0
        )
    with pytest.raises(InvalidProblemError, match=r"energy\.terminal is 'open'"):
        grid.Energy(
            direct_kwh=np.zeros((0, 1, 1)), tariff_yuan_per_kwh=np.ones((1, 1)), terminal="open"
        )
    with pytest.raises(InvalidProblemError, match=r"corridors\.latency_rule is 'both'"):
        grid.Corridors(
            delay_ms=np.zeros((1, 1)), bandwidth_gb=np.ones((1, 1, 1)), latency_rule="both"
        )
    with pytest.raises(InvalidProblemError, match=r"lower_accelerator_h\[0\] is 5"):
        grid.Quotas(upper_accelerator_h=np.array([4.0]), lower_accelerator_h=np.array([5.0]))
    for field, value in (("share", 1.1), ("scope", "country"), ("rule", "yearly")):
        with pytest.raises(InvalidProblemError, match=rf"mandate\.{field} is '?{value}"):
            grid.Mandate(**{field: value})
    with pytest.raises(InvalidProblemError, match="accelerator_names"):
        grid.Classes(
            site=np.array([0]),
            accelerator=np.array([2]),
            capacity=np.ones((1, 1), int),
            memory_gb=1.0,
            power_kw=1.0,
            throughput=np.ones((1, 1)),
            accelerator_names=("a",),
        )


def test_problem_checks_its_tables_against_each_other():
    """If this fails, an id out of range is found only inside the core, or never."""
    problem = grid.east_west(n_jobs=20, seed=0)
    table = problem.jobs
    bad = {
        "family": table.replace(family=np.full(20, 7)),
        "origin": table.replace(origin=np.full(20, 12)),
        "tenant": table.replace(tenant=np.full(20, 20)),
        "release": table.replace(release=np.full(20, 24), deadline=np.full(20, 25)),
        "placed_class": table.replace(placed_class=np.full(20, 60), placed_start=np.zeros(20, int)),
        "residency": table.replace(residency=np.full(20, 1 << 40)),
    }
    for column, jobs_ in bad.items():
        with pytest.raises(InvalidProblemError, match=rf"jobs\.{column}\[0\]"):
            problem.replace(jobs=jobs_)
    with pytest.raises(InvalidProblemError, match=r"sites\.pue has shape \(12, 24\).*needed 23"):
        problem.replace(hours=23)
    with pytest.raises(TypeError, match="must be a Sites"):
        problem.replace(sites=problem.classes)
    with pytest.raises(InvalidProblemError, match=r"mandate\.new is 2 values, needed 12"):
        problem.replace(mandate=grid.Mandate(new=(True, False)))


def test_replace_keeps_the_original():
    """If this fails, a what-if changes the problem it started from."""
    problem = grid.east_west(n_jobs=20, seed=0)
    stricter = problem.replace(mandate=dataclasses.replace(problem.mandate, share=0.9))
    assert (problem.mandate.share, stricter.mandate.share) == (0.8, 0.9)
    assert stricter.mandate_rows.share == 0.9
    assert stricter.jobs is problem.jobs


def test_hours_are_rounded_up_but_not_for_rounding_errors():
    """If this fails, 0.9 h at throughput 0.3 occupies four hours."""
    problem = grid.east_west(n_jobs=3, seed=0)
    throughput = np.full_like(problem.classes.throughput, 0.3)
    throughput[:, 1] = 0.0
    work = np.array([0.9, 0.91, 0.01])
    problem = problem.replace(
        jobs=problem.jobs.replace(work_h=work, release=0, deadline=24),
        classes=problem.classes.replace(throughput=throughput),
    )
    assert problem.hours_needed()[:, 0].tolist() == [3, 4, 1]
    assert problem.hours_needed()[:, 1].tolist() == [0, 0, 0]


def test_filters_give_the_reason_at_which_nothing_was_left():
    """If this fails, a user is told the wrong thing to change."""
    problem = grid.east_west(n_jobs=1, seed=0)
    easy = problem.jobs.replace(
        gang=1, work_h=1.0, family=1, memory_gb=1.0, data_gb=0.0, origin=0, release=0, deadline=24
    ).replace(latency_ms=np.inf, residency=-1, tenant=19)
    room = problem.classes.replace(capacity=np.full_like(problem.classes.capacity, 4))
    wires = problem.corridors.replace(bandwidth_gb=np.full((12, 12, 24), 10.0))
    quotas = problem.quotas.replace(upper_accelerator_h=np.full(20, 100.0))
    problem = problem.replace(jobs=easy, classes=room, corridors=wires, quotas=quotas)
    assert problem.why_not() == [None]
    far = 1 << 11
    hard = {
        "MemoryTooSmall": {"memory_gb": 97.0},
        "LatencyTooHigh": {"residency": far, "latency_ms": 5.0},
        "ResidencyForbids": {"residency": 1, "memory_gb": 80.0, "placed": None},
        "WindowTooShort": {"work_h": 30.0},
        "GangTooLarge": {"gang": 5},
        "DataExceedsCorridor": {"residency": far, "data_gb": 11.0},
        "QuotaTooSmall": {"gang": 4, "work_h": 20.0},
    }
    del hard["ResidencyForbids"]
    for token, change in hard.items():
        quota = (
            quotas.replace(upper_accelerator_h=np.full(20, 20.0)) if "Quota" in token else quotas
        )
        assert problem.replace(jobs=easy.replace(**change), quotas=quota).why_not() == [token]
    nowhere = room.replace(throughput=np.zeros_like(room.throughput))
    assert problem.replace(classes=nowhere).why_not() == ["FamilyUnsupported"]
    narrow = room.replace(memory_gb=np.where(room.site == 0, 1.0, 80.0))
    away = easy.replace(residency=1, memory_gb=80.0)
    assert problem.replace(jobs=away, classes=narrow).why_not() == ["ResidencyForbids"]


def test_capacity_must_last_for_the_whole_run():
    """If this fails, a job is called eligible although an hour of its run has no room."""
    problem = grid.east_west(n_jobs=1, seed=0)
    capacity = np.zeros_like(problem.classes.capacity)
    capacity[0, [2, 3, 5]] = 1
    one = problem.jobs.replace(
        gang=1, work_h=2.0, family=2, memory_gb=1.0, data_gb=0.0, origin=0, release=0, deadline=24
    ).replace(latency_ms=np.inf, residency=-1)
    speed = np.ones_like(problem.classes.throughput)
    classes = problem.classes.replace(capacity=capacity, throughput=speed)
    assert problem.replace(jobs=one, classes=classes).eligible().sum() == 1
    longer = problem.replace(jobs=one.replace(work_h=3.0), classes=classes)
    assert longer.why_not() == ["GangTooLarge"]


def test_latency_rule_decides_the_xinjiang_question():
    """If this fails, one-way and round-trip limits mean the same."""
    problem = grid.east_west(n_jobs=10, seed=0)
    chongqing, hami = 5, 10
    assert 11 < problem.delay_ms[chongqing, hami] < 12
    both = problem.replace(corridors=problem.corridors.replace(latency_rule="round_trip"))
    assert both.delay_ms[chongqing, hami] == 2 * problem.delay_ms[chongqing, hami] > 20


def test_great_circle_agrees_with_known_distances():
    """If this fails, delays and transfer prices rest on wrong distances."""
    km = great_circle_km(np.array([39.9, 31.2]), np.array([116.4, 121.5]))  # Beijing, Shanghai
    assert 1060 < km[0, 1] < 1080
    assert km[0, 0] == 0
    assert one_way_ms(np.array([200.0]))[0] == pytest.approx(2.0)


# ---------------------------------------------------------------- Arrow


def test_arrow_round_trip_is_exact():
    """If this fails, a table changes on its way through Arrow."""
    problem = grid.east_west(n_jobs=30, seed=3)
    extra = {
        "classes": ("accelerator_names", "family_names"),
        "energy": ("source_names", "certificate_yuan_per_kwh", "carbon_yuan_per_t"),
    }
    for name in ("jobs", "sites", "classes", "energy", "corridors", "quotas"):
        table = getattr(problem, name)
        more = {k: getattr(table, k) for k in extra.get(name, ())}
        again = type(table).from_arrow(table.to_arrow(), **more)
        for column in table.columns():
            np.testing.assert_array_equal(getattr(again, column), getattr(table, column))


def test_any_arrow_producer_will_do():
    """If this fails, polars or duckdb users must convert by hand."""
    table = grid.Jobs.from_arrow(ArrowStream(jobs().to_arrow()))
    assert table.work_h.tolist() == [1.0, 2.5]
    batch = jobs().to_arrow().to_batches()[0]
    assert grid.Jobs.from_arrow(batch).gang.tolist() == [1, 2]
    with pytest.raises(TypeError, match="PyCapsule"):
        grid.Jobs.from_arrow([1, 2])


def test_spread_columns_and_missing_dimensions():
    """If this fails, a wide CSV of one column an hour cannot be read."""
    tariff = "tariff_yuan_per_kwh"
    table = pa.table({f"{tariff}[1]": [0.6], f"{tariff}[0]": [0.5], "direct_kwh": [2.0]})
    energy = grid.Energy.from_arrow(table, sizes={"source": 1, "hour": 2})
    assert energy.tariff_yuan_per_kwh.tolist() == [[0.5, 0.6]]
    assert energy.direct_kwh.tolist() == [[[2.0, 2.0]]]


def test_arrow_mistakes_are_named():
    """If this fails, a misspelt column or a null is taken for the default."""
    table = jobs().to_arrow()
    with pytest.raises(InvalidProblemError, match="no column 'gangs'"):
        grid.Jobs.from_arrow(table.rename_columns(["gangs", *table.column_names[1:]]))
    hole = pa.table({"upper_accelerator_h": [1.0, None]})
    with pytest.raises(InvalidProblemError, match=r"quotas\.upper_accelerator_h\[1\] is null"):
        grid.Quotas.from_arrow(hole)
    ragged = pa.table({"capacity": [[1, 2], [3]]})
    with pytest.raises(
        InvalidProblemError, match=r"classes\.capacity\[1\] is a list of 1, needed 2"
    ):
        grid.Classes.from_arrow(ragged)
    with pytest.raises(InvalidProblemError, match=r"2 columns tariff_yuan_per_kwh\[\.\.\.\]"):
        grid.Energy.from_arrow(pa.table({f"tariff_yuan_per_kwh[{i}]": [1.0] for i in (0, 2)}))


def frames():
    """The same jobs, with names in place of numbers, as frames and files have them."""
    columns = {"gang": [1, 2, 4], "work_h": [1.0] * 3, "deadline": [4] * 3, "value_yuan": [9.0] * 3}
    named = {
        "origin": ["Wuhu", "Hami", "0"],
        "family": ["training", "inference", "training"],
        "tenant": ["lab", "lab", "shop"],
        "residency": ["*", "Hami|Wuhu", "Wuhu"],
    }
    lists = [["Hami", "Wuhu"], ["Wuhu", "Hami"], ["Wuhu"]]
    categories = {k: pd.Categorical(v) for k, v in named.items() if k != "residency"}
    return {
        "arrow": pa.table(columns | named),
        "polars": pl.DataFrame(columns | named | {"residency": lists}),
        "categories": pd.DataFrame(columns | named | categories),
    }


@pytest.mark.parametrize("kind", frames())
def test_a_frame_may_have_names_for_numbers(kind):
    """If this fails, a frame of jobs must be numbered by hand, where a file need not."""
    names = {
        "origin": np.array(["Hami", "Wuhu"]),
        "family": ("inference", "training"),
        "tenant": ["shop", "lab"],
    }
    jobs = grid.Jobs.from_arrow(frames()[kind], names=names)
    assert jobs.origin.tolist() == [1, 0, 0]
    assert jobs.family.tolist() == [1, 0, 1]
    assert jobs.tenant.tolist() == [1, 1, 0]
    assert jobs.residency.tolist() == [3 if kind == "polars" else -1, 3, 2]
    numbers = jobs.to_arrow()
    assert grid.Jobs.from_arrow(numbers, names=names).origin.tolist() == [1, 0, 0]


@pytest.mark.parametrize(
    ("names", "error", "words"),
    [
        ({"orign": ["Hami"]}, InvalidProblemError, r"names: found 'orign', needed one of .*origin"),
        ({"work_h": ["Hami"]}, InvalidProblemError, "names: found 'work_h'"),
        ({"origin": "Hami"}, TypeError, r"names\.origin must be a sequence of str, not str"),
        ({"origin": 5}, TypeError, r"names\.origin must be a sequence of str, not int"),
        ({"origin": ["Hami", 1]}, TypeError, r"names\.origin\[1\] must be a str, not int"),
        ({"origin": ["a", "a"]}, InvalidProblemError, r"names\.origin\[1\]: found 'a' a second"),
        (["origin"], TypeError, "names must be a mapping of columns, not list"),
        (
            {"origin": ["Wuhu"]},
            InvalidProblemError,
            r"jobs\.origin\[1\] is 'Hami', needed one of W",
        ),
        ({}, TypeError, r"jobs\.origin\[0\] is .Wuhu., needed an integer"),
    ],
)
def test_names_that_mean_nothing_are_refused(names, error, words):
    """If this fails, a misspelt site becomes another one."""
    table = frames()["arrow"].drop_columns(["family", "tenant", "residency"])
    with pytest.raises(error, match=words):
        grid.Jobs.from_arrow(table, names=names)


def test_classes_may_name_their_sites():
    """If this fails, only jobs may have names."""
    table = pa.table(
        {
            "site": ["South", "North"],
            "accelerator": ["H20", "H20"],
            "capacity": [[8, 8], [4, 4]],
            "memory_gb": [96.0, 96.0],
            "power_kw": [0.3, 0.3],
            "throughput": [[1.0], [1.0]],
        }
    )
    names = {"site": ["North", "South"], "accelerator": ["A800", "H20"]}
    classes = grid.Classes.from_arrow(table, names=names, accelerator_names=("A800", "H20"))
    assert classes.site.tolist() == [1, 0]
    assert classes.accelerator.tolist() == [1, 1]


def test_a_frame_without_a_column_or_with_one_twice_is_refused():
    """A TypeError of a constructor, and a KeyError, named neither table nor column."""
    table = jobs().to_arrow()
    with pytest.raises(InvalidProblemError, match=r"jobs has no column 'gang', which has no def"):
        grid.Jobs.from_arrow(table.drop_columns(["gang"]))
    for name in ("gang", "id"):
        twice = table
        while twice.column_names.count(name) < 2:
            twice = twice.append_column(name, pa.array(range(1, len(table) + 1)))
        with pytest.raises(InvalidProblemError, match=r"second column|2 columns called 'id'"):
            grid.Jobs.from_arrow(twice)
