"""Builds the native modules, one of C++ and those of Cython; all metadata stands in pyproject.toml.

Objects are rebuilt when their source or any header they include is newer (-MMD, read back by
`stale`): nothing changed compiles nothing, one .cpp compiles one, a header only its users.
"""

import os
import sys
from pathlib import Path

from Cython.Build import cythonize
from pybind11.setup_helpers import ParallelCompile, Pybind11Extension
from setuptools import Extension, setup

sys.path.insert(0, str(Path(__file__).parent / "csrc"))
from build_support import Build, stale, units

# Asserts and holds() on; give such a build its own --build-temp.
DEBUG = os.environ.get("GRIDCOMPUTE_DEBUG") == "1"
# The widest vectors, "avx2" or "sse2", to measure; such a build has its own --build-temp too.
ISA = os.environ.get("GRIDCOMPUTE_ISA")
# Python's own flags bring -g, which would ship debug information.
FLAGS = ["-O1", "-g", "-UNDEBUG"] if DEBUG else ["-O3", "-g0"]
FLAGS += [f"-DGRIDCOMPUTE_{ISA.upper()}"] if ISA else []
# In what is shipped no symbol table, no code that nothing calls, and one export.
STRIP = [] if DEBUG or sys.platform != "linux" else ["-Wl,--strip-all", "-Wl,--gc-sections"]
EXPORTS = STRIP and ["-Wl,--version-script=csrc/bindings/exports.map"]
# Added last: "-O1 -fsanitize=address", "-march=native". What the linker needs too goes in LDFLAGS.
FLAGS += os.environ.get("GRIDCOMPUTE_FLAGS", "").split()


def files(suffix: str) -> list[str]:
    """What the core is made of, without its native tests."""
    folders = ("csrc/gridcompute", "csrc/bindings")
    return sorted(str(p) for folder in folders for p in Path(folder).rglob(f"*{suffix}"))


core = Pybind11Extension(
    "gridcompute._core",
    units(files(".cpp")),
    # A newer one opens the question that `stale` answers unit by unit; the units themselves, which
    # name the sources, stay as they are.
    depends=[*files(".hpp"), *files(".cpp")],
    include_dirs=["csrc"],
    cxx_std=20,
    extra_compile_args=["-MMD", "-ffp-contract=off", *FLAGS],
    extra_link_args=[*STRIP, *EXPORTS],
)
options = {"extra_compile_args": [*FLAGS, "-O2"], "extra_link_args": STRIP}  # O3 only adds size
records = sorted(Path("src/gridcompute/records").glob("*.pyx"))
edge = [Extension(f"gridcompute.records.{p.stem}", [str(p)], **options) for p in records]

jobs = os.cpu_count() or 1
ParallelCompile("GRIDCOMPUTE_BUILD_JOBS", default=jobs, needs_recompile=stale).install()
setup(
    ext_modules=[core, *cythonize(edge, language_level=3)],
    cmdclass={"build_ext": Build},
)
