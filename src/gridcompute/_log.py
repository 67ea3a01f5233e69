"""The logger "gridcompute": a line at the border of each stage, for programs that use logging.

`logging` is not imported here: a program that wants its messages has imported it.
"""

from __future__ import annotations

import sys
from typing import Any

__all__ = ["log"]

_INFO = 20  # logging.INFO
# Filled when logging is there: to look a logger up takes as long as a small solve's checks.
_found: dict[str, Any] = {}


def log(message: str, *values: Any) -> None:
    """Log at level INFO to the logger "gridcompute", if anybody listens."""
    logger = _found.get("logger")
    if logger is None:
        logging = sys.modules.get("logging")
        if logging is None:
            return
        logger = _found["logger"] = logging.getLogger("gridcompute")
    if logger.isEnabledFor(_INFO):
        logger.info(message, *values)
