"""Progress and log: what a long call reports while it runs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from ._extras import extra

if TYPE_CHECKING:
    from collections.abc import Iterator

_INFO = 20  # logging.INFO
# Filled once logging is imported: getting a logger takes as long as a small solve's checks.
_found: dict[str, Any] = {}


def listening() -> bool:
    """Return whether a logger is enabled: small solves test it before they format a message."""
    logger = _found.get("logger")
    if logger is None:
        if "logging" not in sys.modules:
            return False
        logger = _found["logger"] = sys.modules["logging"].getLogger("gridcompute")
    return logger.isEnabledFor(_INFO)  # type: ignore[no-any-return]


def log(message: str, *values: Any) -> None:
    """Log at level INFO to the logger "gridcompute", if it is enabled."""
    if listening():
        _found["logger"].info(message, *values)


def warn(message: str, *values: Any) -> None:
    """Log at level WARNING to the logger "gridcompute"."""
    import logging

    logging.getLogger("gridcompute").warning(message, *values)


class Progress(NamedTuple):
    """The progress of a running solve."""

    stage: str
    #: Fraction of the whole solve, 0 to 1, never falling.
    done: float


ProgressHook = Callable[[Progress], "bool | None"]


@contextmanager
def progress_hook(
    progress: bool | ProgressHook | None, title: str
) -> Iterator[Callable[[str, float], bool] | None]:
    """The hook of the core for `progress`: None, True (a bar on stderr) or a callable."""
    if progress is None or progress is False:
        yield None
    elif progress is True:
        with extra("cli"):
            import rich.console
            import rich.progress

        console = rich.console.Console(stderr=True)
        with rich.progress.Progress(console=console, transient=True) as bar:
            task = bar.add_task(title, total=1.0)

            def show(stage: str, done: float) -> bool:
                bar.update(task, completed=done, description=f"{title}: {stage}")
                return False

            yield show
    elif callable(progress):
        user = progress
        yield lambda stage, done: user(Progress(stage, done)) is True
    else:
        raise TypeError(f"progress must be None, True or a callable, not {type(progress).__name__}")
