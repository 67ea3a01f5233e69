"""The layers: which module may import which, in Python and in C++, and what importing costs.

docs/explanation/architecture.md draws the same arrows for readers. A new module or folder gets its
place in one of the tables below; a change of the layers edits a table, which a reviewer sees.
"""

import ast
import dataclasses
import importlib
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import gridcompute
from gridcompute import errors
from gridcompute.grid import Problem

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "gridcompute"
CSRC = ROOT / "csrc"

# ---------------------------------------------------------------- Python layers, lowest first

# Import nothing of ours but _extras and _html.
GROUND = {"_version", "errors", "_progress", "_extras", "_files", "_certificate", "_html", "_value"}
NATIVE = {"_core"}
FORMULAS = {"costs", "_checks", "_columns"}  # costs and the checks of arguments
TOP = {"bench", "report", "cli", "plot", "testing", "__main__"}
WINGS = {"clusters", "green"}  # capabilities that stand on the platform
# solvers/, live/, fair/ and records/ are "functions".
ORDER = ["ground", "native", "formulas", "results", "functions", "grid", "wings", "top"]

# The platform may use the core's options (jobs under coupling rows) and its count of threads, and
# nothing else of it.
GRID_OPTIONS = {"LagrangianOracle", "LocalSearch", "ResidualCapacity", "thread_count"}

# The arrows upwards, taken only inside a call: Plan.report(path) writes the page that report/
# draws, and the `plot` of a result is what plot/ draws.
UPWARDS = {
    ("clusters.operator", "report.clusters_page"),
    ("grid.files.verify_folder", "report.page"),
    ("grid.operations.rolling", "report.operator_page"),
    ("grid.operations.rolling", "plot.rolling"),
    ("grid.plan.plan", "report.page"),
    ("green.record", "green.check"),
    ("green.record", "report.claim_page"),
    ("grid.plan.plan", "plot.plan"),
    ("results.matching", "plot.matching"),
    ("timeshift.replay", "plot.replay"),
}

# The checker of plans, what it may import when it runs, and what it may only name in annotations.
# It reads the tables and calls nothing that made the plan, so that it cannot share its mistakes.
CHECKER = {
    f"grid.checker.{path.stem}"
    for path in (PACKAGE / "grid" / "checker").glob("*.py")
    if path.stem != "__init__"
}
TABLES = {"column", "jobs", "sites", "problem", "mandate", "quotas"}
CHECKER_IMPORTS = (
    CHECKER | {f"grid.tables.{name}" for name in TABLES} | {"errors", "_extras", "_certificate"}
)
CHECKER_ANNOTATIONS = {"grid.plan.data", "grid.plan.columns"}
# Attributes that the engine computes from tables: the checker has functions of its own for them.
ENGINE_ATTRIBUTES = {"mandate_rows", "direct_rows", "kwh_per_accelerator_h", "hours_needed"}
ENGINE_ATTRIBUTES |= {"eligible", "why_not", "rows", "applies_to", "carried_kwh", "mandate_at"}
ENGINE_ATTRIBUTES |= {"gang_levels", "linear_rows", "limit_accelerator_h", "after", "at_least"}
ENGINE_ATTRIBUTES |= {"stepped", "effective"}
ENGINE_ATTRIBUTES |= {"load_kwh", "green_kwh", "free", "reasons"}
# The columns that bear the names of such attributes, by what they are columns of.
OWN_COLUMNS = {"entry.load_kwh", "entry.green_kwh"}

# The checks of fair shares: they import nothing of ours, so that they share no mistake with what
# computes the shares.
FAIR_CHECKS = {"fair.check"}

# The platform's words: no identifier below grid/ may be made of them.
PLATFORM_WORDS = {"site", "sites", "corridor", "corridors", "tenant", "tenants", "mandate"}
PLATFORM_WORDS |= {"tariff", "kwh", "carbon", "yuan"}
# Fair shares and traces are those of tenants: the one word that these have in common with the
# platform.
FAIR_WORDS = {"tenant", "tenants"}
OF_TENANTS = {"fair", "traces"}

# ---------------------------------------------------------------- C++ folders

# What each folder of csrc/gridcompute may include beside itself and the standard library.
FOLDERS = {
    "base": set(),
    "cost": {"base"},
    "transport": {"base", "cost", "assignment"},  # its candidate lists
    "live": {"base", "cost", "transport"},
    "assignment": {"base", "cost"},
    "flow": {"base"},
    "plan": {"base", "cost"},
    "packing": {"base"},
    "certificate": {"base", "cost"},  # and no solver: it must not share their mistakes
}

# Headers of the operating system, each in the one file that needs it.
SYSTEM_HEADERS = {
    ("base/parallel.cpp", "sched.h"),  # affinity: how many CPUs are ours
    ("base/memory.cpp", "sys/mman.h"),
    ("base/error.hpp", "cxxabi.h"),  # the exception that ends a thread
}

# Files of more than 800 lines, each with its reason.
LONG_FILES = {}


def python_files():
    """Every module of the package, stubs and Cython left out."""
    return sorted(PACKAGE.rglob("*.py"))


def module_name(path):
    """The dotted name inside the package: "grid.tables.jobs", "" for gridcompute itself."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def exists(module):
    """Is this a module of ours, rather than a name inside one?"""
    base = PACKAGE.joinpath(*module.split("."))
    return module in NATIVE or base.with_suffix(".py").exists() or (base / "__init__.py").exists()


def layer(module):
    """The layer that a module stands in."""
    head = module.partition(".")[0]
    for name, members in (
        ("ground", GROUND),
        ("native", NATIVE),
        ("formulas", FORMULAS),
        ("results", {"results"}),
        ("wings", WINGS),
        ("top", TOP),
        ("grid", {"grid"}),
    ):
        if head in members:
            return name
    return "functions"


def imports(path):
    """Modules of ours that a file imports, lazily or not, each with "only for type checking"."""
    me, found = module_name(path), set()
    package = me if path.name == "__init__.py" else me.rpartition(".")[0]

    def visit(node, typing_only):
        if isinstance(node, ast.Import):
            for name in (a.name for a in node.names):
                if name.partition(".")[0] == "gridcompute":
                    found.add((name.partition(".")[2], typing_only))
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                up = package.split(".") if package else []
                base = up[: len(up) - node.level + 1]
                base += node.module.split(".") if node.module else []
            elif node.module and node.module.partition(".")[0] == "gridcompute":
                base = node.module.split(".")[1:]
            else:
                return
            for alias in node.names:
                inner = ".".join([*base, alias.name])
                found.add((inner if exists(inner) else ".".join(base), typing_only))
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            for child in node.body:
                visit(child, True)
            for child in node.orelse:
                visit(child, typing_only)
        else:
            for child in ast.iter_child_nodes(node):
                visit(child, typing_only)

    visit(ast.parse(path.read_text(encoding="utf-8")), False)
    return found


def offence(importer, imported):
    """Why `importer` may not import `imported`, or None."""
    if importer == "":  # the face re-exports everything but what only the command line needs
        return "the package's __init__ is below it" if layer(imported) == "top" else None
    if imported == "":
        return "inside the package, import the module that defines the name"
    if (importer, imported) in UPWARDS:
        return None
    low, high = layer(imported), layer(importer)
    if high == "ground" and imported not in ("_extras", "_html"):
        return f"{importer} imports nothing of ours"
    if importer == "_checks" and imported not in ("errors", "_extras"):
        return "_checks imports nothing of ours but errors"
    if high == "formulas" and low == "native" and importer != "costs.source":
        return "of costs/, only its source, which the core reads, knows the core"
    if high == "grid" and low == "native" and imported != "_core":
        return "grid/ uses public functions and the core's options"
    if ORDER.index(low) > ORDER.index(high):
        return f"{low} stands above {high}"
    return None


@pytest.mark.parametrize("path", python_files(), ids=lambda p: module_name(p) or "gridcompute")
def test_python_imports_point_downwards(path):
    """If this fails, a module has come to know a layer above its own, perhaps in a lazy import."""
    me = module_name(path)
    bad = {name: why for name, _ in imports(path) if (why := offence(me, name))}
    assert not bad, f"{me or 'gridcompute'} imports {bad}"


def test_the_grid_uses_only_the_options_of_the_core():
    """If this fails, grid/ reaches past the public functions into another part of the core."""
    for path in (p for p in python_files() if layer(module_name(p)) == "grid"):
        used = {
            node.attr
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "_core"
        }
        assert used <= GRID_OPTIONS, f"{path.name}: {sorted(used - GRID_OPTIONS)}"


@pytest.mark.parametrize("name", sorted(CHECKER))
def test_the_checker_of_plans_reads_tables_and_nothing_of_the_engine(name):
    """If this fails, an error of the engine may be in the checker as well, and is never found."""
    path = PACKAGE / f"{name.replace('.', '/')}.py"
    for imported, typing_only in imports(path):
        allowed = CHECKER_IMPORTS | (CHECKER_ANNOTATIONS if typing_only else set())
        assert imported in allowed, f"{name} imports {imported}"
    fields = {f.name for f in dataclasses.fields(Problem)}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Attribute):
            continue
        of, whole = ast.unparse(node.value), ast.unparse(node)
        if of in {"problem", "plan.problem", "self.problem"}:
            assert node.attr in fields, f"{name}: {whole} is no table, but computed by the engine"
        elif whole not in OWN_COLUMNS:
            assert node.attr not in ENGINE_ATTRIBUTES, f"{name}: {whole} is computed by the engine"


@pytest.mark.parametrize("name", sorted(FAIR_CHECKS))
def test_the_checks_of_fair_shares_import_nothing_of_ours(name):
    """If this fails, a mistake of the solver of shares may be in their check as well."""
    assert not imports(PACKAGE / f"{name.replace('.', '/')}.py")


def test_python_imports_have_no_cycle():
    """If this fails, two modules need each other, and neither can be understood alone.

    Imports within functions and those for type checking count; those of UPWARDS do not.
    """
    graph = {
        module_name(p): {n for n, _ in imports(p) if (module_name(p), n) not in UPWARDS}
        for p in python_files()
        if module_name(p)
    }
    done = set()

    def walk(module, trail):
        assert module not in trail, " -> ".join([*trail[trail.index(module) :], module])
        if module not in done:
            for name in sorted(graph.get(module, ())):
                if name != module:
                    walk(name, (*trail, module))
            done.add(module)

    for module in sorted(graph):
        walk(module, ())


def test_the_rules_catch_what_they_should():
    """If this fails, the tests above would let a wrong arrow pass."""
    assert offence("solvers.transport", "grid.tables.jobs")
    assert offence("solvers.transport", "cli")
    assert offence("errors", "_version")
    assert offence("costs.terms", "_core")
    assert offence("_checks", "_core")
    assert offence("grid.planner.match", "report.tables")
    assert offence("", "cli")
    assert offence("solvers.transport", "")
    assert offence("grid.planner.match", "_core") is None
    assert offence("grid.planner.match", "solvers.transport") is None
    assert offence("cli", "grid.planner.match") is None
    assert offence("costs", "errors") is None


def identifiers(path):
    """The names a file defines or uses; comments, docstrings and messages are free."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        names = set()
        for node in ast.walk(ast.parse(text)):
            for field in ("id", "attr", "arg", "name"):
                value = getattr(node, field, None)
                if isinstance(value, str):
                    names.add(value)
        return names
    text = re.sub(r'//.*|"(?:\\.|[^"\\])*"', " ", text)
    return set(re.findall(r"[A-Za-z_]\w*", text))


def test_only_the_grid_speaks_of_the_platform():
    """If this fails, a layer below grid/ has learnt what a site or a kilowatt-hour is."""
    below = [p for p in python_files() if layer(module_name(p)) not in {"grid", "wings", "top"}]
    below += [p for p in CSRC.rglob("*.[ch]pp") if "tests" not in p.parts]
    bad = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in below
        for name in identifiers(path)
        if (PLATFORM_WORDS - (FAIR_WORDS if OF_TENANTS & set(path.parts) else set()))
        & set(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower().split("_"))
    }
    assert not bad, sorted(bad)


def includes(path):
    """What a C++ file includes, without the quotes or brackets."""
    return re.findall(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', path.read_text(), flags=re.MULTILINE)


@pytest.mark.parametrize(
    "path",
    sorted((CSRC / "gridcompute").rglob("*.[ch]pp")),
    ids=lambda p: str(p.relative_to(CSRC / "gridcompute")),
)
def test_core_includes_only_what_its_folder_may(path):
    """If this fails, the core has come to know Python, or one solver another it should not."""
    name = path.relative_to(CSRC / "gridcompute")
    assert name.parts[0] in FOLDERS, f"give csrc/gridcompute/{name.parts[0]} its row in FOLDERS"
    allowed = FOLDERS[name.parts[0]] | {name.parts[0]}
    for header in includes(path):
        if (str(name), header) in SYSTEM_HEADERS:
            continue
        if header.endswith((".h", ".hpp")):
            first, folder = [*header.split("/"), ""][:2]
            assert first == "gridcompute", f"{name} includes {header}: write gridcompute/FOLDER/..."
            assert folder in allowed, f"{name} includes {header}; {name.parts[0]} may not"
        else:
            assert re.fullmatch(r"[a-z_]+", header), f"{name}: <{header}> is no standard header"


def test_core_includes_have_no_cycle():
    """If this fails, two headers need each other, and neither can be understood alone."""
    graph = {
        str(path.relative_to(CSRC)): [h for h in includes(path) if h.endswith(".hpp")]
        for path in (CSRC / "gridcompute").rglob("*.[ch]pp")
    }
    done = set()

    def walk(header, trail):
        assert header not in trail, " -> ".join([*trail[trail.index(header) :], header])
        if header not in done:
            for name in graph.get(header, ()):
                walk(name, (*trail, header))
            done.add(header)

    for header in sorted(graph):
        walk(header, ())


# What opens and closes scopes, and what defines a type: a class, an alias, a concept, a table.
TYPE = re.compile(
    r"(?P<namespace>\bnamespace\b[\w:\s]*\{)"
    r"|\b(?:struct|class|enum)\s+(?:class\s+)?(?:alignas\([^)]*\)\s*)?(?P<type>[A-Za-z_]\w*)"
    r"(?P<special>\s*<[^;{}]*>)?\s*(?:final\s*)?(?::(?!:)[^;{}()]*)?\{"
    r"|\busing\s+(?P<alias>[A-Z]\w*)\s*=|\bconcept\s+(?P<concept>[A-Z]\w*)\s*="
    r"|\bGRIDCOMPUTE_DEFINE_TUNING\((?P<table>\w+)|(?P<brace>[{}])"
)


def types_of_namespaces(text):
    """The types that C++ code defines outside of classes and functions."""
    text = re.sub(r"//[^\n]*|\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])'", " ", text)
    text = re.sub(r"^[ \t]*#.*(?:\\\n.*)*", "", text, flags=re.MULTILINE)
    found, inside = [], []  # inside: for each open brace, whether it is one of a namespace
    for m in TYPE.finditer(text):
        if m["brace"] == "}":
            inside.pop()
            continue
        name = m["type"] or m["alias"] or m["concept"] or m["table"]
        if name and not m["special"] and all(inside):
            found.append(name)
        if m[0].endswith("{"):
            inside.append(bool(m["namespace"]))
    return found


def test_no_two_types_of_the_core_share_a_name():
    """If this fails, a search or a stack trace can no longer distinguish two types.

    Types within classes are not counted: their names begin with that of the class.
    """
    code = "namespace a { struct B : C { struct D {}; }; using E = int; struct F<int> {}; }"
    assert types_of_namespaces(code) == ["B", "E"]
    where = {}
    for path in sorted((CSRC / "gridcompute").rglob("*.[ch]pp")):
        for name in types_of_namespaces(path.read_text(encoding="utf-8")):
            where.setdefault(name, []).append(str(path.relative_to(CSRC)))
    shared = {name: paths for name, paths in where.items() if len(paths) > 1}
    assert not shared, f"rename one of each: {shared}"


# A definition of a named constant whose value has a digit, up to its semicolon.
CONSTANT = re.compile(r"\bconstexpr\b[^;(){]*?\bk[A-Z]\w*\s*[={][^;]*?(?<![\w.])\d")


def unexplained_constants(text):
    """Lines of C++ that define a numeric constant without a comment on them or before them."""
    lines, found = text.split("\n"), []
    for at, line in enumerate(lines):
        statement = re.sub(r"//[^\n]*", "", "\n".join(lines[at : at + 4])).partition(";")[0]
        if "constexpr" not in line or not CONSTANT.search(statement):
            continue
        before = at - 1  # the comment may stand above a run of constants, or a template's head
        while before > 0 and re.match(r"\s*(static |inline )*(constexpr|template)", lines[before]):
            if "//" in lines[before]:
                break
            before -= 1
        if "//" not in lines[before] and "//" not in "".join(lines[at : at + 2]):
            found.append(at + 1)
    return found


def test_numbers_in_the_core_are_tuned_in_tables_or_say_why_not():
    """If this fails, a constant outside a tuning table has no comment that says what fixes it.

    A number that was chosen by measurement belongs in the solver's tuning.hpp, where tests and
    benches can set it; one that a proof, a format or a machine fixes stays, and says so.
    """
    assert unexplained_constants("constexpr int kA = 7;\n") == [1]
    assert unexplained_constants("\ntemplate <class V>\ninline constexpr V kB = V{1} << 3;\n") == [
        3
    ]
    assert not unexplained_constants("constexpr int kA = 7;  // days of a week\n")
    assert not unexplained_constants("// Bits.\nconstexpr int kA = 7,\n  kB = 8;\n")
    assert not unexplained_constants("constexpr int kA = kB;\n")
    bad = {
        f"{path.relative_to(CSRC)}:{line}"
        for path in sorted((CSRC / "gridcompute").rglob("*.[ch]pp"))
        if path.name not in {"tuning.hpp", "gang_tuning.hpp"}
        for line in unexplained_constants(path.read_text(encoding="utf-8"))
    }
    assert not bad, f"move to tuning.hpp, or say what fixes the number: {sorted(bad)}"


def test_bindings_release_the_interpreter_lock_in_one_way():
    """If this fails, a daemon thread in a solve aborts a process that leaves Python."""
    for path in sorted((CSRC / "bindings").rglob("*.[ch]pp")):
        code = re.sub(r"//[^\n]*", "", path.read_text(encoding="utf-8"))
        assert not re.search(r"gil_scoped_(release|acquire)|Py_BEGIN_ALLOW|PyGILState", code), path


def test_native_tests_include_no_binding():
    """If this fails, the native tests could no longer run on a machine without Python."""
    for path in sorted((CSRC / "tests").rglob("*.[ch]pp")):
        for header in includes(path):
            assert not re.match(r"bindings/|pybind11|Python\.h|numpy", header), f"{path}: {header}"


def test_architecture_page_names_each_folder():
    """If this fails, readers of docs/explanation/architecture.md do not learn of a folder."""
    page = (ROOT / "docs" / "explanation" / "architecture.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([\w/]+/)`", page))
    folders = {
        f"{p.name}/" for root in (PACKAGE, CSRC / "gridcompute") for p in root.glob("[!_]*/")
    }
    missing = {f for f in folders if not any(name.startswith(f) for name in named)}
    assert not missing, f"add to the tables of docs/explanation/architecture.md: {sorted(missing)}"


def test_core_compiles_without_python():
    """If this fails, some header of the core needs more than the standard library."""
    compiler = shutil.which(os.environ.get("CXX", "g++"))
    if compiler is None:
        pytest.skip("no C++ compiler")
    headers = sorted((CSRC / "gridcompute").rglob("*.hpp"))
    unit = "".join(f'#include "{p.relative_to(CSRC)}"\n' for p in headers)
    command = [compiler, "-std=c++20", "-fsyntax-only", f"-I{CSRC}", "-x", "c++", "-"]
    done = subprocess.run(command, input=unit, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def test_files_stay_short():
    """If this fails, a file has grown past one idea: split it, or list it with its reason."""
    kinds = {".py", ".pyx", ".pyi", ".cpp", ".hpp"}
    folders = ("src", "csrc", "tests", "benches", "examples", "docs")
    files = [p for f in folders for p in (ROOT / f).rglob("*") if p.suffix in kinds]
    lengths = {
        str(p.relative_to(ROOT)): p.read_text(encoding="utf-8").count("\n")
        for p in [*files, ROOT / "setup.py"]
    }
    long = {name: n for name, n in lengths.items() if n > 800 and name not in LONG_FILES}
    assert not long
    assert lengths["setup.py"] < 60
    assert all(lengths.get(name, 0) > 800 for name in LONG_FILES), "an entry is out of date"


def loaded_by(code):
    """The modules that a fresh interpreter has loaded after `code`."""
    code = f"import sys, json; before = set(sys.modules); {code}"
    code += "; print(json.dumps(sorted(set(sys.modules) - before)))"
    done = subprocess.run([sys.executable, "-c", code], text=True, capture_output=True, check=True)
    return set(json.loads(done.stdout))


def test_import_is_light():
    """If this fails, a program pays for a library or a subpackage that it does not call.

    How long an import takes is measured by benches/bench_import.py.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [d for group in project["optional-dependencies"].values() for d in group]
    heavy = {re.split(r"[<>=\[]", d)[0] for d in extras} - {"gridcompute"}
    assert heavy >= {"scipy", "numba", "pyarrow"}
    ours = {"gridcompute", "gridcompute._version", "gridcompute.errors"}
    assert {m for m in loaded_by("import gridcompute") if m.startswith("gridcompute")} == ours
    for use in (
        "gc.transport([[1, 5], [2, 3]], [1, 1]).verify()",
        "gc.linear_sum_assignment([[1, 5], [2, 3]])",
        "gc.Matcher([2], cost=[([[1.0]], None, 'work')], unplaced=9.0).match()",
    ):
        loaded = loaded_by(f"import gridcompute as gc; {use}")
        assert not {name.partition(".")[0] for name in loaded} & heavy, use
        assert "gridcompute._core" in loaded
        for part in ("grid", "clusters", "fair", "pack", "forecast", "timeshift", "traces"):
            assert f"gridcompute.{part}" not in loaded, use


def test_names_are_imported_from_where_type_checkers_see_them():
    """If this fails, `gc.NAME` is at run time another thing than mypy and editors say."""
    tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    (seen,) = (n for n in tree.body if isinstance(n, ast.If) and ast.unparse(n.test)[0] == "_")
    typed = {
        alias.name: node.module or "" for node in seen.body for alias in getattr(node, "names", ())
    }
    assert typed == gridcompute._MODULE_OF
    eager = {"__version__", *errors.__all__}
    assert set(gridcompute.__all__) == eager | typed.keys()
    for name, where in typed.items():
        module = importlib.import_module(f"gridcompute.{where or name}")
        assert getattr(gridcompute, name) is (getattr(module, name) if where else module)
    with pytest.raises(AttributeError, match="'transprot'"):
        gridcompute.transprot  # noqa: B018
