"""What works with numpy alone, and what a call says whose packages are not installed."""

import subprocess
import sys

import pytest

HIDE = """
import sys

class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {hidden}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Hidden())
"""
OPTIONAL = {
    "highspy",
    "matplotlib",
    "numba",
    "pandas",
    "polars",
    "pyarrow",
    "rich",
    "scipy",
    "typer",
}


def run(code, hidden=OPTIONAL):
    """Run code in a process where these packages cannot be imported."""
    return subprocess.run(
        [sys.executable, "-c", HIDE.format(hidden=hidden) + code],
        capture_output=True,
        text=True,
        check=False,
    )


def test_solvers_and_the_matcher_need_numpy_alone():
    """If this fails, a service that embeds the solvers has to install what it never uses."""
    done = run(
        """
import numpy as np
import gridcompute as gc

m = gc.transport(np.array([[1, 5], [2, 3], [4, 1]]), [1, 2])
assert m.objective == 5 and m.verify().valid
a = gc.assignment(np.array([[4, 1], [2, 3]]))
assert a.objective == 3 and a.verify().valid
f = gc.min_cost_flow([0], [1], [2], [3], [2, -2])
assert f.objective == 6 and f.verify().valid
live = gc.Matcher([1, 1], cost=[([[1.0, 2.0]], None, "work")], unplaced=100.0)
live.add({"work": [3.0, 5.0]})
assert live.match().objective == 11.0
terms = gc.Terms([(np.array([[1.0, 2.0]]), np.zeros(3, int), None)])
assert gc.transport(terms, [2, 2]).verify().valid
assert len(gc.grid.east_west(20).jobs) == 20
print("done")
"""
    )
    assert done.stdout == "done\n", done.stderr


@pytest.mark.parametrize(
    ("package", "extra", "call"),
    [
        ("highspy", "grid", "gc.match(gc.grid.east_west(20))"),
        ("scipy", "grid", "gc.match(gc.grid.east_west(20))"),
        (
            "pyarrow",
            "grid",
            "gc.grid.write_problem(gc.grid.east_west(20), folder)",
        ),
        ("pyarrow", "grid", "gc.grid.east_west(20).jobs.to_arrow()"),
        ("pyarrow", "grid", "gc.transport([[1]], [1]).to_arrow()"),
        ("pandas", "frames", "gc.transport([[1]], [1]).to_pandas()"),
        ("polars", "frames", "gc.transport([[1]], [1]).to_polars()"),
        ("numba", "kernel", "cost.bind(jobs={'job_a': one}, slots={'slot_b': one})"),
        ("rich", "cli", "gc.transport([[1]], [1], progress=True)"),
    ],
)
def test_a_missing_package_is_named_with_its_extra(package, extra, call):
    """If this fails, a user learns from a traceback of ours which package to install, or never."""
    done = run(
        f"""
import tempfile
import numpy as np
import gridcompute as gc

one, folder = np.ones(1), tempfile.mkdtemp() + '/p'

@gc.kernel
def cost(job_a, slot_b):
    return job_a + slot_b

try:
    {call}
except ImportError as error:
    print(error)
""",
        {package},
    )
    wanted = f'{package} is not installed, needed for this call: pip install "gridcompute[{extra}]"'
    assert done.stdout == wanted + "\n", done.stderr


def test_the_command_without_its_packages_says_what_to_install():
    """If this fails, `gridcompute --help` of a plain install ends in a traceback."""
    done = run("from gridcompute.cli import main\nmain()")
    assert done.returncode == 4
    assert done.stderr == (
        "gridcompute: typer is not installed, needed for this call: "
        'pip install "gridcompute[cli]"\n'
    )


def test_an_error_inside_an_installed_package_is_not_taken_for_a_missing_one():
    """If this fails, a broken installation is reported as a missing one."""
    done = run(
        """
from gridcompute._extras import extra
try:
    with extra("grid"):
        raise ImportError("libfoo.so: cannot open")
except ImportError as error:
    print(error)
""",
        set(),
    )
    assert done.stdout == "libfoo.so: cannot open\n", done.stderr
