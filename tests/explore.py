"""Run the properties of numbers of every size with fresh seeds, until the time is over.

`make explore SECONDS=60`. All draws follow from one seed, printed first, so that a crash has one:
set `EXPLORE_SEED` to draw the same again. A failure prints the example, and the call that plays it
again; examples that fail stay in `.hypothesis` and come first the next time.
"""

import faulthandler
import importlib
import os
import random
import secrets
import sys
import time
from pathlib import Path

from hypothesis import HealthCheck, seed, settings
from hypothesis.database import DirectoryBasedExampleDatabase

sys.path[:0] = [str(Path(__file__).parent)]
from property import test_magnitudes as properties  # noqa: E402 - found by the line above

EXAMPLES = 100


def main(seconds):
    """Try batch after batch; the exit status is the number of properties that failed."""
    faulthandler.enable()  # a crash names the call
    first = int(os.environ.get("EXPLORE_SEED") or secrets.randbits(32))
    print(f"explore: EXPLORE_SEED={first}", flush=True)
    draw = random.Random(first)
    profile = settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=False,
        print_blob=True,
        database=DirectoryBasedExampleDatabase(".hypothesis/explore"),
        suppress_health_check=list(HealthCheck),
    )
    names = [name for name in dir(properties) if name.startswith("test_")]
    end, rounds, failed = time.monotonic() + seconds, 0, set()
    while time.monotonic() < end and len(failed) < len(names):
        importlib.reload(properties)  # a property takes its settings once
        for name in names:
            if name in failed:
                continue
            drawn = draw.getrandbits(64)
            check = profile(seed(drawn)(getattr(properties, name)))
            try:
                check()
            except Exception as error:
                failed.add(name)
                notes = "\n".join(getattr(error, "__notes__", ()))
                print(f"{name} failed with seed {drawn}: {type(error).__name__}: {error}\n{notes}")
        rounds += 1
    print(
        f"{rounds} rounds of {EXAMPLES} examples of {len(names)} properties: {len(failed)} failed"
    )
    return len(failed)


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]) if len(sys.argv) > 1 else 60.0))
