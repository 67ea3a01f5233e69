"""Interrupts at chosen bytecodes: what Ctrl-C may do to a call, one place after the other."""

import dis
import sys
import time
from _thread import _count
from pathlib import Path

import gridcompute

OURS = str(Path(gridcompute.__file__).parent)


def wait_for_threads(most, where=""):
    """A thread that has released its last lock is counted until the system has taken it away."""
    waiting = time.monotonic() + 60
    while _count() > most and time.monotonic() < waiting:
        time.sleep(0.001)
    assert _count() <= most, where


class Interrupt:
    """Counts the bytecodes of the library's own modules in a call, and raises before the n-th.

    A signal handler may raise KeyboardInterrupt at calls and backward jumps of any module; the
    bytecodes of the library's modules contain all places that differ for it. `but_returns_of`: the
    functions in which a return is no such place, because nothing is looked for between it and the
    caller's next bytecode. `modules`: where to count, by how the names of their files begin.
    """

    def __init__(
        self,
        n=-1,
        but_returns_of=(),
        modules=(OURS,),
    ):
        self.n, self.seen, self.where = n, 0, ""
        self._modules = modules
        self._but_returns_of = but_returns_of

    def run(self, call):
        """Return call(), or None where it was interrupted."""
        before = sys.gettrace()
        try:
            sys.settrace(self._enter)
            return call()
        except KeyboardInterrupt:
            if not self.where:
                raise
            return None
        finally:
            sys.settrace(before)

    def _enter(self, frame, event, arg):
        if not frame.f_code.co_filename.startswith(self._modules):
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        return self._look

    def _look(self, frame, event, arg):
        if event != "opcode":
            return self._look
        code = frame.f_code
        if code in self._but_returns_of and _is_return(code, frame.f_lasti):
            return self._look
        self.seen += 1
        if self.seen == self.n:
            name = Path(code.co_filename).name
            self.where = f"{name}:{frame.f_lineno} in {code.co_name}, offset {frame.f_lasti}"
            raise KeyboardInterrupt(self.where)
        return self._look


def _is_return(code, offset):
    return dis.opname[code.co_code[offset]].startswith("RETURN")


def places(
    make,
    call,
    most,
    but_returns_of=(),
    last=0,
):
    """Yield things that `make` returns, each after a call that was interrupted, and where that was.

    At up to `most` places of the call, evenly spread over its bytecodes, and at some of the `last`,
    where states are replaced.
    """
    call(make())  # what is imported and cached on first use
    counted = Interrupt(but_returns_of=but_returns_of)
    thing = make()
    counted.run(lambda: call(thing))
    step = max(1, -(-counted.seen // most))
    chosen = {*range(1, counted.seen + 1, step), *range(counted.seen, counted.seen - last, -3)}
    for n in sorted(chosen):
        thing, interrupt = make(), Interrupt(n, but_returns_of)
        interrupt.run(lambda thing=thing: call(thing))
        assert interrupt.where, f"bytecode {n} of {counted.seen} was not met: not deterministic"
        yield thing, interrupt.where
