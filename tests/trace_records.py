"""Gavel's recorded values and the throughputs behind them, in examples/data."""

import csv
import gzip

from real_data import EXAMPLES as DATA
from real_data import find

__all__ = ["DATA", "SPEEDS", "rows"]

SPEEDS = find("traces/gavel/simulation_throughputs.json.gz")


def rows(name):
    """Return the rows of a recorded table."""
    data = find(f"replay/{name}").read_bytes()
    text = (gzip.decompress(data) if name.endswith(".gz") else data).decode()
    return list(csv.DictReader(text.splitlines()))
