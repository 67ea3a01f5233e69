"""Ctrl-C inside modules of Python that hide it, or leave a thread waiting."""

from __future__ import annotations

import time
from _thread import LockType, allocate_lock, start_new_thread
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from weakref import ref

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_Found = TypeVar("_Found")

#: Seconds between two looks at whether all threads have ended.
LOOK_S = 1e-4
#: Seconds after which a thread that has nothing to do looks whether it is still needed.
IDLE_S = 0.1


@contextmanager
def interrupts_shown() -> Iterator[None]:
    """Raise the KeyboardInterrupt that came inside `zipfile`, where another error hides it.

    An archive of which an entry is being written cannot be closed, and raises ValueError.
    """
    try:
        yield
    except ValueError as error:
        if isinstance(error.__context__, KeyboardInterrupt):
            raise error.__context__ from None
        raise


class Call(Generic[_Found]):
    """A call that another thread makes."""

    def __init__(self, function: Callable[..., _Found], args: tuple[Any, ...]) -> None:
        self._function, self._args = function, args
        self._is_made: SimpleQueue[None] = SimpleQueue()
        self._outcome: tuple[_Found | None, BaseException | None] | None = None

    def make(self) -> None:
        """Make the call, in the thread of whoever asks."""
        try:
            self._outcome = self._function(*self._args), None
        except BaseException as error:  # raised again by `result`
            self._outcome = None, error
        self._is_made.put(None)

    def wait(self, most_s: float | None = None) -> bool:
        """Wait for the end of the call, `most_s` seconds at most; return whether it has ended."""
        if self._outcome is None:
            with suppress(Empty):
                self._is_made.get(timeout=most_s)
        return self._outcome is not None

    def result(self) -> _Found:
        """Wait for the end of the call; return what it returned, or raise what it raised."""
        self.wait()
        assert self._outcome is not None
        found, error = self._outcome
        if error is not None:
            raise error
        return found  # type: ignore[return-value]


class WorkerThreads:
    """Threads that make calls; a Ctrl-C in the thread that asks leaves none of them waiting.

    `threading` is written in Python: an interrupt between two lines of `Thread.start` leaves a lock
    taken, the new thread waits for it for ever, and the process for that thread at its
    exit. The queues and locks used here are C: a step is done, or has not begun.

    Parameters
    ----------
    most : int
        Largest number of threads; each starts with a call that is asked for.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._asked: SimpleQueue[Call[Any] | None] = SimpleQueue()
        self._ended: list[LockType] = []  # each is free once its thread has ended
        self._started: list[int] = []  # of `_ended`, those whose threads have begun

    def submit(self, function: Callable[..., _Found], *args: Any) -> Call[_Found]:
        """Begin a call.

        Raises
        ------
        RuntimeError
            The system has no thread to spare, or Python is exiting. The call will not be made.
        """
        if len(self._started) < self._most:
            del self._ended[len(self._started) :]
            ended = allocate_lock()
            ended.acquire()
            self._ended.append(ended)
            of_thread = (self._asked, ended, ref(self))
            try:  # `extend` and `map` are C: a thread that has begun is counted
                self._started.extend(map(start_new_thread, [_work], [of_thread]))
            except RuntimeError:
                if not self._started:
                    raise
        call = Call(function, args)
        self._asked.put(call)
        return call

    def begin(self, function: Callable[..., _Found], *args: Any) -> Call[_Found]:
        """Begin a call, or make it at once where the system refuses a thread."""
        try:
            return self.submit(function, *args)
        except RuntimeError:
            call = Call(function, args)
            call.make()
            return call

    def close(self) -> None:
        """Drop the calls that have not begun, and wait for those that have, come what may."""
        try:
            self._close()
        except BaseException:
            self._close()
            raise

    def _close(self) -> None:
        with suppress(Empty):
            while True:
                self._asked.get_nowait()
        for _ in self._started:
            self._asked.put(None)
        while any(ended.locked() for ended in self._ended[: len(self._started)]):
            time.sleep(LOOK_S)


def _work(asked: SimpleQueue[Call[Any] | None], ended: LockType, owner: ref[WorkerThreads]) -> None:
    """Make the calls that are asked for, until `close`, or until `owner` is gone."""
    try:
        while True:
            try:
                call = asked.get(timeout=IDLE_S)
            except Empty:
                if owner() is None:
                    return
                continue
            if call is None:
                return
            call.make()
            del call  # what it holds is of no use while the next is waited for
    finally:
        ended.release()
