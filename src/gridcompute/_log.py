"""The logger "gridcompute": a line at the border of each stage, for programs that use logging.

`logging` is not imported here: a program that wants its messages has imported it.
"""

from __future__ import annotations

import sys
from typing import Any

__all__ = ["log"]


def log(message: str, *values: Any) -> None:
    """Log at level INFO to the logger "gridcompute", if anybody listens."""
    logging = sys.modules.get("logging")
    if logging is not None:
        logger = logging.getLogger("gridcompute")
        if logger.isEnabledFor(logging.INFO):
            logger.info(message, *values)
