"""Results as tables: Arrow by the PyCapsule interface, pandas, polars."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._extras import extra

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Tabular"]


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
