"""The logger "gridcompute": a line at the border of each stage, for programs that use logging.

`logging` is not imported for these: a program that wants them has imported it. A warning imports
it, and is printed to stderr where a program has set up nothing.
"""

from __future__ import annotations

import sys
from typing import Any

__all__ = ["listening", "log", "warn"]

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
