"""How setup.py compiles the core: which sources again, and each for speed or for size."""

import re
from pathlib import Path

from setuptools.command.build_ext import build_ext

# Folders, or starts of names, whose loops run over many costs. So do those of sources that name
# vectors (base/simd.hpp), wherever they are.
FAST = re.compile(
    "/(auction|base|batch|certificate|cost|engines|exact|generalized_assignment|input|kernels"
    "|knapsack|live|model|network_simplex|restricted|rounding|small)"
)
VECTORS = re.compile("GRIDCOMPUTE_(CLONES|VERSIONS|RESTRICT)")


def level_of(src: str) -> str:
    """O3 where it makes loops faster; elsewhere it adds a sixth of bytes, in bindings a third."""
    if "/bindings/" in src:
        # Calls of half a microsecond; the first file has the dispatcher that all bindings share.
        return "-O3" if "/assignment" in src else "-Os"
    return "-O3" if FAST.search(src) or VECTORS.search(Path(src).read_text()) else "-O2"


def rank(obj: str, build_temp: str) -> int:
    """The place of an object in the link: those compiled for speed come first."""
    src = Path(obj).relative_to(build_temp).with_suffix(".cpp")
    return ("-O3", "-O2", "-Os").index(level_of(str(src))) if src.exists() else 0


class Build(build_ext):
    """Replaces O3 by the level of each source, and links what is compiled for speed first.

    Of an inline function that several objects define, such as the methods of a template, the
    linker keeps the first.
    """

    def build_extensions(self) -> None:
        """Compile and link."""
        compiled, linked = self.compiler._compile, self.compiler.link_shared_object

        def sized(obj, src, ext, cc_args, extra_postargs, pp_opts):
            flags = [level_of(src) if flag == "-O3" else flag for flag in extra_postargs]
            compiled(obj, src, ext, cc_args, flags, pp_opts)

        def fast_first(objects, *args, **kwargs):
            linked(sorted(objects, key=lambda obj: rank(obj, self.build_temp)), *args, **kwargs)

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
