"""One call at a time, whole or not at all: the lock and the undo list of a `Matcher`."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Guarded"]


class Guarded:
    """State that is read and changed under one lock, by calls that end or leave no trace.

    A call enters `_held`, appends to `_undo` how to take back each step before it is made, and ends
    with `_done`. What raises before that, KeyboardInterrupt included, is undone.
    """

    def __init__(self) -> None:
        # Reentrant, so that a hook or a signal handler inside a call gets an error and no deadlock.
        self._lock = threading.RLock()
        self._busy = False
        self._version = 0  # changes whenever anything may have changed
        self._undo: list[Callable[[], object]] = []

    @contextmanager
    def _held(self) -> Iterator[None]:
        """Hold the lock; take back what fails or is interrupted half way."""
        with self._lock:
            if self._busy:
                raise RuntimeError(
                    "a Matcher may not be used from its own progress hook, or from a signal "
                    "handler during a call"
                )
            try:
                self._busy = True
                self._mend()
                yield
            finally:
                try:
                    self._mend()
                finally:
                    self._busy = False

    def _done(self) -> None:
        """End a call that changed something."""
        self._version += 1
        self._undo.clear()

    def _mend(self) -> None:
        """Take back what is not done; each step may run again, should it be interrupted."""
        while self._undo:
            self._version += 1
            self._undo[-1]()
            self._undo.pop()
