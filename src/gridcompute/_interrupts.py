"""Ctrl-C inside modules of Python that hide it, or leave a thread waiting."""

from __future__ import annotations

import time
from _thread import LockType, allocate_lock, start_new_thread
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any
from weakref import ref

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import ThreadPoolExecutor

    _Call = tuple[SimpleQueue[Any], Callable[..., Any], tuple[Any, ...]]

__all__ = ["WorkerThreads", "end_threads", "interrupts_shown"]

#: Seconds between two looks at whether all threads have ended.
LOOK_S = 1e-4
#: Seconds after which a thread that has nothing to do looks whether it is still needed.
IDLE_S = 0.1


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


class WorkerThreads:
    """Threads that call functions; a Ctrl-C in the thread that asks leaves none of them waiting.

    `threading` is written in Python: an interrupt between two lines of `Thread.start` leaves a lock
    taken, the new thread waits for it for ever, and the process for that thread at its
    exit. The queues and locks used here are C: a call is done, or has not begun.

    Parameters
    ----------
    most : int
        Threads at most; each begins with a call that is asked for.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._asked: SimpleQueue[_Call | None] = SimpleQueue()
        self._running: list[LockType] = []  # each is free once its thread has ended

    def submit(self, function: Callable[..., Any], *args: Any) -> Callable[[], Any]:
        """Begin a call; the function returned waits for it, once, and returns what it did.

        Where the system refuses the first thread the call is made at once.
        """
        answer: SimpleQueue[Any] = SimpleQueue()
        self._asked.put((answer, function, args))
        if len(self._running) < self._most:
            running = allocate_lock()
            running.acquire()
            try:
                start_new_thread(_work, (self._asked, running, ref(self)))
                self._running.append(running)
            except RuntimeError:
                if not self._running:
                    _step(self._asked, IDLE_S)

        def result() -> Any:
            found, error = answer.get()
            if error is not None:
                raise error
            return found

        return result

    def close(self) -> None:
        """Forget the calls that have not begun, and wait for those that have, come what may."""
        try:
            self._close()
        except BaseException:
            self._close()
            raise

    def _close(self) -> None:
        with suppress(Empty):
            while True:
                self._asked.get_nowait()
        for _ in range(self._most + 1):  # and one that an interrupt kept from being counted
            self._asked.put(None)
        while any(running.locked() for running in self._running):
            time.sleep(LOOK_S)


def _work(asked: SimpleQueue[_Call | None], running: LockType, owner: ref[WorkerThreads]) -> None:
    """Make the calls that are asked for, until `close`, or or until `owner` is gone."""
    try:
        going = True
        while going:
            try:
                going = _step(asked, IDLE_S)
            except Empty:
                going = owner() is not None
    finally:
        running.release()


def _step(asked: SimpleQueue[_Call | None], most_s: float) -> bool:
    """Make the call that was asked for first; returns whether others may follow."""
    call = asked.get(timeout=most_s)
    if call is None:
        return False
    answer, function, args = call
    try:
        answer.put((function(*args), None))
    except BaseException as error:  # raised again by the caller that waits
        answer.put((None, error))
    return True
