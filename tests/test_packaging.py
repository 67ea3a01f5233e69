"""What the package says of itself, checked against the code: version, names, docs, commands."""

import importlib.metadata
import importlib.util
import inspect
import re
import tomllib
import types
from pathlib import Path

import pytest

import gridcompute
from gridcompute import errors

ROOT = Path(__file__).resolve().parent.parent
PUBLIC = sorted(name for name in gridcompute.__all__ if not name.startswith("__"))
FUNCTIONS = [n for n in PUBLIC if isinstance(getattr(gridcompute, n), types.FunctionType)]
CLASSES = [n for n in PUBLIC if inspect.isclass(getattr(gridcompute, n))]
ERRORS = [n for n in CLASSES if issubclass(getattr(gridcompute, n), Exception)]


def read(name):
    """A file of the project's root."""
    return (ROOT / name).read_text(encoding="utf-8")


def sections(doc):
    """The numpydoc sections of a docstring: heading to text."""
    parts = re.split(r"^([A-Z][A-Za-z ]+)\n-{3,}\n", inspect.cleandoc(doc), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def documented_parameters(text):
    """The names of a Parameters section, in order ("x, y : int" names two)."""
    heads = re.findall(r"^(\*{0,2}\w+(?:, \*{0,2}\w+)*) ?(?::|$)", text, flags=re.MULTILINE)
    return [name.lstrip("*") for head in heads for name in head.split(", ")]


def signature_parameters(function):
    """The names a caller may give, in order."""
    names = list(inspect.signature(function).parameters)
    return [n for n in names if n not in {"self", "cls"}]


def public_methods(cls):
    """Methods and properties that a class defines itself, under public names."""
    own = {k: v for k, v in vars(cls).items() if not k.startswith("_")}
    plain = {k: getattr(v, "__func__", getattr(v, "fget", v)) for k, v in own.items()}
    return [(k, v) for k, v in plain.items() if inspect.isroutine(v)]


# ---------------------------------------------------------------- version


def test_version_is_one():
    """If this fails, the package, the build and the changelog disagree about the release."""
    project = tomllib.loads(read("pyproject.toml"))
    attr = project["tool"]["setuptools"]["dynamic"]["version"]["attr"]
    assert attr == "gridcompute._version.__version__"
    assert project["project"]["dynamic"] == ["version"]
    newest = re.search(r"^## \[(\d[^\]]*)\]", read("CHANGELOG.md"), flags=re.MULTILINE)
    assert newest, "CHANGELOG.md has no release"
    assert newest[1] == gridcompute.__version__


def test_installed_metadata_has_the_version():
    """If this fails, pip and `gridcompute.__version__` tell users two versions."""
    try:
        installed = importlib.metadata.version("gridcompute")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("gridcompute is on the path, not installed")
    assert installed == gridcompute.__version__


def test_python_versions_agree():
    """If this fails, pip, ruff and mypy think of different oldest Pythons."""
    project = tomllib.loads(read("pyproject.toml"))
    oldest = project["project"]["requires-python"].removeprefix(">=")
    assert project["tool"]["mypy"]["python_version"] == oldest
    versions = re.findall(r"Python :: (3\.\d+)", " ".join(project["project"]["classifiers"]))
    assert versions[0] == oldest


# ---------------------------------------------------------------- names


def test_all_is_complete():
    """If this fails, a public name is missing from __all__, or __all__ promises one that is not."""
    names = {
        name
        for name in dir(gridcompute)  # with what is imported on first use
        if not name.startswith("_")
        and not isinstance(getattr(gridcompute, name), types.ModuleType)
        and name != "annotations"
    }
    modules = {n for n in PUBLIC if isinstance(getattr(gridcompute, n), types.ModuleType)}
    assert names | modules | {"__version__"} == set(gridcompute.__all__)


def test_all_is_in_the_reference():
    """If this fails, a name is public and yet on no page of the reference.

    The reference lists a module's names from its `__all__`, so naming the modules is enough.
    """
    page = read("docs/reference/index.md")
    modules = [n for n in PUBLIC if isinstance(getattr(gridcompute, n), types.ModuleType)]
    for name in ["gridcompute", *(f"gridcompute.{m}" for m in modules)]:
        assert re.search(rf"^ *{re.escape(name)}$", page, flags=re.MULTILINE), f"{name} is missing"
    assert len(gridcompute.__all__) == len(set(gridcompute.__all__))


def test_every_error_is_public_and_documented():
    """If this fails, a caller can meet an error that no page explains."""
    defined = {
        name
        for name, value in vars(errors).items()
        if inspect.isclass(value) and issubclass(value, errors.GridComputeError)
    }
    assert defined == set(errors.__all__) == set(ERRORS)
    page = read("docs/how-to/errors.md")
    assert all(f"`{name}`" in page for name in defined)


def test_typing_marker_and_stubs_stand_by_the_code():
    """If this fails, type checkers see no types of an installed gridcompute."""
    package = Path(gridcompute.__file__).parent
    assert (package / "py.typed").exists()
    for native in ("_core", "records._ingest", "records._interner"):
        assert importlib.util.find_spec(f"gridcompute.{native}")
        assert (package / f"{native.replace('.', '/')}.pyi").exists()


# ---------------------------------------------------------------- docstrings


@pytest.mark.parametrize("name", ["_core", "records._ingest", "records._interner"])
def test_native_modules_ship_no_debug_information(name):
    """If this fails, an installed package is larger by half for what no user reads."""
    module = importlib.import_module(f"gridcompute.{name}")
    assert module.__file__ is not None
    assert b".debug_info" not in Path(module.__file__).read_bytes()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_function_docstring(name):
    """If this fails, a public function's reference page lacks what a caller must know."""
    function = getattr(gridcompute, name)
    found = sections(function.__doc__ or "")
    wanted = {"Raises", "Examples"}
    wanted |= {"Returns"} if inspect.signature(function).return_annotation != "None" else set()
    wanted |= {"Parameters"} if signature_parameters(function) else set()
    assert not wanted - found.keys(), f"{name} lacks {sorted(wanted - found.keys())}"
    if signature_parameters(function):
        assert documented_parameters(found["Parameters"]) == signature_parameters(function)
    assert ">>>" in found["Examples"]
    assert all(word in function.__doc__ for word in ("Complexity", "Determinism"))


@pytest.mark.parametrize("name", CLASSES)
def test_class_docstring(name):
    """If this fails, a public class or one of its methods has no word of explanation."""
    cls = getattr(gridcompute, name)
    assert cls.__doc__
    for method, function in public_methods(cls):
        assert inspect.getdoc(function), f"{name}.{method} has no docstring"
        found = sections(function.__doc__ or "")
        if "Parameters" in found and inspect.isfunction(function):
            assert documented_parameters(found["Parameters"]) == signature_parameters(function)


def test_the_docstring_reader_reads():
    """If this fails, the tests above would accept a docstring they could not read."""
    doc = """Do it.

    Parameters
    ----------
    x, y : int
        Two numbers,
        and: more about them.
    *rest
        Others.

    Returns
    -------
    int
    """
    found = sections(doc)
    assert list(found) == ["Parameters", "Returns"]
    assert documented_parameters(found["Parameters"]) == ["x", "y", "rest"]


# ---------------------------------------------------------------- commands and files


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "benches/README.md", ".ci/run"])
def test_make_commands_exist(page):
    """If this fails, a page tells its reader to run a command that is not there."""
    makefile = read("Makefile")
    asked = re.findall(r"(?:`|^|\$ )make (?:-\S+ )*([a-z][a-z-]*)", read(page), flags=re.MULTILINE)
    assert asked
    for target in asked:
        assert re.search(rf"^(?:[a-z-]+ )*{target}(?: [a-z-]+)*:", makefile, flags=re.MULTILINE), (
            f"make {target}"
        )


def test_ci_runs_the_readme_command_first():
    """If this fails, CI no longer tests what a newcomer is told to type."""
    step = re.compile(r"^step (?:[-A-Z]\S* )*([a-z][a-z-]*)", flags=re.MULTILINE)
    commands = step.findall(read(".ci/run"))
    assert commands == ["test", "ci-rest", "oldest"]
    assert re.search(r"^ci: test ci-rest\b", read("Makefile"), flags=re.MULTILINE)


@pytest.mark.parametrize("page", sorted(p.name for p in ROOT.glob("*.md")))
def test_links_lead_somewhere(page):
    """If this fails, a page at the root points at a file that is not there."""
    for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", read(page)):
        assert (ROOT / target).exists(), f"{page} links to {target}"


def test_no_loose_ends():
    """If this fails, unfinished work or a muzzled checker has landed."""
    loose = re.compile(r"\b(TODO|FIXME|XXX)\b|# noqa(?!: [A-Z])|# type: ignore(?!\[)")
    kinds = {".py", ".pyx", ".pyi", ".cpp", ".hpp", ".md", ".toml"}
    folders = ("src", "csrc", "tests", "benches", "examples", "docs")
    files = [p for f in folders for p in (ROOT / f).rglob("*") if p.suffix in kinds]
    mine = {p for p in files if not {"_build", "generated"} & set(p.parts)}
    for path in sorted(mine - {Path(__file__).resolve()}):
        found = loose.search(path.read_text(encoding="utf-8"))
        assert not found, f"{path.relative_to(ROOT)}: {found[0] if found else ''}"


def test_install_commands_work_without_an_index():
    """If this fails, a page tells a newcomer to install a name that no package index has.

    Where gridcompute is installed its name is enough, as docs/install.md says; elsewhere a command
    has the path of a clone or of a wheel's file.
    """
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "docs").rglob("*.ipynb")]
    told = {
        page.name: re.findall(r'pip install \\?"?gridcompute\b(?!-[0-9])', page.read_text("utf-8"))
        for page in pages
        if "_build" not in page.parts
    }
    assert {name for name, found in told.items() if found} == {"install.md"}, told
    wheel = re.findall(r'pip install "?(\S*\.whl)', read("docs/install.md"))
    assert wheel
    assert all(path.startswith("./gridcompute-") for path in wheel)
