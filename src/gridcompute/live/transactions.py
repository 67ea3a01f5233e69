"""Calls as transactions: the lock and the undo list of a `Matcher`."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

from .. import _core

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Transactional", "transaction"]

_P = ParamSpec("_P")
_R = TypeVar("_R")
_T = TypeVar("_T", bound="Transactional")


class Transactional:
    """State that is read and changed under one lock, by calls that succeed or change nothing.

    A method that is a `transaction` appends the inverse of each step to `_undo` before it makes the
    step, and ends with `_commit`. If it raises before that, KeyboardInterrupt included, the steps
    are reverted in reverse order; an interrupted reversal is repeated, so each may run twice.
    """

    def __init__(self) -> None:
        self._calls = _core.Calls(
            "a Matcher may not be used from its own progress hook, or from a signal handler "
            "during a call"
        )
        self._version = 0  # increases whenever the state may have changed
        self._undo: list[Callable[[], object]] = []

    def _commit(self) -> None:
        """End a call that changed the state."""
        self._version += 1
        self._undo.clear()


def transaction(method: Callable[Concatenate[_T, _P], _R]) -> Callable[Concatenate[_T, _P], _R]:
    """Make a method hold the lock, and revert a call that fails or is interrupted."""

    @functools.wraps(method)
    def call(self: _T, /, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        return self._calls.transaction(method, self._undo, (self, *args), kwargs)

    return call
