"""Rolling: an operator that plans every hour, commits the hour, and remembers what it brought."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ... import _checks
from ...errors import InvalidProblemError
from ...forecast.signal import yesterday
from ..plan.costs import bundle_table
from ..planner.match import match
from ..tables.problem import Problem
from ..tables.times import day_of, steps_in
from .committed_hour import (
    Window,
    commit,
    energy_yuan,
    later_yuan,
    length_of,
    move,
    numbered,
    own_yuan,
    power,
    window_of,
    within_store,
)
from .hindsight import Account, account, hindsight_problem, hourly_yuan
from .hour_inputs import (
    alternatives,
    brought,
    expected_jobs,
    factor_of,
    new_table,
    outlook,
    setting,
)
from .regret import above_hindsight, causes
from .state import (
    AHEAD,
    COSTS,
    DONE,
    LOST,
    RUNNING,
    WAITING,
    Book,
    HourLedger,
    State,
    first_state,
    hour_bundles,
    hour_measurements,
    read_state,
    write_state,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from os import PathLike

    import pyarrow as pa
    from numpy.typing import NDArray

    from ..._progress import ProgressHook
    from ...plot.rolling import RollingPlots
    from ..plan.columns import Prices
    from ..plan.plan import Plan
    from ..tables.column import Floats, Int64s

    Forecast = str | Callable[[Floats, int], Any]
    Arrivals = str | Callable[..., Any]


#: Part of an hour's time limit that the match may take: the rest writes the hour down.
MATCH_PART = 0.8
#: Times the limits that a step may take which has no plan to begin with.
FIRST_STEP_LIMITS = 3.0
#: What the gap may be above that asked for in an hour that begins with the plan of the last one.
#: A plan that is carried on has been through the whole search in the hours before.
WARM_GAP = 1.5
#: Part of the limits that the first plan takes where jobs run that have hours to redo if they break
#: off: two more plans decide whether they do.
BREAK_PART = 0.6


@dataclasses.dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Step:
    """The commitments of one hour.

    Parameters
    ----------
    hour : int
        Of the operator's clock.
    commit : dict of array
        The jobs that start in this hour: ``job`` (number), ``klass``, ``site``, ``start`` (the
        hour), ``hours``, ``gang``.
    moved : dict of array
        Running jobs that move or stop: ``job``, ``from_klass``, ``klass`` (-1 = stopped, it waits
        again), ``hours`` left there.
    lost : int64 array
        Jobs that could start until now and no longer can.
    plan : Plan
        Of the hours ahead; its hour 0 is this hour. Energy in it is as it was forecast.
    ledger : HourLedger
        With this hour as it came.
    seconds : float
        What the step took.
    rows : int64 array
        The number of each job of ``plan.problem``, -1 for one that is only expected.
    """

    hour: int
    commit: dict[str, NDArray[Any]]
    moved: dict[str, NDArray[Any]]
    lost: Int64s
    plan: Plan
    ledger: HourLedger
    seconds: float
    rows: Int64s

    @property
    def bound_yuan(self) -> float:
        """Lower bound on the cost of every plan for the hours ahead."""
        return self.plan.bound_yuan

    @property
    def gap(self) -> float:
        """The plan's relative gap."""
        return self.plan.gap

    def __repr__(self) -> str:
        """A line to recognise it by."""
        starts, moves = len(self.commit["job"]), len(self.moved["job"])
        counts = f"{starts:,} jobs start, {moves} move, gap {self.gap:.3%}"
        return f"<Step of {_unit(self.plan.problem)} {self.hour}: {counts}>"


class Rolling:
    """A grid operated by the hour: each step plans the hours ahead and commits the first of them.

    Parameters
    ----------
    problem : Problem
        All hours, as they are forecast, and the jobs that are known from the start (each may start
        from its release on). Its ``running`` jobs run. A mandate whose shortfall is forbidden is
        planned at its price: hours that have passed cannot be mended. Quotas and the mandate are
        those of all of its hours; what is stored after a plan is worth what the last duals say.
        Where its steps are shorter than an hour (`Problem.step_h`), each is planned and committed,
        and all that counts hours below counts steps, but for `horizon_h`.
    horizon_h : int
        Hours planned ahead, at least 1; more where a waiting job runs longer.
    forecast : "corrected", None or callable
        What direct sources will deliver of what the tables say. "corrected", the default: the
        tables times the mean factor of the hours so far, plus the last hour's deviation from it,
        which decays as in the past, less a margin of 1.65 standard errors: 19 of 20 windows bring
        more. None: all of it. A callable ``forecast(past, hours)`` gets the factor of each hour
        that has passed and returns those of the next ones.
    arrivals : None, "yesterday" or callable
        Jobs that may come: they take room in a plan and are never committed
        (`forecast.phantoms`). Only jobs that came by `new_jobs` are a record of arrivals.
        "yesterday", or `forecast.yesterday`: those of the last day again, once there is a day.
        None: nothing is expected, which cost less where it was measured
        (docs/explanation/operator.md).
    margin : float
        Added to the mandate's share in plans; the account is kept at the share itself.
    gap : float
        Each plan's, as for `match`; an hour that begins with the plan of the last one may leave
        half as much again.
    movable, checkpoint_gb, restart_h, move_yuan : scalar or array (n_jobs,)
        May a job be moved while it runs, and what that takes, as in `Running`; jobs of `new_jobs`
        have the scalar, or False and 0.
    threads : int, optional
    last : (Prices, job numbers, hours), optional
        Prices of a plan that began so many hours before this problem, and the number here of each
        of its jobs, -1 for one that is no longer known: the first step begins with them.

    Raises
    ------
    InvalidProblemError, TypeError
        An argument out of its range or of a wrong type.

    Notes
    -----
    An interruptible job is planned in pieces until it starts, and from then on with the pieces that
    may follow. Each hour decides whether it goes on or breaks off: after its least piece, and where
    its deadline leaves room for the restart. It goes on at its site, at the price and with the
    restart of its own columns; what is left of its work is carried along. The hours of a restart
    that an hour causes are in the plans after it. A plan that would break jobs off is compared by
    cost: two more plans are made, one in which these jobs go on, and one in which they wait with
    the restart to do, and the cheaper one decides about all of them. Their delay is paid in the
    hour that breaks off. Jobs that ran when the operator began go by their row of
    ``problem.running``.

    What starts in an hour is decided on what was known before it: `actual` says what the hour then
    brought, and changes the account, the battery and later hours, not the starts of its own.
    Nothing beyond the window is read.

    A job's number is its row in the problem's jobs table; jobs of `new_jobs` are counted on.

    Determinism: the same inputs give the same bytes for any number of threads, except where a
    `time_limit` ends a plan.

    Examples
    --------
    >>> import gridcompute as gc
    >>> problem = gc.grid.east_west(n_jobs=20, seed=0, hours=8)
    >>> op = gc.grid.Rolling(problem, horizon_h=4, gap=2.0)
    >>> step = op.step(actual={"renewables": 0.9}, time_limit=2.0)
    >>> len(step.commit["job"]) >= op.running.size, len(op.ledger.hours)
    (True, 1)
    >>> bool(step.plan.verify().valid)
    True
    """

    def __init__(
        self,
        problem: Problem,
        *,
        horizon_h: int = 48,
        forecast: Forecast | None = "corrected",
        arrivals: Arrivals | None = None,
        margin: float = 0.0,
        gap: float = 1e-3,
        movable: Any = False,
        checkpoint_gb: Any = 0.0,
        restart_h: Any = 0,
        move_yuan: Any = 0.0,
        threads: int | None = None,
        last: tuple[Prices, Any, int] | None = None,
    ) -> None:
        if not isinstance(problem, Problem):
            raise TypeError(f"problem must be a grid.Problem, not {type(problem).__name__}")
        self.horizon_h = _checks.whole("horizon_h", horizon_h, 1, 2**31 - 1)
        self._forecast, self._arrivals = _models(forecast, arrivals)
        self.margin = _checks.number("margin", margin, 0.0)
        if self.margin > 1:
            message = f"margin: found {margin}, needed a number from 0 to 1"
            raise InvalidProblemError(message, "margin")
        self.gap = _checks.gap(gap)
        if threads is not None:
            _checks.threads(threads)
        self._threads = threads
        n = len(problem.jobs)
        given = {
            "movable": (movable, np.bool_),
            "checkpoint_gb": (checkpoint_gb, np.float64),
            "restart_h": (restart_h, np.int32),
            "move_yuan": (move_yuan, np.float64),
        }
        moves = {name: setting(name, values, n, kind) for name, (values, kind) in given.items()}
        self._moves_of_new = {
            name: values if np.ndim(values) == 0 else np.zeros(1, kind)[0]
            for name, (values, kind) in given.items()
        }
        book = Book.empty().with_jobs(problem.jobs, problem, -1, **moves)
        if problem.running is not None:
            table = problem.running
            book["state"][table.id] = RUNNING
            book["klass"][table.id], book["started"][table.id] = table.klass, 0
            book["end"][table.id], book["interruptible"][table.id] = table.hours_left, False
            for name in given:
                book[name][table.id] = getattr(table, name)
        #: The problem of all hours, as it was given.
        self.world = problem
        self._state = first_state(problem, book, self._horizon)
        #: Hours before the first step of the plan whose prices it begins with.
        self._since = 1 if last is None else _checks.whole("last", last[2], 0, 2**31 - 1)
        if last is not None:
            rows = np.where(np.asarray(last[1]) < n, last[1], -1).astype(np.int64)
            self._state = dataclasses.replace(self._state, prices=last[0], rows=rows)
        self._window: Window | None = None
        self._cached: dict[str, Any] = {}
        #: `time_limit` and `work_limit` of each step that was made.
        self._limits: list[tuple[float | None, float | None]] = []

    # -- What it knows ---------------------------------------------------------------------------

    @property
    def _horizon(self) -> int:
        """The horizon in steps."""
        return steps_in(self.horizon_h, self.world.step_h)

    @property
    def clock(self) -> int:
        """Hours that have passed, or steps where these are shorter; the next step is that of it."""
        return self._state.clock

    @property
    def problem(self) -> Problem:
        """The problem that the last step planned; before the first one, the one it will plan."""
        if self._window is None:
            self._window = self._ahead(self._state)[0]
        return self._window.problem

    @property
    def ledger(self) -> HourLedger:
        """Load and green energy by hour and site."""
        return self._state.ledger

    @property
    def history(self) -> dict[str, NDArray[Any]]:
        """By name one number an hour, or a step of the problem where these are shorter.

        ``load_kwh green_kwh stored_kwh renewables`` (delivered over said) ``started moved lost_jobs
        waiting running gap seconds``, and what the hour cost: ``energy wear shed data delay moves
        lost``, yuan.
        """
        return {name: np.array(values) for name, values in self._state.history.items()}

    @property
    def running(self) -> Int64s:
        """Numbers of the jobs that run."""
        return np.flatnonzero(self._state.book["state"] == RUNNING)

    @property
    def waiting(self) -> Int64s:
        """Numbers of the jobs that are known and have neither started nor been lost."""
        return np.flatnonzero(self._state.book["state"] == WAITING)

    @property
    def lost(self) -> Int64s:
        """Numbers of the jobs that can no longer start."""
        return np.flatnonzero(self._state.book["state"] == LOST)

    def may_move(self, job: int) -> bool:
        """Return whether a job may be moved while it runs."""
        rows = self._state.book.rows_of("job", _checks.whole("job", job, 0, 2**62))
        return bool(self._state.book["movable"][rows[0]])

    def __repr__(self) -> str:
        """A line to recognise it by."""
        counts = f"{len(self.running):,} jobs run, {len(self.waiting):,} wait"
        at = f"{_unit(self.world)} {self.clock} of {self.world.hours}"
        return f"<Rolling {self.world.name!r}: {at}, {counts}>"

    # -- An hour ---------------------------------------------------------------------------------

    def step(
        self,
        *,
        actual: Mapping[str, Any] | None = None,
        new_jobs: Any = None,
        finished: Any = None,
        time_limit: float | None = None,
        work_limit: float | None = None,
        progress: bool | ProgressHook | None = None,
    ) -> Step:
        """Plan from this hour on, commit the hour, and write down what it brought.

        Parameters
        ----------
        actual : mapping, optional
            What the hour brought otherwise than the tables say. ``"renewables"`` or the name of a
            source: what it delivered as a part of that; a column of the energy table
            (``"tariff_yuan_per_kwh"``, ``"base_load_kwh"``, ...): its values by site. None or
            empty: as forecast.
        new_jobs : Jobs or mapping of its columns, optional
            Jobs that are known from now on; ``release`` and ``deadline`` are hours of the
            operator's clock, and a deadline may lie past the last hour.
        finished : job numbers, optional
            Jobs that ended before this hour, though they were expected to run on.
        time_limit, work_limit : float, optional
            Seconds for the whole step, and units of counted work for its plan, as for `match`: the
            same hour on any machine. A step that has no plan to begin with gets three times both.
        progress : bool or callable, optional
            As for `match`.

        Returns
        -------
        Step

        Raises
        ------
        InvalidProblemError
            The tables have no more hours, or an argument is out of range. The operator is as it was
            before the call.
        TypeError
            An argument of a wrong type.
        """
        began = time.perf_counter()
        state, t = self._state, self._state.clock
        if t >= self.world.hours:
            unit = _unit(self.world)
            message = f"step: found {unit} {t}, needed one below {self.world.hours}: the tables end"
            raise InvalidProblemError(message, "hours")
        time_limit, work_limit = _checks.time_limit(time_limit), _checks.work_limit(work_limit)
        hour = brought(actual, self.world.energy, t)
        arriving = new_table(new_jobs, self.world, t)
        book = state.book.copy()
        ended = book.rows_of("finished", () if finished is None else finished)
        _end_early(book, ended, t)
        if arriving is not None:
            book = book.with_jobs(arriving, self.world, t, **self._moves_of_new)
        gone = book.expire(t)  # what came too late to start at all
        state = dataclasses.replace(state, book=book)
        window, prices = self._ahead(state)
        times = FIRST_STEP_LIMITS if prices is None else 1.0
        work = None if work_limit is None else work_limit * times

        def planned(problem: Problem, start: Prices | None, part: float) -> Plan:
            """Plan within a part of what is left of the limits."""
            nonlocal work
            left = None
            if time_limit is not None:
                spent = time.perf_counter() - began
                left = max(0.0, MATCH_PART * times * time_limit - spent) * part
            found = match(
                problem,
                gap=self.gap if start is None else WARM_GAP * self.gap,
                prices=start,
                threads=self._threads,
                time_limit=left,
                work_limit=None if work is None else work * part,
                progress=progress,
            )
            if work is not None:
                work = max(0.0, work - float(found.stats["work_units"]))
            return found

        window, plan = _decided(window, prices, planned)
        moved, moving = move(window, plan, book, t, self.world)
        started = commit(window, plan, book, t)
        powered = power(plan, hour)
        d = powered.dispatch
        late = book.expire(t + 1)
        lost = np.concatenate([gone, late])
        costs = energy_yuan(powered.problem, d)
        own = own_yuan(book, started, self.world, t)
        costs |= {name: float(yuan.sum()) for name, yuan in own.items()}
        for name, yuan in moving.items():
            costs[name] += yuan
        costs["lost"] = float(book["value_yuan"][lost].sum())
        busy = np.flatnonzero(book["state"] == RUNNING)
        kinds = self.world.classes.accelerator[book["klass"][busy]]
        account = self.world.quotas.linear_rows.account(book["tenant"][busy], kinds)
        used = np.bincount(account, book["gang"][busy], len(state.used))
        after = self._after(state, window, plan, powered, hour)
        later, new = later_yuan(window, plan, powered, book, self.world, t)
        after = dataclasses.replace(after, open_yuan=later, new_yuan=new)
        said = self.world.energy.direct_kwh[:, :, t]
        book["state"][busy[book["end"][busy] <= t + 1]] = DONE
        seconds = time.perf_counter() - began
        record = {
            "load_kwh": float(after.ledger.load_kwh[-1].sum()),
            "green_kwh": float(after.ledger.green_kwh[-1].sum()),
            "stored_kwh": float((after.green_kwh + after.grey_kwh).sum()),
            "renewables": factor_of(hour["direct_kwh"], said),
            "started": float(len(started["job"])),
            "moved": float(len(moved["job"])),
            "lost_jobs": float(len(lost)),
            "waiting": float((book["state"] == WAITING).sum()),
            "running": float((book["state"] == RUNNING).sum()),
            "gap": plan.gap,
            "seconds": seconds,
            **costs,
        }
        history = {name: [*values, record[name]] for name, values in state.history.items()}
        step = Step(
            hour=t,
            commit=started,
            moved=moved,
            lost=lost,
            plan=plan,
            ledger=after.ledger,
            seconds=seconds,
            rows=window.rows,
        )
        # All at once and last: an interrupt comes before, and the hour has not been, or after.
        self.__dict__ = self.__dict__ | {
            "_state": dataclasses.replace(after, history=history, used=state.used + used),
            "_window": window,
            "_cached": {},
            "_limits": [*self._limits, (time_limit, work_limit)],
        }
        return step

    def _ahead(self, state: State) -> tuple[Window, Prices | None]:
        """Return the problem of the hours ahead, and prices of the last plan for it."""
        hours, day = length_of(self.world, state, self._horizon), day_of(self.world.step_h)
        factor = outlook(self._forecast, state.history["renewables"], hours)
        expected = expected_jobs(self._arrivals, state.book, state.clock, hours, day)
        prices, since = state.prices, 1 if state.history["seconds"] else self._since
        if prices is not None:
            prices = prices.shift(since, length=hours, day=day).replace(placement=None)
        window = window_of(self.world, state, hours, factor, expected, prices, self.margin)
        if state.prices is not None:
            ids = numbered(state.rows), numbered(window.rows)
            prices = state.prices.shift(since, ids, length=hours, day=day)
        return window, prices

    def _after(
        self, state: State, window: Window, plan: Plan, powered: Any, hour: dict[str, Floats]
    ) -> State:
        """Return the state after the hour, its history and quotas left as they were."""
        d, t = powered.dispatch, state.clock
        energy = self.world.energy
        sold = d.exported_kwh.sum(axis=0) * float(self.world.counts_exports)
        counted = dict(zip(AHEAD, (d.load_kwh, d.green_kwh, sold), strict=True))
        old = state.ledger
        of_hour = {**counted, "shed_kwh": d.shed_kwh}
        books = {k: np.vstack([getattr(old, k), v[:, 0]]) for k, v in of_hour.items()}
        ledger = HourLedger(old.sites, np.append(old.hours, t), **books)
        stored = d.green_stored_kwh[:, 0], d.grey_stored_kwh[:, 0]
        green, grey = within_store(*stored, energy.battery_kwh)
        brought_now = {**hour, "may_shed_kwh": powered.problem.energy.shed_kwh[:, 0]}
        actual = {name: [*values, brought_now[name]] for name, values in state.actual.items()}
        taken = {
            "used": d.direct_kwh[:, :, 0].sum(axis=0),
            "stored": d.direct_charge_kwh[:, :, 0].sum(axis=0),
            "available": hour["direct_kwh"].sum(axis=0),
            "bundled": d.bundled_kwh[:, 0] + d.bundled_charge_kwh[:, 0],
        }
        direct = {name: state.direct[name] + amount for name, amount in taken.items()}
        drawn = (d.grid_kwh[:, 0] + d.grid_charge_kwh[:, 0]) / self.world.step_h
        direct["peak_kw"] = np.maximum(state.direct["peak_kw"], drawn)
        return dataclasses.replace(
            state,
            clock=t + 1,
            green_kwh=green,
            grey_kwh=grey,
            worth=powered.worth,
            ledger=ledger,
            prices=plan.prices,
            rows=window.rows,
            actual=actual,
            direct=direct,
            ahead={name: values[:, 1:].sum(axis=1) for name, values in counted.items()},
            gap_yuan=plan.objective_yuan - plan.bound_yuan,
        )

    # -- What it cost, and what it might have cost -------------------------------------------------

    @property
    def account(self) -> Account:
        """Return the cost of the hours that have passed, part by part, with open debts settled.

        Spent are the parts of `history`. At the last plan's prices are ``tail`` and ``waiting``,
        what still runs and what the jobs that wait would cost, and ``stored``, the worth of what is
        stored (not above 0). Owed are ``mandate``, what the last plan leaves missing of what these
        hours owe, at the price of a shortfall, and ``direct_rule``, what is missing to it so far.
        """
        if "account" not in self._cached:
            self._cached["account"] = account(self.world, self._state, self._horizon)
        found: Account = self._cached["account"]
        return found

    @property
    def cost_yuan(self) -> float:
        """The cost of the hours that have passed, the sum of `account.parts`.

        It is what `hindsight` is compared with: what is open is settled at the last plan's prices,
        most of which is the rent of scarce accelerators where jobs compete for them.
        """
        return self.account.yuan

    @property
    def expected_yuan(self) -> float:
        """The spending of these hours, and to expect for what is open, with what is owed.

        It has no rents: no hour changes it by more than what the hour spends, and what the plan
        spends on jobs that are new in it, but where a plan changes its mind.
        """
        return self.account.expected_yuan

    @property
    def expected_share(self) -> Floats:
        """The green share of each site up to the last hour of the last plan, nan without load.

        Counted as the mandate counts: green power used in its own hour, and by the volume rule
        exported power whose certificates are kept.
        """
        load, green, sold = (
            getattr(self.ledger, name).sum(axis=0) + self._state.ahead[name] for name in AHEAD
        )
        out = np.full(len(load), np.nan)
        return np.asarray(np.divide(green + sold, load, out=out, where=load > 0))

    def hindsight(
        self,
        *,
        gap: float | None = None,
        time_limit: float | None = None,
        work_limit: float | None = None,
    ) -> Plan:
        """Return the plan with complete information: the same hours, jobs, and ends.

        It may start the jobs released in the hours that have passed, in those hours, and is charged
        for the rest as `account` is: for jobs left waiting, for what still runs and what is stored.
        What the operator did is one of its plans, so its bound is never above `cost_yuan`, unless
        running jobs were moved: it cannot move them. Jobs that broke off are there as they came;
        those that wait at the end, or went on at another class, with the work that was left.

        Parameters
        ----------
        gap : float, optional
            Default: the operator's.
        time_limit, work_limit : float, optional
            As for `match`.

        Raises
        ------
        InvalidProblemError
            No hour has passed.
        """
        gap = self.gap if gap is None else _checks.gap(gap)
        problem = hindsight_problem(self.world, self._state, self.account, self._horizon)
        return match(
            problem, gap=gap, threads=self._threads, time_limit=time_limit, work_limit=work_limit
        )

    @property
    def regret(self) -> dict[str, float]:
        """Return the causes of the cost above hindsight's bound, which add up to it.

        ``forecast``: less if direct sources were known; ``arrivals``: less if jobs of `new_jobs`
        were known from the start; ``overlap``: less if both were known, beyond these two;
        ``horizon``: what is lost with both known, because a window ends, or plans are not the best;
        ``tail`` and ``waiting``: what is left running or waiting beside hindsight's plan, of which
        the causes before leave out the cost; ``solver``: cost of hindsight's plan less its bound.
        The hours are run again three times, each within its own limits, and hindsight within those
        of all hours together: it takes up to four times as long as the hours did.
        """
        if "regret" not in self._cached:
            self._cached["regret"] = causes(self)
        return dict(self._cached["regret"])

    def regret_by_hour(self, seen: Plan | None = None) -> Floats:
        """Return the cost of each hour less its cost in hindsight's plan, yuan, (hours,).

        Power, wear, load shed, data, delay and moves; all else is in `regret_by_part`.

        Parameters
        ----------
        seen : Plan, optional
            Of `hindsight`; None: it is found.
        """
        seen = self.hindsight() if seen is None else seen
        spent = sum(self.history[name] for name in COSTS if name != "lost")
        return np.asarray(spent - hourly_yuan(seen, self.clock))

    def regret_by_part(self, seen: Plan | None = None) -> dict[str, float]:
        """Return the cost above that of hindsight's plan, part by part of the account, yuan.

        ``hours`` is the sum of `regret_by_hour`; beside it are ``lost`` and the parts of the
        account that are open or owed.

        Parameters
        ----------
        seen : Plan, optional
            Of `hindsight`; None: it is found.
        """
        return above_hindsight(self, self.hindsight() if seen is None else seen)

    def measurements(self) -> pa.Table:
        """Return the load of the hours that have passed, as `Plan.measurements` does of a plan."""
        return hour_measurements(self.world, self.ledger)

    def bundles(self) -> pa.Table:
        """Return the green power of the hours that have passed, as `Plan.bundles` does."""
        return bundle_table(hour_bundles(self.world, self.ledger))

    @property
    def plot(self) -> RollingPlots:
        """The pictures of the hours, e.g. `plot.load()` or `plot.regret()`; needs matplotlib."""
        from ...plot.rolling import RollingPlots  # upwards, and only when called

        return RollingPlots(self)

    def report(self, path: str | PathLike[str], seen: Plan | None = None) -> Path:
        """Write one page of the run with pictures, and return its path.

        Load, green share, moves, the account; with hindsight's plan `seen` the regret by hour.

        Parameters
        ----------
        path : path
            Of the file to write, e.g. ``"operator.html"``.
        seen : Plan, optional
            Of `hindsight`.
        """
        from ...report.operator_page import write_operator_page  # upwards, and only when called

        return write_operator_page(self, Path(path), seen)

    # -- Across a restart --------------------------------------------------------------------------

    def snapshot(self, path: str | PathLike[str]) -> None:
        """Write all that the next hours follow from; a crash leaves the old file or the new one.

        Raises
        ------
        OSError
            The file cannot be written; what was there is as it was.
        """
        settings = {
            "horizon_h": self.horizon_h,
            "margin": self.margin,
            "gap": self.gap,
            "threads": self._threads,
            "forecast": self._forecast if not callable(self._forecast) else "callable",
            "arrivals": self._arrivals if not callable(self._arrivals) else "callable",
            "moves_of_new": {k: np.asarray(v).item() for k, v in self._moves_of_new.items()},
            "limits": self._limits,
        }
        write_state(path, self.world, self._state, settings)

    @classmethod
    def restore(
        cls,
        path: str | PathLike[str],
        *,
        forecast: Forecast | None = None,
        arrivals: Arrivals | None = None,
    ) -> Rolling:
        """Return the operator of a snapshot; its next hours are those the first would have had.

        Parameters
        ----------
        path : path
        forecast, arrivals : callable, optional
            The operator's own, where it had a callable: a file cannot hold it.

        Raises
        ------
        InvalidProblemError
            The file is no snapshot of an operator, or is damaged; or a callable is missing.
        """
        world, state, settings = read_state(path)
        for name, given in (("forecast", forecast), ("arrivals", arrivals)):
            if settings[name] == "callable":
                if not callable(given):
                    message = f"{name}: found {given!r:.100}, needed the callable the operator had"
                    raise InvalidProblemError(message, name)
                settings[name] = given
        op = object.__new__(cls)
        op.horizon_h, op.margin, op.gap = (settings[k] for k in ("horizon_h", "margin", "gap"))
        op._forecast, op._arrivals = settings["forecast"], settings["arrivals"]
        op._threads, op._moves_of_new = settings["threads"], settings["moves_of_new"]
        op.world, op._state, op._window, op._cached, op._since = world, state, None, {}, 1
        # Snapshots of earlier versions have no limits: their hours are run again without any.
        unknown = [(None, None)] * state.clock
        op._limits = [(seconds, units) for seconds, units in settings.get("limits", unknown)]
        return op


def _decided(
    window: Window, prices: Prices | None, planned: Callable[[Problem, Prices | None, float], Plan]
) -> tuple[Window, Plan]:
    """Return the plan of a window, with the problem it is of, and jobs that break off only if that
    pays.

    `planned` returns the plan of a problem, from prices, within a part of the limits.
    """
    running = window.problem.running
    redo = running is not None and bool(
        (window.problem.jobs.interruptible[running.id] & (running.restart_h > 0)).any()
    )
    plan = planned(window.problem, prices, BREAK_PART if redo else 1.0)
    others = alternatives(window.problem, plan) if redo else None
    if others is None:
        return window, plan
    waits = planned(others.waiting, plan.prices, 0.5)
    goes_on = planned(others.going_on, plan.prices, 1.0)
    if goes_on.objective_yuan <= waits.objective_yuan + others.beside_yuan:
        return Window(others.going_on, window.rows), goes_on
    return window, plan


def _models(forecast: Any, arrivals: Any) -> tuple[Any, Any]:
    """Return what is expected, as given; `yesterday` by its name."""
    if forecast is not None and not callable(forecast):
        _checks.choice("forecast", forecast, ("corrected",))
    if arrivals is yesterday:
        return forecast, "yesterday"
    if arrivals is not None and not callable(arrivals):
        _checks.choice("arrivals", arrivals, ("yesterday",))
    return forecast, arrivals


def _unit(problem: Problem) -> str:
    """Return what the operator's clock counts."""
    return "hour" if problem.step_h == 1 else "step"


def _end_early(book: Book, rows: Int64s, hour: int) -> None:
    """Mark running jobs as done before this hour."""
    idle = book["state"][rows] != RUNNING
    if idle.any():
        at = int(np.argmax(idle))
        message = f"finished[{at}]: found job {rows[at]}, needed one that runs"
        raise InvalidProblemError(message, "finished", at)
    book["state"][rows], book["end"][rows], book["finished"][rows] = DONE, hour, hour
