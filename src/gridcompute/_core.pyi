from collections.abc import Callable, Sequence
from typing import Any, overload, type_check_only

import numpy as np
from numpy.typing import NDArray

_Ints = NDArray[np.int64]
_Reals = NDArray[np.float64]
_Slots = NDArray[np.int32]

@type_check_only
class _Pybind11Type(type): ...

class CostSource(metaclass=_Pybind11Type):
    def __init__(self, *args: Any, **kwargs: Any) -> None: ...
    def row(self, job: int) -> NDArray[Any]: ...

@overload
def dense_cost(cost: NDArray[np.int32]) -> CostSource: ...
@overload
def dense_cost(cost: NDArray[np.int64]) -> CostSource: ...
@overload
def dense_cost(cost: NDArray[np.float32]) -> CostSource: ...
@overload
def dense_cost(cost: NDArray[np.float64]) -> CostSource: ...
def sparse_cost(
    data: NDArray[Any], indices: NDArray[Any], indptr: NDArray[Any], n_slots: int
) -> CostSource: ...
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
    progress: Callable[[str, float], bool] | None,
) -> dict[str, Any]: ...
def check_transport(
    cost: CostSource,
    capacity: _Ints,
    demand: _Slots | None,
    unplaced: _Reals | None,
    assignment: _Slots,
    prices: _Reals,
    threads: int,
) -> dict[str, Any]: ...
def check_witness(
    cost: CostSource,
    capacity: _Ints,
    demand: _Slots | None,
    unplaced: _Reals | None,
    jobs: _Ints,
    slots: _Slots,
) -> dict[str, Any]: ...
def thread_count(asked: int = 0) -> int: ...
