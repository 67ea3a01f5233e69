"""Quotas as a tree of queues: limits, guarantees and borrowing, over all accelerators or one."""

import dataclasses

import numpy as np
import pyarrow as pa
import pytest

import gridcompute as gc
from gridcompute import InvalidProblemError, grid
from gridcompute.grid.plan import queues as queue_module

LAB, VISION, SPEECH, GUEST = range(4)
NAMES = ("lab", "vision", "speech", "guest")


def day(**quotas):
    """Four hours at one site with 8 accelerators of A and 8 of B, and more jobs than they can run.

    Vision and speech are below the lab; each of the three has 12 jobs of 4 accelerator-hours.
    """
    tenant = np.repeat([VISION, SPEECH, GUEST], 12)
    n = len(tenant)
    return grid.Problem(
        jobs=grid.Jobs(
            gang=np.full(n, 2),
            work_h=np.full(n, 2.0),
            origin=np.zeros(n, int),
            deadline=np.full(n, 4),
            value_yuan=10.0 + np.arange(n) % 12 / 10 + np.where(tenant == VISION, 5.0, 0.0),
            tenant=tenant,
        ),
        sites=grid.Sites(name=["here"]),
        classes=grid.Classes(
            site=[0, 0],
            accelerator=[0, 1],
            capacity=[[8] * 4] * 2,
            memory_gb=[80.0, 80.0],
            power_kw=[0.5, 0.5],
            throughput=[[1.0, 1.0]],
            accelerator_names=("A", "B"),
        ),
        hours=4,
        energy=grid.Energy(
            direct_kwh=np.zeros((0, 1, 4)),
            direct_yuan_per_kwh=np.zeros((0, 1)),
            tariff_yuan_per_kwh=np.full((1, 4), 0.5),
        ),
        corridors=grid.Corridors(delay_ms=np.zeros((1, 1)), bandwidth_gb=np.full((1, 1, 4), 1e3)),
        quotas=grid.Quotas(tenant_names=NAMES, parent=["", "lab", "lab", ""], **quotas),
    )


def used(plan):
    """Accelerator-hours of each queue, those below it included, from the placements alone."""
    t, out = plan.table(), dict.fromkeys(NAMES, 0.0)
    for tenant, gang, hours in zip(t["tenant"], t["gang"], t["hours"], strict=True):
        out[NAMES[tenant]] += float(gang * hours)
    out["lab"] += out["vision"] + out["speech"]
    return out


def test_a_limit_above_tenants_holds_for_all_of_them():
    """If this fails, tenants of one queue use more together than the queue may."""
    plan = gc.match(day(upper_accelerator_h=[24.0, np.inf, np.inf, np.inf]), gap=0.0)
    found = used(plan)
    assert plan.verify().valid, plan.verify()
    assert found["lab"] == 24, found
    assert found["vision"] == 24, found  # its jobs are worth more
    assert found["guest"] == 40, found  # all that is left of 64
    left_out = next(j for j in plan.reasons if plan.problem.jobs.tenant[j] == SPEECH)
    found = plan.explain(left_out)
    assert (found.reason, found.queue) == ("QuotaReached", "lab")
    assert "(QuotaReached, queue lab)" in str(found)


def test_what_is_borrowed_has_a_limit_of_its_own():
    """If this fails, a tenant borrows more than it may."""
    plan = gc.match(
        day(
            lower_accelerator_h=[0.0, 8.0, 0.0, 0.0],
            borrowing_accelerator_h=[np.inf, 8.0, np.inf, np.inf],
        ),
        gap=0.0,
    )
    assert plan.verify().valid
    assert used(plan)["vision"] == 16


def test_a_guarantee_brings_in_jobs_that_are_worth_less():
    """If this fails, a price on what is missing to a guarantee above tenants changes nothing."""
    free = gc.match(day(upper_accelerator_h=np.inf), gap=0.0)
    held = day(lower_accelerator_h=[0.0, 0.0, 0.0, 32.0], below_yuan_per_accelerator_h=9.0)
    plan = gc.match(held, gap=0.0)
    assert used(free)["guest"] < 32 == used(plan)["guest"]
    assert plan.verify().valid
    held = day(lower_accelerator_h=[60.0, 0.0, 0.0, 0.0], below_yuan_per_accelerator_h=9.0)
    plan = gc.match(held, gap=0.0)
    assert used(plan)["lab"] == 60
    assert plan.costs["quota_shortfall"] == 0
    assert plan.verify().valid


def test_accelerators_have_limits_of_their_own():
    """If this fails, a tenant uses more of one accelerator than its queue may."""
    by = np.full((2, 4), np.inf)
    by[0, LAB] = 8.0
    plan = gc.match(day(upper_by_accelerator_h=by), gap=0.0)
    t = plan.table()
    of_lab = t["tenant"] != GUEST
    on_a = (t["klass"] == 0) & of_lab
    assert (t["gang"] * t["hours"])[on_a].sum() == 8
    assert plan.verify().valid
    assert plan.prices.quota_by_accelerator.shape == (2, 4)
    tighter = by.copy()
    tighter[:, VISION] = 1.0
    plan = gc.match(day(upper_by_accelerator_h=tighter), gap=0.0)
    found = plan.explain(0)
    assert (found.reason, found.queue) == ("QuotaTooSmall", "vision on A")


def test_a_plan_above_a_limit_is_found_out():
    """If this fails, the checker does not look above tenants, or not at accelerators."""
    plan = gc.match(day(upper_accelerator_h=np.inf), gap=0.0)
    by = np.full((2, 4), np.inf)
    by[1, LAB] = 4.0
    for quotas in (
        plan.problem.quotas.replace(upper_accelerator_h=[24.0, np.inf, np.inf, np.inf]),
        plan.problem.quotas.replace(upper_by_accelerator_h=by, lower_by_accelerator_h=None),
        plan.problem.quotas.replace(borrowing_accelerator_h=[24.0, np.inf, np.inf, np.inf]),
    ):
        stricter = plan.problem.replace(quotas=quotas)
        faults = dataclasses.replace(plan, problem=stricter).verify().faults
        assert "QuotaExceeded" in {f.token for f in faults}, (quotas, faults)
        with pytest.raises(InvalidProblemError, match="QuotaExceeded"):
            grid.evaluate(stricter, plan)


def test_flat_quotas_and_a_tree_without_effect_give_the_same_plan():
    """If this fails, quotas as they were no longer give the plans they gave."""
    problem = grid.east_west(n_jobs=60, seed=3, hours=6)
    tree = problem.quotas.replace(parent=[-1, *[0] * (len(problem.quotas) - 1)])
    tree = tree.replace(
        upper_accelerator_h=np.where(np.arange(len(tree)) == 0, np.inf, tree.upper_accelerator_h)
    )
    flat = tree.replace(parent=-1)
    plans = [gc.match(problem.replace(quotas=q), work_limit=2e4) for q in (flat, tree)]
    assert (plans[0].assignment == plans[1].assignment).all()
    assert plans[0].objective_yuan == plans[1].objective_yuan
    assert plans[0].bound_yuan == plans[1].bound_yuan


def test_the_audit_and_the_page_show_who_borrows_from_whom(tmp_path):
    """If this fails, a tenant cannot see its share, or who uses what it is guaranteed."""
    problem = day(
        upper_accelerator_h=[48.0, np.inf, np.inf, np.inf],
        lower_accelerator_h=[40.0, 16.0, 24.0, 24.0],
    )
    plan = gc.match(problem, gap=0.0)
    account, found = grid.audit(plan), used(plan)
    queues = account.queues
    assert dict(zip(queues.name, queues.used_h, strict=True)) == found
    assert found["vision"] > 16
    loans = [loan for loan in queues.loans if loan.borrower == "vision"]
    assert [loan.lender for loan in loans] == ["speech"]
    unused = 24 - found["speech"]
    assert loans[0].accelerator_h == pytest.approx(min(found["vision"] - 16, unused))
    assert queues.lent_h[SPEECH] == pytest.approx(loans[0].accelerator_h)
    borne = plan.table()["allocated_yuan"][plan.table()["tenant"] == VISION].sum()
    assert loans[0].yuan == pytest.approx(loans[0].accelerator_h * borne / found["vision"])
    assert queues.share_h[[LAB, GUEST]].sum() == found["lab"] + found["guest"]
    text, page = str(account), plan.report(tmp_path / "p.html").read_text(encoding="utf-8")
    assert "| vision | speech |" in text
    for words in ("fair share", "borrowed", "Who uses what others are guaranteed"):
        assert words in page, words
    assert account.as_dict()["queues"]["limit_h"] == [48.0, None, None, None]


@pytest.mark.parametrize("format", ["parquet", "csv"])
def test_a_tree_goes_through_files(format, tmp_path):
    """If this fails, a tree that was written is read as another one."""
    by = np.full((2, 4), np.inf)
    by[1, LAB] = 30.0
    problem = day(
        upper_accelerator_h=[40.0, np.inf, 20.0, np.inf],
        lower_accelerator_h=[0.0, 8.0, 8.0, 0.0],
        borrowing_accelerator_h=[np.inf, 8.0, np.inf, np.inf],
        upper_by_accelerator_h=by,
        weight=[1.0, 2.0, 1.0, 1.0],
    )
    again = grid.read_problem(grid.write_problem(problem, tmp_path / "p", format=format)).quotas
    for name in problem.quotas.columns():
        assert np.array_equal(getattr(again, name), getattr(problem.quotas, name)), name
    if format == "csv":
        path = tmp_path / "p" / "quotas.csv"
        assert "lab" in path.read_text(encoding="utf-8").splitlines()[2]
        (tmp_path / "p" / "written.json").unlink()
        head, row, *rest = path.read_text(encoding="utf-8").splitlines()
        rest[0] = "nobody".join(rest[0].rsplit("lab", 1))
        path.write_text("\n".join([head, row, *rest]), encoding="utf-8")
        words = r"quotas.csv: quotas.parent\[1\] is 'nobody'"
        with pytest.raises(InvalidProblemError, match=words):
            grid.read_problem(tmp_path / "p")
    plan = gc.match(problem, gap=0.0)
    stored = grid.read_plan(grid.write_plan(plan, tmp_path / "plan"))
    assert stored.verify().valid
    assert np.array_equal(stored.prices.quota_rows, plan.prices.quota_rows)


def test_running_jobs_count_in_the_queues_above_them():
    """If this fails, what runs is forgotten where a limit lies above its tenant."""
    by = np.full((2, 4), np.inf)
    by[1, LAB] = 20.0
    problem = day(upper_accelerator_h=[24.0, np.inf, np.inf, np.inf], upper_by_accelerator_h=by)
    running = grid.Running(id=[12, 13], klass=[1, 1], hours_left=[4, 4])
    plan = gc.match(problem.replace(running=running), gap=0.0)
    assert plan.verify().valid, plan.verify()
    t = plan.table()
    assert (t["gang"] * t["hours"])[t["tenant"] != GUEST].sum() == 24
    assert {12, 13} <= set(t["job"].tolist())


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"parent": [1, 2, 1]}, r"quotas.parent\[[12]\] is [12], needed a queue that does not lie"),
        ({"parent": [0, -1, -1]}, r"quotas.parent\[0\] is 0, needed a queue that does not lie"),
        ({"parent": [7, -1, -1]}, r"quotas.parent\[0\] is 7, needed below 3, the size of quotas"),
        ({"parent": ["x", "", ""]}, r"quotas.parent: found names, needed tenant_names"),
        (
            {"parent": ["x", "", ""], "tenant_names": ("a", "b", "c")},
            r"quotas.parent\[0\] is 'x', needed one of a, b, c",
        ),
        (
            {"upper_by_accelerator_h": [[1, 2, 3]], "lower_by_accelerator_h": [[1, 3, 3]]},
            r"quotas.lower_by_accelerator_h\[0, 1\] is 3.0, needed at most",
        ),
        ({"borrowing_accelerator_h": -1.0}, r"quotas.borrowing_accelerator_h\[0\] is -1.0"),
    ],
)
def test_quotas_that_make_no_tree_are_refused(columns, words):
    """If this fails, a circle of queues or a limit below a guarantee is taken."""
    with pytest.raises(InvalidProblemError, match=words):
        grid.Quotas(upper_accelerator_h=[9.0, 9.0, 9.0], **columns)


def test_a_long_chain_of_queues_is_a_tree_until_its_ends_meet():
    """If this fails, thousands of queues below each other take minutes, or a circle is taken."""
    n = 50_000
    chain = np.arange(-1, n - 1)
    quotas = grid.Quotas(upper_accelerator_h=np.full(n, np.inf), parent=chain)
    assert len(quotas.path(n - 1)) == n
    chain[7] = n - 1
    with pytest.raises(InvalidProblemError, match=r"quotas\.parent\[7\] is 49999, needed a queue"):
        quotas.replace(parent=chain)


def test_flat_quotas_get_limits_by_accelerator_one_at_a_time():
    """If this fails, what flat quotas have no rows of stands in the way of the other column."""
    flat = grid.Quotas(upper_accelerator_h=[9.0, 9.0])
    upper = flat.replace(upper_by_accelerator_h=[[1.0, 2.0], [3.0, 4.0]])
    assert np.array_equal(upper.lower_by_accelerator_h, np.zeros((2, 2)))
    lower = flat.replace(lower_by_accelerator_h=[[1.0, 2.0]])
    assert np.array_equal(lower.upper_by_accelerator_h, np.full((1, 2), np.inf))
    assert not flat.replace(upper_by_accelerator_h=(), lower_by_accelerator_h=None).by_accelerator


@pytest.mark.parametrize("seed", range(5))
def test_the_largest_loans_are_found_without_all_of_them(seed, monkeypatch):
    """If this fails, an audit of thousands of queues leaves out a loan larger than one it shows."""
    r = np.random.default_rng(seed)
    part = r.integers(0, 6, 30).astype(float)
    lent = np.where(part > 0, 0.0, r.integers(0, 6, 30).astype(float))
    for most in (1, 7, 40, 1000):
        monkeypatch.setattr(queue_module, "MOST_LOANS", most)
        borrower, lender, hours = queue_module._largest(part, lent)
        every = np.outer(part, lent)
        assert np.array_equal(hours, every[borrower, lender]), (seed, most)
        largest = np.sort(every[every > 0])[::-1][:most]
        assert np.array_equal(np.sort(hours)[::-1], largest), (seed, most)
        assert len(set(zip(borrower.tolist(), lender.tolist(), strict=True))) == len(hours)


def test_limits_by_accelerator_are_as_many_as_there_are_accelerators():
    """If this fails, a limit is read as that of another accelerator."""
    with pytest.raises(InvalidProblemError, match="found 3 rows, needed 2, one for each of"):
        day(upper_by_accelerator_h=np.ones((3, 4)))


def test_the_operator_keeps_limits_above_tenants():
    """If this fails, hours planned one by one exceed together what a queue may use."""
    held = {"upper_accelerator_h": [24.0, np.inf, np.inf, np.inf]}
    problem = day(**held)
    operator, ran = grid.Rolling(problem, horizon_h=4), set[int]()
    for _ in range(4):
        operator.step()
        ran |= set(operator.running.tolist())
    of_lab = np.isin(problem.jobs.tenant[sorted(ran)], [VISION, SPEECH])
    assert 0 < 4 * of_lab.sum() <= 24, ran
    seen = operator.hindsight()
    assert seen.verify().valid, seen.verify()
    assert used(seen)["lab"] <= 24


def test_a_frame_of_quotas_may_name_the_tenants():
    """If this fails, what quotas.csv may have is an unknown column of a frame."""
    frame = pa.table(
        {"name": ["lab", "team"], "parent": ["", "lab"], "upper_accelerator_h": [9.0, 4.0]}
    )
    quotas = grid.Quotas.from_arrow(frame)
    assert quotas.tenant_names == ("lab", "team")
    assert quotas.parent.tolist() == [-1, 0]
    with pytest.raises(
        InvalidProblemError, match=r"no column 'nam'; it has .*, name; did you mean"
    ):
        grid.Quotas.from_arrow(frame.rename_columns(["nam", "parent", "upper_accelerator_h"]))
