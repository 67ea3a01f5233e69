"""Ctrl-C while a thread waits for another."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["interrupts_shown"]


@contextmanager
def interrupts_shown() -> Iterator[None]:
    """Raise the KeyboardInterrupt that came in the middle of `threading.Condition.wait`.

    That method takes its lock again in a `finally`, in Python. An interrupt that comes in there
    leaves the lock free, and the `with` around it raises RuntimeError ("release unlocked lock"),
    which programs that expect a Ctrl-C do not catch.
    """
    try:
        yield
    except RuntimeError as error:
        if isinstance(error.__context__, KeyboardInterrupt):
            raise error.__context__ from None
        raise
