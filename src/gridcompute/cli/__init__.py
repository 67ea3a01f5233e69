"""The command line."""

from __future__ import annotations

import sys

from .._extras import MissingExtraError, extra

__all__ = ["main"]


def main() -> None:
    """Run the command line; without the packages of `gridcompute[cli]`, say which are missing."""
    try:
        with extra("cli"):
            from .app import main as run
    except MissingExtraError as error:
        print(f"gridcompute: {error}", file=sys.stderr)
        sys.exit(4)  # `SYSTEM` of app.py, which cannot be imported without its packages
    run()
