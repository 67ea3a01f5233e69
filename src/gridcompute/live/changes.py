"""The changes of a round: jobs placed, moved or evicted, as columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .._extras import extra

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa
    from numpy.typing import NDArray

__all__ = ["KIND_NAMES", "Changes", "Kinds"]

#: Names of the kinds, by their int8 code. NOOP is what a job without a change would have.
KIND_NAMES = ("NOOP", "PLACE", "MOVE", "EVICT")
_NAMES = np.array(KIND_NAMES)


class Kinds:
    """Kinds of changes: int8 codes that read as names.

    ``np.asarray(kinds)`` and `tolist` give names, ``np.asarray(kinds, np.int8)`` and `codes` give
    the codes: 0 NOOP, 1 PLACE, 2 MOVE, 3 EVICT. Compared with a name or a code, entry by entry.

    Examples
    --------
    >>> import numpy as np
    >>> kinds = Kinds(np.array([1, 3], np.int8))
    >>> kinds == "EVICT", kinds.codes, np.asarray(kinds).tolist()
    (array([False,  True]), array([1, 3], dtype=int8), ['PLACE', 'EVICT'])
    """

    __slots__ = ("codes",)
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, codes: NDArray[np.int8]) -> None:
        codes = np.asarray(codes, np.int8)
        codes.flags.writeable = False
        self.codes = codes

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the codes: int8."""
        return self.codes.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """One entry for each change."""
        return self.codes.shape

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        if dtype is not None and np.dtype(dtype).kind in "iu":
            return self.codes.astype(dtype)
        names = _NAMES.take(self.codes, mode="clip")
        return names if dtype is None else names.astype(dtype)

    def __eq__(self, other: object) -> Any:
        if isinstance(other, (int, np.integer)):
            return self.codes == other
        if isinstance(other, Kinds):
            return self.codes == other.codes
        return np.asarray(self) == other

    def __ne__(self, other: object) -> Any:
        return ~(self == other)

    def __len__(self) -> int:
        return len(self.codes)

    def __iter__(self) -> Iterator[str]:
        return iter(self.tolist())

    def __getitem__(self, key: Any) -> Any:
        chosen = self.codes[key]
        return KIND_NAMES[chosen] if np.ndim(chosen) == 0 else Kinds(chosen)

    def tolist(self) -> list[str]:
        """Return the names."""
        return [KIND_NAMES[code] for code in self.codes.tolist()]

    def __repr__(self) -> str:
        return f"Kinds({self.tolist()})"

    def __reduce__(self) -> Any:
        return Kinds, (self.codes,)


class Changes(dict[str, Any]):
    """The changes of a round by column: ``id``, ``from_slot``, ``to_slot`` and ``kind``.

    Ordered by id; slot -1 = unplaced; `kind` is a `Kinds`.
    """

    def to_arrow(self) -> pa.Table:
        """Return the changes as a pyarrow Table; needs pyarrow.

        Returns
        -------
        pyarrow.Table
            ``id`` int64 or string, ``from_slot`` and ``to_slot`` int32 (null = unplaced), ``kind``
            a dictionary of names with int8 indices.
        """
        with extra("grid"):
            import pyarrow as pa

        slots = {
            name: pa.array(self[name], pa.int32(), mask=np.asarray(self[name]) < 0)
            for name in ("from_slot", "to_slot")
        }
        kind = pa.DictionaryArray.from_arrays(pa.array(self["kind"].codes), list(KIND_NAMES))
        ids = self["id"]
        ids = pa.array(ids.tolist(), pa.string()) if ids.dtype == object else pa.array(ids)
        return pa.table({"id": ids, **slots, "kind": kind})

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return self.to_arrow().__arrow_c_stream__(requested_schema)

    def __reduce__(self) -> Any:
        return Changes, (dict(self),)
