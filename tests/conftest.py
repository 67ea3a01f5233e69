"""What all tests share."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# No test fails for being slow on a busy machine. The same examples run every time, so that a change
# is judged by what it changes; `make test ARGS=--hypothesis-profile=explore` looks at others.
for name, derandomize in ("gridcompute", True), ("explore", False):
    settings.register_profile(
        name,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
        derandomize=derandomize,
        print_blob=True,
    )
settings.load_profile("gridcompute")
