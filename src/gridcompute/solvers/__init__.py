"""Transport, linear assignment and min-cost flow: the public functions."""
