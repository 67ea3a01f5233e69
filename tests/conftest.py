"""What all tests share."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

# No test fails for being slow on a busy machine. In CI the same examples run every time, so that a
# change is judged by what it changes; at the desk each run explores others.
settings.register_profile(
    "gridcompute",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize="CI" in os.environ,
    print_blob=True,
)
settings.load_profile("gridcompute")
