"""Records to columns: the public function around the Cython loop in `_ingest`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..errors import InvalidProblemError
from . import _ingest
from ._interner import Interner

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from numpy.typing import NDArray

__all__ = ["Interner", "Ragged", "jobs_from_records"]


class Ragged(NamedTuple):
    """A column of lists: row i holds `values[offsets[i] : offsets[i + 1]]`."""

    #: int64 (n_rows + 1,), from 0, never falling.
    offsets: NDArray[np.int64]
    #: (n_values,), of the dtype asked for.
    values: NDArray[Any]


Scalar = str | Interner
Spec = Scalar | list[Scalar]


def jobs_from_records(
    records: Iterable[Any],
    fields: Mapping[str, Spec],
    *,
    defaults: Mapping[str, Any] | None = None,
    nan: Collection[str] = (),
) -> dict[str, Any]:
    """Columns from dicts, objects or tuples, in one pass, each value checked and none changed.

    Parameters
    ----------
    records : iterable
        One job each, any iterable, also a generator. A dict or mapping is read by key; a named
        tuple or any other object by attribute; a plain tuple or list by position, in the order of
        `fields`.
    fields : mapping of str to spec
        What to read and the column it becomes:

        - ``"int64"``, ``"int32"``: integers, and what equals one (``3.0``, numpy's); no bool.
        - ``"float64"``: floats, and integers that it holds exactly.
        - ``"bool"``: True or False.
        - ``"id"`` or an `Interner`: strings (or 64-bit ints) as int32 ids in order of first
          occurrence. Pass an `Interner` to read the names back and to keep ids over batches.
        - ``"datetime"``: datetimes as datetime64[us]; all naive and kept, or all aware and made
          UTC.
        - ``["int64"]``, ``[interner]``, ...: a list or tuple of such values, as a `Ragged`.
    defaults : mapping of str to value, optional
        The value of a field that a record lacks or holds as None. Without one that is an error.
    nan : collection of str, optional
        The "float64" and "datetime" fields that may hold NaN or NaT.

    Returns
    -------
    dict
        For each field, in their order, an array of shape (n_records,) or a `Ragged`.

    Raises
    ------
    InvalidProblemError
        A value is missing, of another type, out of range, NaN, or not exactly kept by the column.
        `.field` and `.index` name it, the message says what was found and needed. Interners are
        then as they were before.
    TypeError
        `records` is no iterable of records, or a spec is of the wrong type.
    RuntimeError
        The iterable changes an interner that its own batch is filling.

    Notes
    -----
    What the iterable, or a record's own code, raises passes through.
    Complexity: O(values), one look-up and one conversion each; memory is that of the columns.
    Determinism: the columns and ids depend on the records' order alone.

    Examples
    --------
    >>> from gridcompute import Interner, jobs_from_records
    >>> tenants = Interner()
    >>> columns = jobs_from_records(
    ...     [{"tenant": "Li", "gpus": 8, "gb": [1.5, 2]}, {"tenant": "Wu", "gb": []}],
    ...     {"tenant": tenants, "gpus": "int64", "gb": ["float64"]},
    ...     defaults={"gpus": 1},
    ... )
    >>> columns["tenant"], columns["gpus"], columns["gb"].offsets
    (array([0, 1], dtype=int32), array([8, 1]), array([0, 2, 2]))
    >>> list(tenants)
    ['Li', 'Wu']
    """
    stand_ins = dict(defaults or {})
    for option, names in (("defaults", stand_ins), ("nan", nan)):
        _check_names(option, names, fields)
    if isinstance(records, (str, bytes, dict)):
        raise TypeError(f"records must be an iterable of records, not one {type(records).__name__}")
    for name, value in stand_ins.items():  # a bad default is the call's fault, not a record's
        try:
            _ingest.read_columns(
                [(value,)], [_column(name, _fresh(fields[name]), name in nan)], {}, []
            )
        except InvalidProblemError as error:
            raise InvalidProblemError(f"defaults: {error}", name) from None
    for name in fields:
        if not isinstance(name, str):
            raise TypeError(f"fields must be named by str, not {name!r}")
    columns = [_column(name, spec, name in nan) for name, spec in fields.items()]
    read = _ingest.read_columns(records, columns, stand_ins, _interners(fields))
    return {k: Ragged(*v) if isinstance(v, tuple) else v for k, v in read.items()}


def _check_names(option: str, names: Iterable[str], fields: Mapping[str, Spec]) -> None:
    for name in names:
        if name not in fields:
            raise InvalidProblemError(
                f"{option}: {name!r} is none of the fields {list(fields)}", name
            )


def _scalars(spec: Spec) -> list[Any]:
    return spec if isinstance(spec, list) else [spec]


def _fresh(spec: Spec) -> Spec:
    """The spec with interners of its own."""
    if isinstance(spec, list):
        return ["id" if isinstance(item, Interner) else item for item in spec]
    return "id" if isinstance(spec, Interner) else spec


def _interners(fields: Mapping[str, Spec]) -> list[Interner]:
    """The caller's interners, each once."""
    scalars = [scalar for spec in fields.values() for scalar in _scalars(spec)]
    return list({id(s): s for s in scalars if isinstance(s, Interner)}.values())


def _column(name: str, spec: Any, nan: bool) -> _ingest.Column:
    """The empty column of a field, whatever was given as its spec."""
    if isinstance(spec, list):
        if len(spec) != 1 or isinstance(spec[0], list):
            raise InvalidProblemError(
                f"fields[{name!r}]: a list must hold one spec, not be {spec!r}", name
            )
        return _ingest.Ragged(name, _column(name, spec[0], nan))
    if isinstance(spec, Interner):
        return _ingest.IdColumn(name, spec)
    if not isinstance(spec, str):
        raise TypeError(
            f"fields[{name!r}] must be a str, an Interner or a list of one, not {spec!r}"
        )
    if nan and spec not in ("float64", "datetime"):
        raise InvalidProblemError(f"nan: field {name!r} is {spec}, which holds no NaN", name)
    match spec:
        case "int64" | "int32":
            return _ingest.IntColumn(name, np.dtype(spec))
        case "float64":
            return _ingest.FloatColumn(name, nan)
        case "bool":
            return _ingest.BoolColumn(name)
        case "id":
            return _ingest.IdColumn(name, Interner())
        case "datetime":
            return _ingest.TimeColumn(name, nan)
    kinds = "int64, int32, float64, bool, id, datetime"
    raise InvalidProblemError(f"fields[{name!r}]: {spec!r} is none of {kinds}", name)
