"""The public benchmark: frozen instances, `gridbench-1`, solved here and by the peers installed.

`INSTANCES` names them, `run` measures. From the command line: ``gridcompute bench --peers --json
OUT``. An instance is made of integers from a generator defined here, so that it is the same with
any numpy on any machine; `Instance.checksum` says so.
"""

from __future__ import annotations

from .instances import FAMILIES, INSTANCES, SUITE, Instance
from .run import machine, run

__all__ = ["FAMILIES", "INSTANCES", "SUITE", "Instance", "machine", "run"]
