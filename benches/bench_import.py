"""`import gridcompute` in a fresh interpreter, beside what it builds on: Python and numpy."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.benchmark(group="import", min_rounds=10)
@pytest.mark.parametrize("module", ["sys", "numpy", "gridcompute"])
def test_import(benchmark, module: str) -> None:
    command = [sys.executable, "-c", f"import {module}; print({module}.__name__)"]
    done = benchmark(subprocess.run, command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == module
