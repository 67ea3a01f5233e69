"""Results as tables: Arrow by the PyCapsule interface, pandas, polars."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._extras import extra

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Tabular"]


class Tabular:
    """Base of results that have columns; `to_arrow` is the subclass's."""

    def to_arrow(self) -> pa.Table:
        """Return the columns as a pyarrow Table."""
        raise NotImplementedError

    def to_pandas(self) -> Any:
        """Return the table of `to_arrow` as a pandas DataFrame; nulls of integers become NaN."""
        table = self.to_arrow()
        with extra("frames"):  # pyarrow imports pandas
            return table.to_pandas()

    def to_polars(self) -> Any:
        """Return the table of `to_arrow` as a polars DataFrame."""
        table = self.to_arrow()
        with extra("frames"):
            import polars
        return polars.from_arrow(table)

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """Return the table of `to_arrow` as an Arrow stream, for whatever reads PyCapsules."""
        return self.to_arrow().__arrow_c_stream__(requested_schema)
