"""The folders of the core and which of them include which, read from the includes."""

import re
from pathlib import Path

import matplotlib.pyplot as plt

# The folder that this runs in is docs/figures when pages are built.
ROOT = next(p for p in (Path.cwd(), *Path.cwd().parents) if (p / "csrc").is_dir())
CORE = ROOT / "csrc" / "gridcompute"
INCLUDE = re.compile(r'#include "gridcompute/(\w+)/')

uses: dict[str, set[str]] = {}
for path in [*CORE.rglob("*.hpp"), *CORE.rglob("*.cpp")]:
    folder = path.relative_to(CORE).parts[0]
    found = set(INCLUDE.findall(path.read_text(encoding="utf-8")))
    uses.setdefault(folder, set()).update(found - {folder})


def height(folder: str) -> int:
    """0 for a folder that includes no other, else one more than the highest it includes."""
    return 1 + max(map(height, uses[folder]), default=-1)


levels: dict[int, list[str]] = {}
for folder in sorted(uses):
    levels.setdefault(height(folder), []).append(folder)
width = max(map(len, levels.values()))
at = {
    folder: ((k + 0.5) * width / len(row), level)
    for level, row in levels.items()
    for k, folder in enumerate(row)
}

fig, ax = plt.subplots(figsize=(7.5, 3.2))
box = {"boxstyle": "round,pad=0.5", "facecolor": "#dfe9f5", "edgecolor": "#4a78a8"}
boxes = {
    folder: ax.text(x, y, f"{folder}/", ha="center", va="center", bbox=box).get_bbox_patch()
    for folder, (x, y) in at.items()
}
for folder, others in uses.items():
    for other in others:
        # What is reached through another folder is not drawn.
        if any(other in uses[between] for between in others - {other}):
            continue
        ends = {"patchA": boxes[folder], "patchB": boxes[other]}
        arrow = {"arrowstyle": "->", "color": "0.4", **ends}
        ax.annotate("", at[other], at[folder], arrowprops=arrow)
ax.set(xlim=(-0.3, width + 0.3), ylim=(-0.4, max(levels) + 0.4))
ax.axis("off")
fig.tight_layout()
