"""Ctrl-C inside modules of Python that turn it into another error."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import ThreadPoolExecutor

__all__ = ["end_threads", "interrupts_shown"]


def end_threads(pool: ThreadPoolExecutor) -> None:
    """Wait for the threads of a pool to end, to the end also where an interrupt comes meanwhile."""
    try:
        pool.shutdown(wait=True, cancel_futures=True)
    except BaseException:
        pool.shutdown(wait=True, cancel_futures=True)
        raise


@contextmanager
def interrupts_shown() -> Iterator[None]:
    """Raise the KeyboardInterrupt that came inside modules of Python, where another error hides it.

    `threading.Condition.wait` takes its lock again in a `finally`, in Python. An interrupt that
    comes in there leaves the lock free, and the `with` around it raises RuntimeError ("release
    unlocked lock"). `zipfile` cannot close an archive of which an entry is being written, and
    raises ValueError. Programs that expect a Ctrl-C catch neither.
    """
    try:
        yield
    except (RuntimeError, ValueError) as error:
        if isinstance(error.__context__, KeyboardInterrupt):
            raise error.__context__ from None
        raise
