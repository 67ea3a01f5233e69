"""Run tests on one of the builds that `make variants` makes, and on no other."""

import sys
from pathlib import Path

import pytest

from gridcompute import _core


def main() -> None:
    """Check where the extension comes from, then leave the rest to pytest."""
    name, *arguments = sys.argv[1:]
    if name not in Path(_core.__file__).parts:
        sys.exit(f"{name}: {_core.__file__} is another build's")
    sys.exit(pytest.main(arguments))


if __name__ == "__main__":
    main()
