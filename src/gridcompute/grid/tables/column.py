"""The base of every table of a problem: typed columns, checked once, and values that do not change.

A problem is validated once and a plan is what a ledger records, so neither may share memory with an
array that somebody can still write to.

A table is a frozen dataclass whose fields are made by `column`: the dimensions, dtype, unit and
range stand in one place, and the check, the broadcast, Arrow and CSV all read them from there.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, Self

import numpy as np
from numpy.typing import NDArray

from ... import _checks
from ..._checks import aligned
from ..._extras import extra
from ..._value import Tabular
from ...errors import InvalidProblemError
from .names import LIMITS, checked_names, with_indices

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa


def frozen(array: NDArray[Any], source: NDArray[Any] | None = None) -> NDArray[Any]:
    """Return `array` contiguous and read-only, in memory that no other code can write to.

    An array is copied unless it is immutable already, or was converted from `source` into memory of
    its own.
    """
    own = aligned(np.ascontiguousarray(array))
    if _is_immutable(own):
        return own
    if source is None or np.may_share_memory(own, source):
        own = own.copy()
    return sealed(own)


def sealed(own: NDArray[Any]) -> NDArray[Any]:
    """Make a fresh array read-only; return a view of it, whose flag cannot be set back."""
    if own.base is not None:  # of an array that is hidden, and writable
        own = own.copy()
    own.flags.writeable = False
    return own.view()


def _is_immutable(array: NDArray[Any]) -> bool:
    """Return whether the array is read-only, and all that it is a view of."""
    memory: Any = array
    while isinstance(memory, np.ndarray):
        if memory.flags.writeable:
            return False
        if memory.base is None:
            return True
        memory = memory.base
    return isinstance(memory, bytes)


class Frozen:
    """Base of frozen dataclasses that hold arrays: copies and pickles of them are as read-only."""

    def __getstate__(self) -> dict[str, Any]:
        """Return the fields; what is computed from them on demand is left behind."""
        fields: Any = dataclasses.fields(self)  # type: ignore[arg-type]
        return {field.name: getattr(self, field.name) for field in fields}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Set the fields; an array comes out of a pickle writable, so it is sealed again."""
        for name, value in state.items():
            is_open = isinstance(value, np.ndarray) and value.flags.writeable
            object.__setattr__(self, name, sealed(value) if is_open else value)


class FrozenDict(dict[str, Any]):
    """A dict, and all dicts in it, that cannot be written to."""

    def __init__(self, content: Mapping[str, Any]) -> None:
        """Copy `content`, and each mapping and array in it."""
        super().__init__({name: _frozen_value(value) for name, value in content.items()})

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise TypeError("this dict is read-only: write to dict(...) of it")

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as the plain dict that it is made of."""
        return FrozenDict, (dict(self),)


def _frozen_value(value: Any) -> Any:
    if isinstance(value, Mapping):
        return FrozenDict(value)
    return frozen(value) if isinstance(value, np.ndarray) else value


#: Columns that a frame or file may have beside those of the table's class, by title.
BESIDE = {"jobs": ("id",), "quotas": ("name",)}

Int32s = NDArray[np.int32]
Int64s = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Strings = NDArray[np.str_]


@dataclasses.dataclass(frozen=True)
class Column:
    """The specification of a column: dimensions, dtype, unit and the range of its values."""

    dims: tuple[str, ...]
    dtype: type[np.generic]
    unit: str
    low: float | None = None
    high: float | None = None
    above: float | None = None
    #: May values be infinite? (NaN never is.)
    infinite: bool = False
    #: May the last dimension be left out for good (pue: by site, or by site and hour)?
    may_drop_last: bool = False

    def limited(self) -> Column:
        """Return the same with the limit of its unit, where it has none of its own."""
        if self.unit not in LIMITS:
            return self
        most = LIMITS[self.unit]
        low = -most if self.low is None and self.above is None else self.low
        return dataclasses.replace(self, low=low, high=most if self.high is None else self.high)

    def fits(self, array: NDArray[Any]) -> NDArray[np.bool_]:
        """Return which values lie in the range."""
        good = np.ones(array.shape, bool)
        if array.dtype.kind == "f":
            good &= ~np.isnan(array) if self.infinite else np.isfinite(array)
        if self.low is not None:
            good &= array >= self.low
        if self.above is not None:
            good &= array > self.above
        if self.high is not None:
            good &= (array <= self.high) | (self.infinite & (array == np.inf))
        return good

    def needs(self) -> str:
        """The range in words, for an error message."""
        kind = "a finite number" if not self.infinite else "inf or a number"
        if np.issubdtype(self.dtype, np.integer):
            kind = "an integer"
        bounds = [("> ", self.above), (">= ", self.low), ("<= ", self.high)]
        words = " and ".join(f"{sign}{bound:g}" for sign, bound in bounds if bound is not None)
        return f"{kind} {words}".strip() + (f" ({self.unit})" if self.unit else "")


def column(
    dims: str,
    dtype: type[np.generic],
    unit: str = "",
    *,
    default: Any = dataclasses.MISSING,
    **limits: Any,
) -> Any:
    """A dataclass field holding one column; `dims` are its dimensions by name, space-separated."""
    spec = Column(tuple(dims.split()), dtype, unit, **limits)
    return dataclasses.field(default=default, metadata={"column": spec})


@dataclasses.dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Columns(Frozen):
    """Named arrays with dimensions, checked, converted and broadcast when they are built.

    Every column may also be given as a scalar, or with leading dimensions only; it is then repeated
    over the dimensions left out. Columns are stored contiguous and read-only, in memory of their
    own: an array that the caller can still write to is copied.
    """

    #: Their names in messages.
    title: ClassVar[str]

    def __post_init__(self) -> None:
        """Check and convert all columns, then whatever a class adds in `check`."""
        sizes: dict[str, tuple[int, str]] = {}
        given, arrays = {}, {}
        for name, spec in self.columns().items():
            given[name] = _checks.plain_array(f"{self.title}.{name}", getattr(self, name))
            arrays[name] = array = self._converted(name, spec, given[name])
            if array.ndim > len(spec.dims):
                self._bad_shape(name, spec, array)
            for dim, size in zip(spec.dims, array.shape, strict=False):
                known, by = sizes.setdefault(dim, (size, name))
                if known != size:
                    message = (
                        f"{self.title}.{name} has shape {array.shape}, {size} along '{dim}', "
                        f"but {self.title}.{by} has {known}"
                    )
                    raise InvalidProblemError(message, f"{self.title}.{name}")
        for name, spec in self.columns().items():
            array = self._spread(name, spec, arrays[name], {d: n for d, (n, _) in sizes.items()})
            stored = frozen(array, given[name])
            object.__setattr__(self, name, stored)
            self._check_range(name, spec, stored)
        self.check()

    def check(self) -> None:
        """Check the conditions between columns."""

    @classmethod
    def columns(cls) -> dict[str, Column]:
        """Each column's name and what it holds."""
        return dict(_columns_of(cls))

    def __repr__(self) -> str:
        """The first three entries of each column; of those with more axes, shape and range."""
        names = list(self.columns())
        wide = max(map(len, names), default=0)
        lines = [f"  {name:{wide}}  {_glance(getattr(self, name))}" for name in names]
        rows = f", {len(self):,} rows" if hasattr(self, "__len__") else ""
        return "\n".join([f"<{type(self).__name__}{rows}", *lines]) + ">"

    def replace(self, **changes: Any) -> Self:
        """Return the table with some columns changed, checked again."""
        return dataclasses.replace(self, **changes)

    def fail(self, name: str, index: int | tuple[int, ...], needed: str) -> InvalidProblemError:
        """The error for one bad value: table, column, row, what was found, what was needed."""
        at = index if isinstance(index, tuple) else (index,)
        found = getattr(self, name)[at]
        where = ", ".join(str(i) for i in at)
        message = f"{self.title}.{name}[{where}] is {found}, needed {needed}"
        return InvalidProblemError(message, f"{self.title}.{name}", at if len(at) > 1 else at[0])

    def require(self, good: NDArray[np.bool_], name: str, needed: str) -> None:
        """Raise for the first entry of column `name` where `good` is False."""
        if not good.all():
            at = tuple(int(i) for i in np.argwhere(~good)[0])
            raise self.fail(name, at, needed)

    def _converted(self, name: str, spec: Column, array: NDArray[Any]) -> NDArray[Any]:
        if not array.size:  # nothing in it, so nothing to mistake: an empty CSV column has no type
            array = array.astype(spec.dtype)
        kinds = {np.integer: "iu", np.floating: "iuf", np.bool_: "b", np.str_: "U"}
        allowed = next(k for base, k in kinds.items() if issubclass(spec.dtype, base))
        if array.dtype.kind not in allowed:
            needed = _KIND_WORDS[allowed] + (f" ({spec.unit})" if spec.unit else "")
            where, found = _first_odd(array, allowed)
            raise TypeError(f"{self.title}.{name}{where} is {found}, needed {needed}")
        if allowed == "iu" and array.size:
            limit = np.iinfo(np.dtype(spec.dtype))
            for extreme in (int(array.min()), int(array.max())):
                if not limit.min <= extreme <= limit.max:
                    at = tuple(int(i) for i in np.argwhere(array == extreme)[0])
                    message = f"{self.title}.{name}{list(at)} is {extreme}, too large for"
                    message += f" {limit.dtype}, needed {limit.min} to {limit.max}"
                    raise InvalidProblemError(message, f"{self.title}.{name}", at)
        return array if allowed == "U" else array.astype(spec.dtype, copy=False)

    def _spread(
        self, name: str, spec: Column, array: NDArray[Any], sizes: Mapping[str, int]
    ) -> NDArray[Any]:
        dims = spec.dims
        if spec.may_drop_last and array.ndim < len(dims):
            dims = dims[:-1]
        missing = [d for d in dims[array.ndim :] if d not in sizes]
        if missing:
            message = (
                f"{self.title}.{name} has shape {array.shape} and no column of {self.title} "
                f"gives the size of '{missing[0]}': needed ({', '.join(dims)})"
            )
            raise InvalidProblemError(message, f"{self.title}.{name}")
        shape = tuple(sizes[d] for d in dims)
        return np.broadcast_to(array.reshape(array.shape + (1,) * (len(dims) - array.ndim)), shape)

    def _bad_shape(self, name: str, spec: Column, array: NDArray[Any]) -> None:
        message = f"{self.title}.{name} has shape {array.shape}, needed ({', '.join(spec.dims)})"
        raise InvalidProblemError(message, f"{self.title}.{name}")

    def _check_range(self, name: str, spec: Column, array: NDArray[Any]) -> None:
        if array.dtype.kind in "Ub":
            return
        self.require(spec.fits(array), name, spec.needs())


#: Columns by class, found once: a problem asks for them a hundred times.
_COLUMNS: dict[type, dict[str, Column]] = {}
_LIMITED: dict[type, dict[str, Column]] = {}


def _columns_of(cls: Any) -> dict[str, Column]:
    """Return the columns of a class."""
    if cls not in _COLUMNS:
        fields = dataclasses.fields(cls)
        _COLUMNS[cls] = {f.name: f.metadata["column"] for f in fields if "column" in f.metadata}
    return _COLUMNS[cls]


def _limited_columns_of(cls: Any) -> dict[str, Column]:
    """Return the same with the limits of their units."""
    if cls not in _LIMITED:
        _LIMITED[cls] = {name: spec.limited() for name, spec in _columns_of(cls).items()}
    return _LIMITED[cls]


@dataclasses.dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Table(Columns, Tabular):
    """Columns that share one dimension, the table's rows; in and out as Arrow.

    In Arrow there is one row for each entry of the dimension `rows`; other dimensions lie in lists.
    """

    #: The dimension the rows run over.
    rows: ClassVar[str]

    @classmethod
    def columns(cls) -> dict[str, Column]:
        """Each column's name and what it holds, within `gridcompute.grid.LIMITS`."""
        return dict(_limited_columns_of(cls))

    def __len__(self) -> int:
        """The number of rows."""
        first = next(n for n, spec in self.columns().items() if spec.dims[:1] == (self.rows,))
        return int(getattr(self, first).shape[0])

    @classmethod
    def from_arrow(
        cls,
        data: Any,
        *,
        sizes: Mapping[str, int] | None = None,
        names: Mapping[str, Sequence[str]] | None = None,
        **more: Any,
    ) -> Self:
        """Build the table from anything with the Arrow PyCapsule interface.

        Parameters
        ----------
        data : object with ``__arrow_c_stream__`` or ``__arrow_c_array__``
            pyarrow, polars, pandas, duckdb...: one row per entry of the table's first dimension.
            A column with further dimensions is a (nested, equally long) list column, or is spread
            over columns named ``name[i]`` or ``name[i,j]``. Unknown columns are an error.
        sizes : mapping of str to int, optional
            Sizes of dimensions that no column shows, e.g. ``{"hour": 24}``.
        names : mapping of str to sequence of str, optional
            By column, what its rows are called, e.g. ``{"origin": sites.name}``: a column of text
            may then say a name, or an index, where the table has a row number. A residency is a
            list of names, or one text of them joined by "|", or "*" for any site; its names are
            those of ``residency`` or ``origin``.
        **more : fields that are no columns (names, rules, scalar prices).

        Raises
        ------
        InvalidProblemError
            A value or a name that is not allowed: column, row, what was found and needed.
        TypeError
            Data without the Arrow interface, a column of a wrong kind, names that are no texts.

        Examples
        --------
        >>> import pyarrow as pa
        >>> from gridcompute.grid import Quotas
        >>> table = pa.table({"upper_accelerator_h": [10.0, float("inf")]})
        >>> Quotas.from_arrow(table).upper_accelerator_h
        array([10., inf])
        >>> from gridcompute.grid import Jobs
        >>> rows = {"gang": [1, 2], "work_h": [1.0, 3.0], "deadline": [4, 8], "value_yuan": [9, 9]}
        >>> data = pa.table(rows | {"origin": ["Wuhu", "Hami"], "residency": ["*", "Hami|Wuhu"]})
        >>> jobs = Jobs.from_arrow(data, names={"origin": ["Hami", "Wuhu"]})
        >>> jobs.origin, jobs.residency
        (array([1, 0], dtype=int32), array([-1,  3]))
        """
        with extra("grid"):
            import pyarrow as pa

        sizes = {k: _checks.whole(f"sizes.{k}", n, 0, 2**31 - 1) for k, n in (sizes or {}).items()}
        if not hasattr(data, "__arrow_c_stream__") and not hasattr(data, "__arrow_c_array__"):
            message = f"{cls.title}: {type(data).__name__} has no Arrow PyCapsule interface"
            raise TypeError(message)
        batch = hasattr(data, "__arrow_c_array__") and not hasattr(data, "__arrow_c_stream__")
        table = pa.table(pa.record_batch(data) if batch else data)
        if names is not None:
            spec = cls.columns()
            indices = [name for name in spec if np.dtype(spec[name].dtype).kind == "i"]
            known = checked_names(names, indices)
            table = with_indices(table, "", cls.title, cls.columns(), known)
        arrays = _gathered(cls.title, table, cls.columns())
        for name, field in cls.__dataclass_fields__.items():
            there = name in arrays or name in more or name not in cls.columns()
            if not there and field.default is dataclasses.MISSING:
                message = f"{cls.title} has no column '{name}', which has no default"
                raise InvalidProblemError(message, f"{cls.title}.{name}")
        for name, array in arrays.items():
            arrays[name] = _turned(cls.columns()[name], cls.rows, array, sizes)
        return cls(**arrays, **more)

    def to_arrow(self) -> pa.Table:
        """The table as a pyarrow Table: the inverse of `from_arrow`."""
        with extra("grid"):
            import pyarrow as pa

        out = {}
        for name, spec in self.columns().items():
            array = getattr(self, name)
            dims = spec.dims[: array.ndim]
            turned = array.transpose(
                [dims.index(d) for d in _arrow_dims(spec, self.rows) if d in dims]
            )
            out[name] = nested(np.ascontiguousarray(turned))
        return pa.table(out)


#: The required entries of a column, by the kinds of dtypes that it allows.
_KIND_WORDS = {"iu": "an integer", "iuf": "a number", "b": "true or false", "U": "text"}


def _first_odd(array: NDArray[Any], allowed: str) -> tuple[str, str]:
    """Place and value of the first entry of a wrong kind; if all look right, the first's dtype too.

    Numbers of the right kind may stand in a column of another, such as 1.0 where integers belong.
    """

    def fits(value: Any) -> bool:
        if allowed == "U":
            return isinstance(value, str)
        if allowed == "b":
            return str(value).lower() in ("true", "false")
        if isinstance(value, str) and not value.isascii():  # digits of other scripts are text
            return False
        try:
            number = float(value)
        except (TypeError, ValueError):
            return False
        return "f" in allowed or number.is_integer()

    values = array.ravel().tolist()
    i = next((i for i, value in enumerate(values) if not fits(value)), -1)
    at = ", ".join(str(int(k)) for k in np.unravel_index(max(i, 0), array.shape))
    found = f"{values[max(i, 0)]!r:.100}" + (f" of dtype {array.dtype}" if i < 0 else "")
    return (f"[{at}]" if at else ""), found


def _arrow_dims(spec: Column, rows: str) -> tuple[str, ...]:
    """The dimensions of a column with the one that the rows run over in front."""
    return (rows, *(d for d in spec.dims if d != rows))


def _turned(spec: Column, rows: str, array: NDArray[Any], sizes: Mapping[str, int]) -> NDArray[Any]:
    """An Arrow column in its dimensions' order, repeated over those of known size left out."""
    if array.ndim > len(spec.dims):
        return array  # its shape is refused when the table is built
    here = _arrow_dims(spec, rows)[: array.ndim]
    kept = spec.dims[:-1] if spec.may_drop_last else spec.dims
    grow = [d for d in kept if d not in here and d in sizes]
    wide = np.broadcast_to(
        array.reshape(array.shape + (1,) * len(grow)), array.shape + tuple(sizes[d] for d in grow)
    )
    order = [*here, *grow]
    return wide.transpose([order.index(d) for d in spec.dims if d in order])


def nested(array: NDArray[Any]) -> Any:
    """Return an array as an Arrow array of its first axis, of (nested) lists of the others."""
    import pyarrow as pa

    out = pa.array(array.reshape(-1))
    for axis in range(array.ndim - 1, 0, -1):
        if array.shape[axis]:
            out = pa.FixedSizeListArray.from_arrays(out, array.shape[axis])
        else:  # Arrow has no fixed lists of nothing
            rows = int(np.prod(array.shape[:axis]))
            out = pa.ListArray.from_arrays(np.zeros(rows + 1, np.int32), out)
    return out


def without_column(data: Any, name: str) -> tuple[Any, Any]:
    """Return Arrow data without a column, and that column; None where there is no such column."""
    if not hasattr(data, "__arrow_c_stream__"):
        return data, None
    with extra("grid"):
        import pyarrow as pa

    table = pa.table(data)
    if name not in table.column_names:
        return data, None
    if (n := table.column_names.count(name)) > 1:
        raise InvalidProblemError(f"found {n} columns called {name!r}, needed one", name)
    return table.drop_columns([name]), table[name]


def unknown_column(title: str, label: str, known: Sequence[str]) -> InvalidProblemError:
    """Return the error for a column that a table does not have: what it has, what was meant."""
    name = label.partition("[")[0]
    message = f"{title} has no column {label!r:.100}; it has {', '.join(known)}"
    if label == "site" and title == "energy":
        message += "; without a column hour its rows follow the order of sites.csv"
        return InvalidProblemError(message, f"{title}.{label}")
    others = [kind.title for kind in Table.__subclasses__() if name in _columns_of(kind)]
    others = [other for other in others if other != title]
    if others:
        message += f"; {name} is a column of {' and '.join(others)}"
    elif name not in known:
        message += _checks.meant(name, known)
    return InvalidProblemError(message, f"{title}.{label}")


def _gathered(title: str, table: Any, specs: Mapping[str, Column]) -> dict[str, NDArray[Any]]:
    """Each column as an array, lists unfolded and columns ``name[i,j]`` put together."""
    parts: dict[str, dict[tuple[int, ...], NDArray[Any]]] = {}
    by_place: dict[tuple[str, tuple[int, ...]], str] = {}
    for label, values in zip(table.column_names, table.columns, strict=True):
        match = re.fullmatch(r"(\w+)(?:\[([0-9]{1,9}(?:,[0-9]{1,9})*)\])?", label)
        if match is None or match[1] not in specs:
            raise unknown_column(title, label, [*specs, *BESIDE.get(title, ())])
        index = tuple(int(i) for i in match[2].split(",")) if match[2] else ()
        first = by_place.setdefault((match[1], index), label)
        if index in parts.get(match[1], {}):
            message = f"{title}.{label}: found a second column of that place, beside '{first}'"
            raise InvalidProblemError(f"{message}, needed one", f"{title}.{match[1]}")
        parts.setdefault(match[1], {})[index] = _unfolded(title, label, values)
    out = {}
    for name, pieces in parts.items():
        if list(pieces) == [()]:
            out[name] = pieces[()]
            continue
        dims = {len(index) for index in pieces}
        if len(dims) > 1:
            kinds = {len(index): index for index in reversed(pieces)}  # the first of each form
            found = " and ".join(f"'{by_place[name, kinds[n]]}'" for n in sorted(dims)[::-1][:2])
            message = f"{title}.{name}: found columns {found}, needed one index form in all"
            raise InvalidProblemError(message, f"{title}.{name}")
        shape = tuple(int(k) + 1 for k in np.max(list(pieces), axis=0))
        if len(pieces) != math.prod(shape):
            message = f"{title}.{name}: {len(pieces)} columns {name}[...], needed all {shape}"
            raise InvalidProblemError(message, f"{title}.{name}")
        stacked = np.stack([pieces[i] for i in sorted(pieces)], axis=1)
        out[name] = stacked.reshape(-1, *shape)
    return out


def _unfolded(title: str, label: str, values: Any) -> NDArray[Any]:
    """Return one Arrow column as an array with a dimension for each level of lists."""
    import pyarrow as pa

    flat = values.combine_chunks()
    if pa.types.is_dictionary(flat.type):  # what categories of a data frame become
        flat = flat.dictionary_decode()
    if flat.null_count:
        row = int(np.flatnonzero(flat.is_null().to_numpy(zero_copy_only=False))[0])
        message = f"{title}.{label}[{row}] is null, needed a value"
        raise InvalidProblemError(message, f"{title}.{label}", row)
    shape = [len(flat)]
    while (
        pa.types.is_list(flat.type)
        or pa.types.is_large_list(flat.type)
        or pa.types.is_fixed_size_list(flat.type)
    ):
        lengths = (
            flat.value_lengths().to_numpy(zero_copy_only=False)
            if not pa.types.is_fixed_size_list(flat.type)
            else np.array([flat.type.list_size])
        )
        if lengths.size and (lengths != lengths[0]).any():
            row = int(np.flatnonzero(lengths != lengths[0])[0])
            message = f"{title}.{label}[{row}] is a list of {lengths[row]}, needed {lengths[0]}"
            raise InvalidProblemError(message, f"{title}.{label}", row)
        shape.append(int(lengths[0]) if lengths.size else 0)
        flat = flat.flatten()
    if pa.types.is_string(flat.type) or pa.types.is_large_string(flat.type):
        return np.array(flat.to_pylist(), dtype=np.str_).reshape(shape)
    return np.asarray(flat.to_numpy(zero_copy_only=False)).reshape(shape)


def _glance(values: Any) -> str:
    """Return a column in a line: its first three entries, or its shape with its range."""
    array = np.asarray(values)
    if array.ndim == 1:
        more = ["..."] if len(array) > 3 else []
        kind = "g" if array.dtype.kind == "f" else ""
        return ", ".join([*(f"{x:{kind}}" for x in array[:3].tolist()), *more]) or "none"
    shape = " x ".join(map(str, array.shape))
    if not array.size or array.dtype.kind not in "iuf":
        return shape
    return f"{shape}, {array.min():g} to {array.max():g}"
