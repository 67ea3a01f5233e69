"""Values that results are made of: frozen arrays, columns as tables."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from ._extras import extra

if TYPE_CHECKING:
    import pyarrow as pa


class Tabular:
    """Base of results that have columns; `to_arrow` is the subclass's."""

    if TYPE_CHECKING:

        def to_arrow(self) -> pa.Table: ...

    def to_pandas(self, **options: Any) -> Any:
        """Return the table of `to_arrow` as a pandas DataFrame; nulls of integers become NaN.

        Parameters
        ----------
        **options : as of `to_arrow`
        """
        with extra("frames"):
            import pandas  # noqa: F401 - what pyarrow imports, so that its absence is ours to say
            import pyarrow  # noqa: F401
        return self.to_arrow(**options).to_pandas()

    def to_polars(self, **options: Any) -> Any:
        """Return the table of `to_arrow` as a polars DataFrame.

        Parameters
        ----------
        **options : as of `to_arrow`
        """
        with extra("frames"):
            import polars
            import pyarrow  # noqa: F401 - what `to_arrow` needs
        return polars.from_arrow(self.to_arrow(**options))

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """Return the table of `to_arrow` as an Arrow stream, for whatever reads PyCapsules."""
        return self.to_arrow().__arrow_c_stream__(requested_schema)


def read_only(value: Any) -> Any:
    """Return `value`; if it is an array, which must have no other owner, it is made read-only."""
    if isinstance(value, np.ndarray):
        value.flags.writeable = False
    return value


class Value:
    """Base of frozen dataclasses that hold arrays and what they were computed from.

    A copy, deep or not, shares the fields named in `_shared`: the problem, which never changes. A
    pickle holds what `_stored` returns, which leaves the problem's costs behind.
    """

    _shared: ClassVar[frozenset[str]] = frozenset()

    @classmethod
    def _of(cls, fields: dict[str, Any]) -> Self:
        """Return a result with these fields, all of them.

        `__init__` of what is frozen sets them one by one, in twice the time.
        """
        new = object.__new__(cls)
        vars(new).update(fields)
        return new

    def _stored(self) -> dict[str, Any]:
        """Return the fields that a pickle holds."""
        return dict(vars(self))

    def __getstate__(self) -> dict[str, Any]:
        return self._stored()

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update({name: read_only(value) for name, value in state.items()})

    def __copy__(self) -> Self:
        new = object.__new__(type(self))
        vars(new).update(vars(self))
        return new

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        new = object.__new__(type(self))
        memo[id(self)] = new
        for name, value in vars(self).items():
            own = value if name in self._shared else copy.deepcopy(value, memo)
            vars(new)[name] = read_only(own)
        return new
