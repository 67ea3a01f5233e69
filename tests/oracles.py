"""The slow oracles that are part of the library, under the name that tests know them by."""

from __future__ import annotations

from gridcompute.testing.oracles import exact, transport_brute, transport_paths

__all__ = ["exact", "transport_brute", "transport_paths"]
