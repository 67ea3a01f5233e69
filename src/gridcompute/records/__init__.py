"""Records and strings to columns, at the edge of Python objects."""
