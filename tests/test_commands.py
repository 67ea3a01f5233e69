"""Commands on the pages for readers are run with the smallest arguments, as from a fresh clone.

Scripts run in a copy of their folders: no data beside the clone helps, and nothing is written into
it. A command or an option that a page begins to give fails here until it has a line below.
"""

import gzip
import re
import runpy
import shutil
import sys
import tomllib

import pytest

import gridcompute as gc
from test_docs import ROOT, SKIPPED, blocks

PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "benches/README.md")]
PAGES += [page for page in (ROOT / "docs").rglob("*.md") if not SKIPPED & {*page.parts}]
PROGRAMS = ("python", "gridcompute", "make", "pip", "pytest")

#: A script, with its first argument where that is a command, to the smallest arguments.
SCRIPTS = {
    "benches/bench_flow.py": "chain-50x400",
    "benches/bench_matcher.py": "500 8",
    "benches/bench_matcher.py shifts": "shifts 500 8",
    "benches/broker_load.py": "--jobs 100 --seconds 0.5 --rate 50",
    "benches/losing_cases.py": "--most 12 --seconds 0",
    "benches/losing_cases.py assignment": "assignment --most 12 --seconds 0",
    "benches/losing_cases.py flow": "flow --most 10 --seconds 0",
    "benches/losing_cases.py transport": "transport --most 500 --seconds 0",
    "benches/packing_day.py": "--load 0.003 --ways price",
    "benches/packing_table.py": "--seeds 44 --policies best_fit",
    "benches/replay_table.py": "DE --weeks 1 --shared-weeks 0",
    "benches/rolling_hours.py hours": "hours OUT.json 1 --hours 1 --jobs 9 --limit 0.1 --cpu",
    "benches/rolling_hours.py next": "next OUT.json 1 --jobs 9",
    "benches/shards_time.py": "3_000 --only generated",
    "benches/soak_matcher.py gangs": "gangs 100 100",
    "benches/soak_matcher.py single": "single 100 200",
    "benches/soak_matcher.py tenants": "tenants 100 100",
    "benches/trace_table.py measure": "measure OUT.json static:2",
    "benches/trace_table.py page": "page OUT.json",
    "benches/transport_time.py": "--measure --most 3000",
    "docs/_extensions/columns.py": "",
}
#: What other tests run, and look at what comes out.
TESTED = {
    "examples/broker.py": "tests/test_broker.py",
    "examples/corridor_worth.py": "tests/test_examples.py",
    "examples/mandate_rules.py": "tests/test_examples.py",
    "gridcompute --install-completion": "tests/unit/cli/test_cli.py",
    "python -m gridcompute": "tests/unit/cli/test_cli.py",
}
DATA = "examples/data"
#: Command lines in their order; a page's name runs its Python blocks, which write what comes next.
SESSION = f"""
demo --jobs 20 --time-limit 1
scenario --jobs 20 --csv --out my-problem
match my-problem --out my-plan --ledger ledger.jsonl
verify my-plan
whatif my-plan --outage Hami
whatif my-plan --battery 2 --share 0.9 --tariff +20%
roll my-problem --out hours --at-release --hours 2 --work-limit 300
explain my-plan 3 4
audit my-plan
report my-plan
ledger check ledger.jsonl
ledger repair ledger.jsonl
flow {DATA}/solver/dimacs/networkx_netgen-2.min.gz
bench assignment --most 500 --peers --json figures.json
replay gavel:9@9 --single --throughputs {DATA}/traces/gavel/simulation_throughputs.json.gz \
--policy gridcompute --policy allox --policy max_min --out out
replay philly.csv.gz --cluster gpu=600 --round-s 300 --policy fifo --policy gridcompute
how-to/green-claims.md 1
claim meters --rule cfe-24-7 --against cn-2025-669 --out claim
rules
tutorials/plan-to-jobs.md 2
submit train.sh --accelerators 4 --hours 1 --within 24h --from Chongqing --data-gb 20
operate --steps 1
queue
why ID
cancel ID
"""


def commands(page):
    """The words of each command in a page's blocks for shells and in its inline code."""
    lines, prose, language = [], [], None
    for line in page.read_text(encoding="utf-8").splitlines():
        if line.lstrip().startswith("```"):
            language = None if language is not None else line.strip()[3:] or "sh"
        elif language != "sh":
            prose += [line] if language is None else []
        else:
            lines.append(line)
    found = "\n".join(lines).replace("\\\n", " ").splitlines()
    found += [" ".join(code.split()) for code in re.findall(r"`([^`]+)`", "\n".join(prose))]
    for line in found:
        words = re.split(r"\s(?:#|&$)", line)[0].split()
        while words and re.fullmatch(r"[A-Z_]+=\S+", words[0]):
            del words[0]
        if len(words) > 1 and words[0].removeprefix(".venv/bin/") in PROGRAMS:
            yield [words[0].removeprefix(".venv/bin/"), *words[1:]]


def given(program, end=""):
    """Commands of a program whose first argument ends so, each with its page."""
    each = ((str(page.relative_to(ROOT)), words) for page in PAGES for words in commands(page))
    return [(page, w) for page, w in each if w[0] == program and w[1].endswith(end)]


@pytest.fixture
def clone(tmp_path):
    """The folders of a clone that scripts read and write, and no others beside them."""
    for folder in ("benches", "examples", "docs/_extensions", "docs/_static", "docs/reference"):
        shutil.copytree(ROOT / folder, tmp_path / "clone" / folder)
    shutil.copytree(ROOT / "docs/development", tmp_path / "clone/docs/development")
    (tmp_path / "clone/tests").symlink_to(ROOT / "tests")
    return tmp_path / "clone"


@pytest.fixture
def script(clone, monkeypatch):
    """Runs a script of the copy by its path, with the modules beside it."""
    from gridcompute.grid.operations import rolling
    from gridcompute.grid.planner import budget

    for module in (budget, rolling):  # `--cpu` puts another clock there
        monkeypatch.setattr(module, "time", module.time)
    for path in clone.glob("*/*.py"):
        monkeypatch.delitem(sys.modules, path.stem, raising=False)
    monkeypatch.chdir(clone)
    monkeypatch.setenv("MPLBACKEND", "Agg")

    def run(name, *arguments):
        path = clone / name
        monkeypatch.setattr(sys, "path", [str(path.parent), *sys.path])
        monkeypatch.setattr(sys, "argv", [str(path), *arguments])
        try:
            runpy.run_path(str(path), run_name="__main__")
        except SystemExit as end:
            if end.code:
                raise
        finally:
            for other in path.parent.glob("*.py"):
                sys.modules.pop(other.stem, None)

    return run


def test_each_script_on_a_page_is_run():
    """If this fails, a page gives a script that nothing runs, or an option it does not have."""
    for page, words in given("python", ".py"):
        name, *rest = words[1:]
        if name == "setup.py":
            continue
        source = (ROOT / name).read_text(encoding="utf-8")
        head = f"{name} {rest[0]}" if rest and rest[0].isalpha() and rest[0].islower() else name
        writers = [k for k, v in SCRIPTS.items() if k.startswith(name) and "OUT.json" in v]
        after = rest == ["page", "OUT.json"] and writers  # it is run after each of these
        assert head in SCRIPTS or name in TESTED or after, f"{page}: {' '.join(words)}"
        for option in (word for word in rest if word.startswith("--")):
            assert f'"{option}"' in source, f"{page}: {name} has no {option}"
    for name in TESTED.values():
        assert (ROOT / name).exists()


@pytest.mark.parametrize("command", [c for c in SCRIPTS if not c.endswith(" page")])
def test_scripts_run(command, script, clone, capsys):
    """If this fails, a reader who types what a page says meets an error."""
    name, arguments = command.split()[0], SCRIPTS[command].split()
    script(name, *arguments)
    if "OUT.json" in arguments:
        assert (clone / "OUT.json").exists()
        page = ["page", "OUT.json"]
        script(name, *page)
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("replay_table.py XX", ["no zone XX", "DE, FR", "KR"]),
        ("replay_table.py KR", ["KR.csv", "3,375,151 bytes", "sha256"]),
        ("replay_table.py KR --data clone", ["sha256 e3b0c44", "3,375,151 bytes"]),
        ("packing_table.py --workloads nope", ["no workload nope", "default", "multigpu50"]),
        ("packing_table.py --workloads multigpu50", ["multigpu50.csv", "297,219 bytes"]),
        ("packing_table.py --set nope=1", ["nope"]),
        ("trace_table.py", ["required"]),
        ("trace_table.py measure", ["OUT.json"]),
        ("trace_table.py measure OUT.json single:0.5", ["no cell single:0.5", "static:1"]),
        ("trace_table.py measure OUT.json static:0", ["no cell static:0"]),
        ("trace_table.py page OUT.json", ["OUT.json is not there"]),
        ("soak_matcher.py nope", ["nope", "single"]),
        ("bench_matcher.py shfits", ["shfits"]),
        ("bench_flow.py nope", ["nope", "chain-50x400"]),
        ("losing_cases.py nope", ["nope"]),
        ("transport_time.py --most 1", ["3000"]),
        ("rolling_hours.py", ["required"]),
    ],
)
def test_wrong_arguments_cost_one_line(command, words, script, clone, capsys):
    """If this fails, a wrong cell or a file that is not here ends in a traceback."""
    empty = clone / "clone/data/forecasting-data/KR.csv"
    empty.parent.mkdir(parents=True)
    empty.touch()
    name, *arguments = command.split()
    with pytest.raises(SystemExit) as end:
        script(f"benches/{name}", *arguments)
    text = end.value.code if isinstance(end.value.code, str) else capsys.readouterr().err.strip()
    assert text.startswith(f"{name}: ")
    assert "\n" not in text
    assert all(word in text for word in words), text


def test_the_broker_names_its_extra(script, monkeypatch):
    """If this fails, a reader without the broker's packages gets a traceback, or cannot get them.

    Python 3.11 brings a pip without `--group`.
    """
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(SystemExit, match=r"^broker.py: .*uvicorn.*pip install '\.\[broker\]'$"):
        script("examples/broker.py")


def test_a_bench_says_what_a_clone_has(script, capsys):
    """If this fails, a reader does not learn where the data of the other cells is to be had."""
    script("benches/replay_table.py", "--weeks", "1", "--shared-weeks", "0")
    said = capsys.readouterr().out
    assert "| policy | DE | FR | mean |" in said
    assert "A clone has DE, FR." in said
    assert (
        len(re.findall(r"^[A-Z-]+: https://\S+, [\d,]+ bytes, sha256 \w{64}; ", said, re.M)) == 16
    )


def test_the_commands_of_the_package_run(command, tmp_path, monkeypatch):
    """If this fails, a page gives a command line that ends in an error."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    with gzip.open(ROOT / DATA / "traces/philly/philly.csv.gz", "rt") as file:
        head = "".join(next(file) for _ in range(20))
    (tmp_path / "philly.csv.gz").write_bytes(gzip.compress(head.encode()))
    gc.grid.Ledger(window=20, cap_yuan_per_kwh=0.3).write("ledger.jsonl")
    run = {}
    job = ""
    for line in SESSION.split("\n")[1:-1]:
        name, *arguments = line.replace("ID", job).split()
        if name.endswith(".md"):
            for at, code in blocks(ROOT / "docs" / name)[: int(arguments[0])]:
                exec(compile("\n" * (at - 1) + code, name, "exec"), {"__name__": "__main__"})
            continue
        status, out, err = command(name, *arguments)
        assert status == 0, (line, out, err)
        job = re.split(r"[\s:]", out)[0] if name == "submit" else job
        head = f"ledger {arguments[0]}" if name == "ledger" else name
        run.setdefault(head, set()).update(w for w in arguments if w.startswith("--"))
    for page, words in given("gridcompute"):
        head = " ".join(words[1:3]) if words[1] == "ledger" else words[1]
        options = {word for word in words if word.startswith("--")} - {"--csv", "--head"}
        assert " ".join(words) in TESTED or options <= run[head], f"{page}: {' '.join(words)}"


def test_what_is_installed_and_tested_is_there():
    """If this fails, a page names an extra, a test or a bench that does not exist.

    Groups are not for readers: pip takes them from 25.1 on, and Python 3.11 brings an older one.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for page, words in given("pip"):
        assert "--group" not in words, page
        asked = re.findall(r"\[([a-z,]+)\]", " ".join(words))
        names = {name for text in asked for name in text.split(",")}
        assert names <= {*project["optional-dependencies"]}, page
    for page, words in [*given("pytest"), *given("python", "-m")]:
        paths = [word for word in words if word.startswith(("tests/", "benches/"))]
        assert all((ROOT / path).exists() for path in paths), (page, words)
    benches = [p.read_text(encoding="utf-8") for p in (ROOT / "benches").glob("bench_*.py")]
    for page, words in given("make"):
        for name in re.findall(r"ARGS='-k (\w+)", " ".join(words)) if words[1] == "bench" else []:
            named = (ROOT / f"benches/bench_{name.removeprefix('bench_')}.py").exists()
            assert named or any(f"_{name}" in text for text in benches), (page, name)
