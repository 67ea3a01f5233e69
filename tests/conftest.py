"""What all tests share."""

import itertools
import operator

import pytest
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


@pytest.fixture(scope="session")
def dask_client():
    """A Dask cluster of two processes, for all tests of a run."""
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def pytest_collection_modifyitems(config, items):
    """Begin each worker's part of the tests with modules that have slow ones.

    Workers start with equal parts of the list and steal from each other's ends: whoever comes to a
    long test last would keep all others waiting. Modules stay whole, for the sake of fixtures.
    """
    workers = getattr(config, "workerinput", {}).get("workercount", 1)
    if workers == 1:
        return
    modules = [list(tests) for _, tests in itertools.groupby(items, lambda item: item.path)]
    slow = [any(item.get_closest_marker("slow") for item in tests) for tests in modules]
    long = list(itertools.compress(modules, slow))
    rest = list(itertools.chain(*itertools.compress(modules, map(operator.not_, slow))))
    order = []
    for worker in range(workers):
        order += itertools.chain(*long[worker::workers])
        more = max(0, len(items) * (worker + 1) // workers - len(order))
        order += rest[:more]
        del rest[:more]
    items[:] = order


@pytest.fixture
def command(capsys):
    """Runs a command line; status, standard output and standard error."""
    pytest.importorskip("typer")
    from gridcompute.cli import app as cli

    def run(*arguments):
        status = cli.run(list(arguments))
        streams = capsys.readouterr()
        return status, streams.out, streams.err

    return run
