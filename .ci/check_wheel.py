"""Use an installed wheel where no source is near, or check the size of wheel files.

python .ci/check_wheel.py                  solve with what is installed; cibuildwheel runs this
python .ci/check_wheel.py --size FILE...   fail for a wheel of 3 MB or more
"""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

MOST_BYTES = 3_000_000


def use() -> None:
    """Solve, verify, pickle, keep a live world: what numpy alone is enough for."""
    import numpy as np

    import gridcompute as gc

    if "site-packages" not in gc.__file__:
        sys.exit(f"{gc.__file__} is no installed wheel")
    cost = np.random.default_rng(0).integers(0, 1000, (5000, 40))
    m = gc.transport(cost, np.full(40, 130))
    assert m.exact, m
    assert pickle.loads(pickle.dumps(m)).verify(cost), m
    rows, columns = gc.linear_sum_assignment(np.array([[4, 1, 3], [2, 0, 5], [3, 2, 2]]))
    assert columns.tolist() == [1, 0, 2], (rows, columns)
    f = gc.min_cost_flow([0, 0, 1], [1, 2, 2], [3, 2, 9], [1, 4, 1], [4, 0, -4])
    assert f.objective == 10, f
    assert f.verify(), f
    world = gc.Matcher([1, 2], cost=[(np.array([[1.0, 2.0]]), None, "work")], unplaced=9.0)
    world.add({"work": [1.0, 2.0, 3.0]})
    assert world.match().status == "optimal"
    assert gc.fair.leximin([[True]], capacity=[3], request=[8], weight=[1]).share.tolist() == [3]
    assert len(gc.grid.east_west(20).jobs) == 20
    print("the wheel works:", sys.version.split()[0], gc.__version__, gc.__file__)


def sizes(names: list[str]) -> None:
    """Fail for a wheel that is too large."""
    for name in names:
        size = Path(name).stat().st_size
        print(f"{size / 1e6:.2f} MB  {Path(name).name}")
        if size >= MOST_BYTES:
            sys.exit(f"{name} has {size} bytes, needed less than {MOST_BYTES}")


if __name__ == "__main__":
    sizes(sys.argv[2:]) if sys.argv[1:2] == ["--size"] else use()
