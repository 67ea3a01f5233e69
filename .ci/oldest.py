"""Print the oldest versions that pyproject.toml allows, as constraints of pip."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent / "pyproject.toml"


def oldest() -> list[str]:
    """Return name==version for each dependency with a lower bound; 2.0 is any 2.0.x."""
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"].values()
    named = [*project["dependencies"], *(entry for extra in extras for entry in extra)]
    found = [re.match(r"([A-Za-z0-9-]+)(?:\[[a-z]+\])?>=([0-9.]+)", entry) for entry in named]
    return sorted({f"{m[1]}=={m[2]}.*" for m in found if m})


if __name__ == "__main__":
    print("\n".join(oldest()))
