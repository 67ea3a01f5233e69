"""The edge where Python objects become columns."""
