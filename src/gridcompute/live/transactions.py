"""Calls as transactions: the lock and the undo list of a `Matcher`."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Transactional"]


class Transactional:
    """State that is read and changed under one lock, by calls that succeed or change nothing.

    A call enters `_transaction`, appends the inverse of each step to `_undo` before it makes the
    step, and ends with `_commit`. If it raises before that, KeyboardInterrupt included, the steps
    are reverted in reverse order.
    """

    def __init__(self) -> None:
        # Reentrant, so that a hook or a signal handler inside a call gets an error and no deadlock.
        self._lock = threading.RLock()
        self._busy = False
        self._version = 0  # increases whenever the state may have changed
        self._undo: list[Callable[[], object]] = []

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """Hold the lock, and revert a call that fails or is interrupted."""
        with self._lock:
            if self._busy:
                raise RuntimeError(
                    "a Matcher may not be used from its own progress hook, or from a signal "
                    "handler during a call"
                )
            try:
                self._busy = True
                self._rollback()
                yield
            finally:
                try:
                    self._rollback()
                finally:
                    self._busy = False

    def _commit(self) -> None:
        """End a call that changed the state."""
        self._version += 1
        self._undo.clear()

    def _rollback(self) -> None:
        """Revert uncommitted steps; an interrupted reversal is repeated, so each may run twice."""
        while self._undo:
            self._version += 1
            self._undo[-1]()
            self._undo.pop()
