"""How setup.py compiles the core: in units, each for speed or for size, and which of them again."""

import os
import re
from pathlib import Path

from setuptools.command.build_ext import build_ext

# Folders, or starts of names, whose loops run over many costs. So do those of sources that name
# vectors (base/simd.hpp), wherever they are.
FAST = re.compile(
    "/(auction|base|batch|certificate|cost|engines|exact|generalized_assignment|input|kernels"
    "|device_contents|live|model|network_simplex|restricted|rounding|small)"
)
VECTORS = re.compile("GRIDCOMPUTE_(CLONES|VERSIONS|RESTRICT)")

# The level of a unit is the end of its name. Those compiled for speed are linked first: of an
# inline function that several objects define, such as a method of a template, the first is kept.
LEVELS = ("O3", "O2", "Os")
UNITS = Path("build", "units")
UNIT_BYTES = 130_000  # of sources: small enough for two processors to end at about the same time


def level_of(src: str) -> str:
    """O3 where it makes loops faster; elsewhere it adds a sixth of bytes, in bindings a third."""
    if "/bindings/" in src:
        # Calls of half a microsecond; the first file has the dispatcher that all bindings share.
        return "O3" if "/assignment" in src else "Os"
    return "O3" if FAST.search(src) or VECTORS.search(Path(src).read_text()) else "O2"


def units(sources: list[str]) -> list[str]:
    """Write sources that each include some of one folder and level, and return their names.

    What these compile in common, headers and instances of templates, is compiled once for all.
    """
    parts: dict[str, list[list[str]]] = {}
    for src in sources:
        folder = Path(src).parent.relative_to("csrc")
        of_group = parts.setdefault(f"{'-'.join(folder.parts)}-{{}}-{level_of(src)}.cpp", [[]])
        if sum(Path(s).stat().st_size for s in (*of_group[-1], src)) > UNIT_BYTES:
            of_group.append([])
        of_group[-1].append(src)
    named = {UNITS / n.format(k): p for n, of in parts.items() for k, p in enumerate(of, 1) if p}
    for unit, members in named.items():
        write_unit(unit, members)
    return [str(unit) for unit in named]


def write_unit(unit: Path, members: list[str]) -> None:
    """Write a unit where it is new or changed.

    A new one is as old as its newest member: what a build elsewhere has compiled of the same
    sources is not stale.
    """
    names = ["unit.hpp", *(Path(src).relative_to("csrc") for src in members)]
    text = "".join(f'#include "{name}"\n' for name in names)
    there = unit.exists()
    if there and unit.read_text() == text:
        return
    unit.parent.mkdir(parents=True, exist_ok=True)
    unit.write_text(text)
    if not there:
        newest = max(Path(src).stat().st_mtime for src in members)
        os.utime(unit, (newest, newest))


def rank(name: str) -> int:
    """The place of a unit, or of its object, in the link; what is no unit comes first."""
    level = Path(name).stem.rpartition("-")[2]
    return LEVELS.index(level) if level in LEVELS else 0


class Build(build_ext):
    """Replaces O3 by the level of each unit, and links in the order of levels."""

    def finalize_options(self) -> None:
        """Keep objects in the folder that GRIDCOMPUTE_OBJECTS names, if it does.

        An editable install gives `build_temp` a temporary folder, whatever configuration files say,
        so that the build after it would compile everything again.
        """
        self.build_temp = os.environ.get("GRIDCOMPUTE_OBJECTS", self.build_temp)
        super().finalize_options()

    def build_extensions(self) -> None:
        """Compile and link."""
        compiled, linked = self.compiler._compile, self.compiler.link_shared_object

        def sized(obj, src, ext, cc_args, extra_postargs, pp_opts):
            level = f"-{LEVELS[rank(src)]}"
            flags = [level if flag == "-O3" else flag for flag in extra_postargs]
            compiled(obj, src, ext, cc_args, flags, pp_opts)

        def fast_first(objects, *args, **kwargs):
            linked(sorted(objects, key=rank), *args, **kwargs)

        self.compiler._compile, self.compiler.link_shared_object = sized, fast_first
        super().build_extensions()


def stale(obj: str, src: str) -> bool:
    """Is the object file older than its source, or than a header it was built from?"""
    built, depends = Path(obj), Path(obj).with_suffix(".d")
    if not built.exists() or not depends.exists():
        return True
    names = depends.read_text().partition(": ")[2].replace("\\\n", " ").split()
    age = built.stat().st_mtime
    return any(not Path(n).exists() or Path(n).stat().st_mtime > age for n in [src, *names])
