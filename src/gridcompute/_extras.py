"""Packages that only some calls need: an error that names the extra to install."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class MissingExtraError(ImportError):
    """A package that this call needs is not installed; the message names the extra."""


@contextmanager
def extra(name: str) -> Iterator[None]:
    """Turn the failure of an import in the block into a `MissingExtraError`.

    Only a package that is not installed is reported so; an error inside an installed one, or a
    module of ours that is missing, passes through.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in ("", "gridcompute"):
            raise
        raise MissingExtraError(
            f'{package} is not installed, needed for this call: pip install "gridcompute[{name}]"',
            name=error.name,
        ) from None
