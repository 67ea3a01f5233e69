"""What all tests share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from collections.abc import Iterator

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


@pytest.fixture(scope="session")
def dask_client() -> Iterator[Any]:
    """A Dask cluster of two processes, for all tests of a run."""
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client
