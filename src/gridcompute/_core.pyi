import sys
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeVar, overload, type_check_only

import numpy as np
from numpy.typing import NDArray

_Ints = NDArray[np.int64]
_Reals = NDArray[np.float64]
_Slots = NDArray[np.int32]
_T = TypeVar("_T")

@type_check_only
class _Pybind11Type(type): ...

class CostSource(metaclass=_Pybind11Type):
    def __init__(self, *args: Any, **kwargs: Any) -> None: ...
    @property
    def shape(self) -> tuple[int, int]: ...
    def row(self, job: int) -> NDArray[Any]: ...
    def reach(self, threads: int) -> tuple[float, int]: ...

_Columns = list[tuple[_Slots | None, _Reals | None]] | list[NDArray[Any]]

SHARD_PROTOCOL: int

class CostModel(metaclass=_Pybind11Type):
    def __init__(
        self, tables: Sequence[tuple[_Reals, bool, bool]], unplaced: float | str | None
    ) -> None: ...

class JobShard(metaclass=_Pybind11Type):
    def __init__(self, model: CostModel, first: int, n: int, n_jobs: int) -> None: ...
    def answer(
        self,
        question: bytes,
        columns: _Columns | None,
        unplaced: _Reals | None,
        threads: int,
        keep: bool = False,
    ) -> bytes | None: ...
    if sys.version_info >= (3, 12):  # before, a buffer in C alone
        def __buffer__(self, flags: int, /) -> memoryview: ...

    def take_assignment(self) -> _Slots: ...

class FlowWarmStart(metaclass=_Pybind11Type):
    def __init__(self, *args: Any, **kwargs: Any) -> None: ...
    def flow(self) -> _Ints: ...
    def stats(self) -> dict[str, Any]: ...

def dense_cost(cost: object) -> CostSource | None: ...
def sparse_cost(
    data: object, indices: object, indptr: object, n_jobs: int, n_slots: int
) -> CostSource | None: ...
def terms_cost(
    terms: Sequence[tuple[_Reals, _Slots | None, _Reals | None]], n_jobs: int, n_slots: int
) -> CostSource: ...
def callback_cost(
    address: int, context: int, n_jobs: int, n_slots: int, keep: object
) -> CostSource: ...
def transport(
    cost: CostSource,
    capacity: _Ints,
    demand: _Slots | None,
    unplaced: _Reals | None,
    resolution: float,
    gap: float,
    prices: _Reals | None,
    seed: int,
    threads: int,
    time_limit: float | None,
    work_limit: float | None,
    method: str,
    progress: Callable[[str, float], bool] | None,
) -> tuple[
    _Slots,
    _Ints,
    _Reals,
    float,
    float,
    bool,
    Literal["optimal", "feasible", "infeasible", "time_limit", "stopped"],
    dict[str, Any],
    tuple[_Ints, _Slots] | None,
    _Reals | None,
    _Reals | None,
]: ...
def are_counts_64(values: object, n: int, least: int) -> bool: ...
def are_counts_32(values: object, n: int, least: int) -> bool: ...
def check_transport(
    cost: CostSource,
    capacity: _Ints,
    demand: _Slots | None,
    unplaced: _Reals | None,
    assignment: _Slots,
    prices: _Reals,
    threads: int,
    charges: _Reals | None = None,
    remainders: _Reals | None = None,
) -> dict[str, Any]: ...
def formula_model(
    address: int,
    words: NDArray[np.uint64],
    places: Sequence[int],
    widths: Sequence[int],
    n_slots: int,
    unplaced: float | str | None,
    keep: object,
) -> CostModel: ...
def matrix_model(n_slots: int, wide: bool, unplaced: float | str | None) -> CostModel: ...
def transport_shards(
    model: CostModel,
    rows: _Ints,
    capacity: _Ints,
    ask: Callable[[list[bytes | None]], list[bytes | None] | bool | None],
    prices: _Reals | None,
    seed: int,
    threads: int,
    time_limit: float | None,
    progress: Callable[[str, float], bool] | None,
    held: Sequence[JobShard],
) -> tuple[Any, ...]: ...
def sum_shard(
    model: CostModel,
    columns: _Columns,
    unplaced: _Reals | None,
    first: int,
    assignment: _Slots,
    prices: _Reals,
    remainders: _Reals | None,
    threads: int,
) -> bytes: ...
def confined_shard(
    model: CostModel,
    columns: _Columns,
    unplaced: _Reals | None,
    first: int,
    n: int,
    slots: _Slots,
    job: int,
    threads: int,
) -> bytes: ...
def check_confined(parts: Sequence[bytes]) -> tuple[int, bool, int]: ...
def check_shards(
    model: CostModel,
    parts: Sequence[bytes],
    capacity: _Ints,
    prices: _Reals,
    remainders: _Reals | None,
) -> dict[str, Any]: ...
def least_costs(
    cost: CostSource,
    capacity: NDArray[np.int64],
    demand: NDArray[np.int32] | None,
    unplaced: NDArray[np.float64] | None,
    prices: NDArray[np.float64],
    group: NDArray[np.int32],
    remainders: NDArray[np.float64],
    threads: int,
) -> tuple[float, float]: ...
def check_witness(
    cost: CostSource,
    capacity: _Ints,
    demand: _Slots | None,
    unplaced: _Reals | None,
    jobs: _Ints,
    slots: _Slots,
) -> dict[str, Any]: ...
def min_cost_flow(
    tail: _Ints,
    head: _Ints,
    capacity: _Ints,
    cost: _Ints,
    supply: _Ints,
    lower: _Ints | None,
    method: str,
    start: FlowWarmStart | None,
    time_limit: float | None,
    work_limit: float | None,
    progress: Callable[[str, float], bool] | None,
) -> tuple[_Ints, int, Any, _Ints | None, _Ints | None, FlowWarmStart]: ...
def flow_arrays_fit(
    tail: object, head: object, capacity: object, cost: object, supply: object, lower: object, /
) -> bool: ...
def check_flow(
    tail: _Ints,
    head: _Ints,
    capacity: _Ints,
    cost: _Ints,
    supply: _Ints,
    lower: _Ints | None,
    status: str,
    flow: _Ints,
    potentials: _Ints,
    cut: _Ints,
    cycle: _Ints,
) -> dict[str, Any]: ...

class DimacsReader(metaclass=_Pybind11Type):
    def __init__(self, name: str) -> None: ...
    def feed(self, bytes: bytes) -> None: ...
    def finish(self) -> tuple[_Ints, _Ints, _Ints, _Ints, _Ints, _Ints]: ...

def write_dimacs(
    tail: _Ints, head: _Ints, capacity: _Ints, cost: _Ints, supply: _Ints, lower: _Ints | None
) -> bytes: ...
def thread_count(asked: int = 0) -> int: ...

# ---------------------------------------------------------------- assignment

def assignment_pairs(cost: object, maximize: bool) -> Any: ...
def tuning_table(solver: str) -> list[dict[str, Any]]: ...
def set_tuning(solver: str, values: dict[str, float]) -> None: ...
def assignment_quick(cost: object, maximize: bool, /) -> Any: ...
def assignment_batch(cost: NDArray[Any], maximize: bool, threads: int) -> Any: ...
def assignment_dense(
    cost: NDArray[Any],
    maximize: bool,
    threads: int,
    time_limit: float | None,
    work_limit: float | None,
    progress: Callable[[str, float], bool] | None,
) -> Any: ...
def assignment_sparse(
    start: NDArray[Any],
    col: NDArray[Any],
    cost: NDArray[Any],
    rows: int,
    cols: int,
    maximize: bool,
    time_limit: float | None,
    work_limit: float | None,
    progress: Callable[[str, float], bool] | None,
) -> Any: ...
def assignment_check(
    start: NDArray[Any],
    col: NDArray[Any],
    cost: NDArray[Any],
    rows: int,
    cols: int,
    maximize: bool,
    col_of: NDArray[np.int32],
    row_dual: NDArray[np.int64],
    col_dual: NDArray[np.int64],
    exponent: int,
) -> Any: ...
def assignment_witness(
    start: NDArray[Any],
    col: NDArray[Any],
    cost: NDArray[Any],
    rows: int,
    cols: int,
    maximize: bool,
    lines: NDArray[np.int32],
) -> Any: ...

# ---------------------------------------------------------------- options under coupling rows

class LagrangianOracle(metaclass=_Pybind11Type):
    def __init__(self, instance: dict[str, Any], jobs: dict[str, Any]) -> None: ...
    def subset(self, rows: _Slots, weight: _Slots) -> LagrangianOracle: ...
    def price(
        self,
        capacity: _Reals,
        energy: _Reals,
        corridor: _Reals,
        quota: _Reals,
        klass: _Slots | None = None,
        start: _Slots | None = None,
        threads: int = 0,
    ) -> dict[str, Any]: ...
    def set_active(self, active: NDArray[np.uint8]) -> None: ...
    def min_accelerator_hours(self) -> _Reals: ...
    def has_option(self, threads: int = 0) -> NDArray[np.uint8]: ...
    def order(self) -> _Slots: ...
    def positions(self, rows: _Slots) -> _Slots: ...
    @property
    def n_active(self) -> int: ...
    @property
    def shapes(self) -> int: ...

class LocalSearch(metaclass=_Pybind11Type):
    def __init__(
        self,
        residual: ResidualCapacity,
        capacity: _Reals,
        energy: _Reals,
        corridor: _Reals,
        quota: _Reals,
        weight: float,
        klass: _Slots,
        start: _Slots,
    ) -> None: ...
    def regrets(self, least: float, threads: int = 0, placed_only: bool = False) -> _Slots: ...
    def run(self, positions: _Slots, end: _Reals, price: _Reals, chains: bool = False) -> int: ...
    def ruin_recreate(
        self,
        end: _Reals,
        price: _Reals,
        seed: int,
        placements: int,
        first_temperature: float,
        last_temperature: float,
    ) -> int: ...
    def undo(self) -> None: ...
    def commit(self) -> None: ...

class ResidualCapacity(metaclass=_Pybind11Type):
    def __init__(self, oracle: LagrangianOracle) -> None: ...
    def place(
        self,
        capacity: _Reals,
        energy: _Reals,
        corridor: _Reals,
        quota: _Reals,
        rows: _Slots,
        klass: _Slots,
        start: _Slots,
    ) -> int: ...
    def remove(self, rows: _Slots, klass: _Slots, start: _Slots) -> None: ...
    def place_at(
        self,
        rows: _Slots,
        to_class: _Slots,
        to_start: _Slots,
        klass: _Slots,
        start: _Slots,
        within_power: bool = True,
    ) -> int: ...
    @property
    def load(self) -> _Reals: ...
    @property
    def accelerators(self) -> _Reals: ...
    @property
    def data(self) -> _Reals: ...
    @property
    def power(self) -> _Reals: ...
    @property
    def quota_used(self) -> _Reals: ...

# ---------------------------------------------------------------- the live matcher

class JobNumbers(metaclass=_Pybind11Type):
    def __init__(self) -> None: ...
    def lookup(self, ids: _Ints) -> _Slots: ...
    def add(self, ids: _Ints) -> _Slots: ...
    def release(self, positions: _Slots) -> None: ...
    def repeated(self, positions: _Slots) -> int: ...
    def ids(self, positions: _Slots) -> _Ints: ...
    @property
    def size(self) -> int: ...
    def __len__(self) -> int: ...

@overload
def extent(values: _Reals) -> tuple[float, float]: ...
@overload
def extent(values: _Slots | _Ints) -> tuple[int, int]: ...

class Calls(metaclass=_Pybind11Type):
    def __init__(self, in_use: str) -> None: ...
    def transaction(
        self,
        function: Callable[..., _T],
        undo: list[Callable[[], object]],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> _T: ...
    def alone(self, function: Callable[[], _T]) -> _T: ...

class LiveMatcher(metaclass=_Pybind11Type):
    def __init__(self, n_slots: int) -> None: ...
    def set_columns(
        self,
        cost: CostSource,
        unplaced: _Reals,
        move: _Reals,
        closed: _Slots,
        max_abs_cost: float,
    ) -> None: ...
    def costs_changed(self, slots: _Slots) -> None: ...
    def set_capacity(self, slots: _Slots, values: _Ints) -> None: ...
    def add(self, jobs: _Slots) -> None: ...
    def remove(self, jobs: _Slots) -> None: ...
    def update(self, jobs: _Slots) -> None: ...
    def pin(self, jobs: _Slots, on: bool) -> None: ...
    def place(self, jobs: _Slots, slots: _Slots) -> None: ...
    def restore(self, jobs: _Slots, placed: _Slots, prices: _Reals, resolution: float) -> None: ...
    def match(
        self,
        threads: int,
        seed: int,
        max_moves: int,
        gap: float,
        time_limit: float | None,
        work_limit: float | None,
        progress: Callable[[str, float], bool] | None,
    ) -> dict[str, Any]: ...
    def unacknowledged(self) -> tuple[_Slots, _Slots]: ...
    def acknowledge(self) -> None: ...
    def commit(self) -> None: ...
    def rollback(self) -> None: ...
    def quote(self, cost: CostSource, unplaced: _Reals) -> tuple[_Slots, _Reals]: ...
    def quote_gangs(
        self, cost: CostSource, unplaced: _Reals, demand: _Slots, queue: _Slots
    ) -> tuple[_Slots, _Reals]: ...
    def set_gangs(
        self,
        demand: _Slots,
        queue: _Slots,
        priority: _Ints,
        preemptible: NDArray[np.uint8],
        types: _Slots,
    ) -> None: ...
    def set_queues(
        self,
        parent: _Slots,
        limit: _Ints,
        guarantee: _Ints,
        ranked: bool,
        limit_by_type: _Ints,
        guarantee_by_type: _Ints,
    ) -> None: ...
    def set_shares(self, shares: _Ints) -> None: ...
    def requests(self) -> _Ints: ...
    def usage(self) -> _Ints: ...
    def live_jobs(self) -> _Slots: ...
    def placements(self, jobs: _Slots) -> _Slots: ...
    def prices(self) -> _Reals: ...
    def is_pinned(self, jobs: _Slots) -> NDArray[np.bool_]: ...
    def is_live(self, jobs: _Slots) -> NDArray[np.bool_]: ...
    def capacity(self) -> _Ints: ...
    def pinned_at(self, slots: _Slots) -> _Slots: ...
    def holds(self) -> bool: ...
    @property
    def n_slots(self) -> int: ...
    @property
    def resolution(self) -> float: ...
    def __len__(self) -> int: ...

def posed_problem(
    cost: CostSource,
    unplaced: _Reals,
    move: _Reals,
    closed: _Slots,
    placed: _Slots,
    pinned: NDArray[np.bool_],
) -> tuple[CostSource, _Reals]: ...

class Packer(metaclass=_Pybind11Type):
    def __init__(
        self,
        cpu: NDArray[np.int64],
        memory: NDArray[np.int64],
        gpus: NDArray[np.int32],
        model: NDArray[np.int32],
        rank: NDArray[np.int32],
        layouts: list[Any],
        policy: str,
        latest: int,
    ) -> None: ...
    def add_shape(
        self, cpu: int, memory: int, gpus: int, milli: int, profile: int, models: int
    ) -> int: ...
    def set_mix(
        self,
        shapes: NDArray[np.int32],
        counts: NDArray[np.int64],
        prices: NDArray[np.int64],
        seed: int,
        tuning: dict[Any, Any],
    ) -> None: ...
    def place(self, shapes: NDArray[np.int32], moves: int) -> tuple[Any, ...]: ...
    def release(self, pods: NDArray[np.int64]) -> None: ...
    def restore(
        self,
        pods: NDArray[np.int64],
        counts: NDArray[np.int64],
        shapes: NDArray[np.int32],
        placed: NDArray[np.bool_],
    ) -> None: ...
    def state(self) -> tuple[NDArray[Any], ...]: ...
    def placed(self, ids: NDArray[np.int64]) -> NDArray[np.int64]: ...
    def arrival(self, id: int) -> tuple[int, bool] | None: ...
    def counts(self, n: int) -> NDArray[np.int64]: ...
    def left(self) -> tuple[Any, ...]: ...
    def reservations(self) -> list[Any]: ...
    def lack(self, shape: int) -> tuple[Any, ...]: ...
    def blocked(self, pod: int) -> list[Any]: ...
    def holds(self) -> bool: ...
    @property
    def futures(self) -> int: ...
    def __len__(self) -> int: ...

def packing_content(
    milli: NDArray[np.int32], value: NDArray[np.int64]
) -> tuple[int, NDArray[np.int32]]: ...
def packing_template_content(
    table: object, value: NDArray[np.int64]
) -> tuple[int, NDArray[np.int32]]: ...
