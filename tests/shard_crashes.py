"""Small solves over shards with a journal, and kill -9 at any step of their files.

python shard_crashes.py FOLDER FIRST EVERY: kills solves at the steps FIRST, FIRST + EVERY, ... of
all that they do with files, and others that go on from what is left; each must end with the same
answer.
"""

import os
import signal
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet

import gridcompute as gc
from gridcompute import _core
from gridcompute.shards import local_solve
from shard_cases import AS_MANY, make

JOBS, SLOTS = 33_000, 20  # three shards, the last of 232 jobs
_COLUMNS, _TERMS, CAPACITY = make(JOBS, SLOTS, 3)
_FAMILY, _ORIGIN, _WORK, _DATA = (_COLUMNS[k] for k in ("family", "origin", "work", "data"))


def _jobs(first, last):
    return {
        "family": _FAMILY[first:last],
        "origin": _ORIGIN[first:last],
        "work": _WORK[first:last],
        "data": _DATA[first:last],
    }


def solve(out, more=0):
    """Solve; `more` makes another problem."""
    source = gc.shards.generated(JOBS, _jobs, terms=_TERMS, rows_per_shard=1, cache_bytes=0)
    return gc.transport(source, CAPACITY + more, out=out, threads=1)


def bits(m):
    """All that must be the same, whatever happened before."""
    slots = np.asarray(m.assignment)
    return m.status, m.objective, m.bound, m.prices.tobytes(), m.load.tobytes(), slots.tobytes()


def placed(out):
    """The answer in a folder."""
    files = sorted(out.glob("*.parquet"))
    return np.concatenate([pyarrow.parquet.read_table(f)["slot"].to_numpy() for f in files])


def _die_at(step, out):
    """End this process with SIGKILL before it does so many things with files of an answer."""
    left = step

    def count(event, arguments):
        nonlocal left
        if event.startswith(("open", "os.", "shutil.")) and str(out) in str(arguments[0]):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)


def _child(out, step):
    """Solve in a process that is killed at a step, 0 = at none; what became of it."""
    pid = os.fork()
    if pid == 0:
        code = 3
        try:
            _die_at(step, out)
            code = 0 if bits(solve(out)) == REFERENCE else 2
        except gc.GridComputeError as error:
            print(f"step {step}: {error}", flush=True)
        finally:
            os._exit(code)
    return os.waitpid(pid, 0)[1]


if __name__ == "__main__":
    local_solve._UNRECORDED = -1.0
    _core.set_tuning("transport", AS_MANY)
    REFERENCE = bits(solve(None))
    folder, step, every = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    begun, wrong = step, 0
    while True:
        out = folder / f"out-{step}"
        first = _child(out, step)
        if os.WIFSIGNALED(first):
            # The next one is killed too, sooner or later than this one was.
            _child(out, 1 + step * 7 % 50)
            # The answer may be complete, and what the solve needed not yet removed.
            last = 0 if out.exists() else _child(out, 0)
            same = last == 0 and (placed(out) == np.frombuffer(REFERENCE[-1], np.int32)).all()
            wrong += not same
            print(f"step {step}: {'the same answer' if same else f'status {last}'}", flush=True)
        else:
            wrong += first != 0
            break
        step += every
    print(f"{(step - begun) // every} kills, {wrong} wrong")
    sys.exit(wrong != 0)
