"""A table as another library would hand it over."""

from __future__ import annotations

from typing import Any


class ArrowStream:
    """Something that is no pyarrow table but speaks the PyCapsule interface."""

    def __init__(self, table: Any) -> None:
        self.table = table

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.table.__arrow_c_stream__(requested_schema)
