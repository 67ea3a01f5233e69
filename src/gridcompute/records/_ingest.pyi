from collections.abc import Iterable
from typing import Any, final

from numpy.typing import DTypeLike
from typing_extensions import disjoint_base

from ._interner import Interner

@disjoint_base
class Column:
    @property
    def name(self) -> str: ...
    def __init__(self, name: str, dtype: DTypeLike, needed: str) -> None: ...

@final
class IntColumn(Column):
    def __init__(self, name: str, dtype: DTypeLike) -> None: ...

@final
class FloatColumn(Column):
    def __init__(self, name: str, nan: bool) -> None: ...

@final
class BoolColumn(Column):
    def __init__(self, name: str) -> None: ...

@final
class IdColumn(Column):
    def __init__(self, name: str, ids: Interner) -> None: ...

@final
class TimeColumn(Column):
    def __init__(self, name: str, nan: bool) -> None: ...

@final
class Ragged(Column):
    def __init__(self, name: str, items: Column) -> None: ...

@final
class Reader:
    def __init__(self, names: tuple[str, ...]) -> None: ...

def read_columns(
    records: Iterable[Any],
    columns: list[Any],
    defaults: dict[str, Any],
    interners: list[Interner],
) -> dict[str, Any]: ...
