"""Makes the argument `progress=` into the one hook of the core: stage, fraction; True stops."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from ._extras import extra

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Progress", "ProgressHook", "progress_hook"]


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
