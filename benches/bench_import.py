"""Imports in a fresh interpreter, beside what they build on: Python and numpy."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.benchmark(group="import", min_rounds=10)
@pytest.mark.parametrize(
    "code",
    [
        "import sys",
        "import numpy",
        "import gridcompute",
        "from gridcompute import transport",
        "from gridcompute import Matcher",
        "from gridcompute.grid import Problem",
    ],
)
def test_import(benchmark, code: str) -> None:
    command = [sys.executable, "-c", f"{code}; print('done')"]
    done = benchmark(subprocess.run, command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "done"
