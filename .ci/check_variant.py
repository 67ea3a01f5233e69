"""Run tests on a build of `make variants`, and compare its answers with the usual build's."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gridcompute import _core

HERE = Path(__file__).resolve().parent
OF_VARIANTS = {"PYTHONPATH", "LD_PRELOAD", "ASAN_OPTIONS"}


def usual_answers() -> dict[str, str]:
    """The digests of `answers.py` by the build that is installed."""
    env = {k: v for k, v in os.environ.items() if k not in OF_VARIANTS}
    command = [sys.executable, str(HERE / "answers.py")]
    done = subprocess.run(command, env=env, text=True, capture_output=True, check=True)
    return json.loads(done.stdout)


def compare(name: str) -> None:
    """Exit with the answers that differ from the usual build's, if any do."""
    sys.path.insert(0, str(HERE))
    from answers import answers

    usual, here = usual_answers(), answers()
    other = [case for case in usual if usual[case] != here.get(case)]
    if other or len(here) != len(usual):
        sys.exit(f"{name}: the bits of these answers are not those of the usual build: {other}")
    print(f"{name}: {len(here)} answers have the bits of the usual build")


def main() -> None:
    """Check where the extension comes from, run the tests, compare answers."""
    name, *arguments = sys.argv[1:]
    if name not in Path(_core.__file__).parts:
        sys.exit(f"{name}: {_core.__file__} is another build's")
    if code := pytest.main(arguments):
        sys.exit(code)
    compare(name)


if __name__ == "__main__":
    main()
