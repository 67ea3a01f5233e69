"""One of each public result and table: what must survive pickle, copies and workers."""

import ast
import importlib
import inspect
import re
import sys
from functools import cache
from types import ModuleType

import numpy as np
import scipy.sparse as sp

import gridcompute as gc

COST = np.array([[4.5, 1.0, 7.0], [2.0, 1.5, np.inf], [5.0, 1.0, 3.0], [2.0, 2.0, 2.0]])
TALL = sp.csr_array(np.array([[1.0, 0], [0, 2.5], [3.0, 1.25]]))
CAPACITY = np.array([2, 1, 1])


@cache
def plan():
    return gc.match(gc.grid.east_west(n_jobs=60, seed=3), gap=0.2)


def replay():
    jobs = {"arrival_h": [0, 0], "hours": [1, 2], "slots": [1, 1], "window_h": [2, 2]}
    return gc.timeshift.replay(jobs, signal(), policy="arrival")


def trace_replay():
    return gc.replay(trace(), gc.traces.Cluster([1]), "fifo", round_s=60.0)


def packer():
    nodes = {"cpu_milli": [64_000], "memory_mib": [256_000], "gpu": [4], "model": ["A10"]}
    return gc.pack.Packer(nodes, mix=pods())


def pods():
    return {
        "cpu_milli": [1000, 2000], "memory_mib": [1000, 1000], "num_gpu": [1, 1],
        "gpu_milli": [500, 1000], "gpu_spec": ["", ""],
    }  # fmt: skip


def quotas():
    return gc.fair.leximin(
        [[True, False], [True, True]], capacity=[4, 9], request=[8, 8], weight=[1, 2]
    )


def cohort():
    return gc.fair.Quotas(
        name=["all", "a", "b"], parent=[None, "all", "all"],
        node=["a", "b"], flavor=["h100"] * 2, resource=["gpu"] * 2, nominal=[6, 4],
    )  # fmt: skip


USAGE = [("a", "h100", "gpu", 8)]


def world():
    found = gc.Matcher([1, 2], cost=[([[1.0, 2.0]], None, "work")], unplaced=9.0)
    found.add({"work": [1.0, 2.0, 3.0, 4.0]})
    return found


def gangs():
    found = gc.Matcher(
        [2, 2], cost=[([[1.0, 2.0]], None, "work")], unplaced=9.0, demand="gang"
    )  # fmt: skip
    found.add({"work": [1.0, 2.0], "gang": [2, 1]})
    return found


def interner():
    found = gc.Interner()
    found.intern(["red", "blue", "red"])
    return found


def corrected():
    found = gc.forecast.Corrected(signal(), leads=2)
    found.update(4.0)
    return found


def signal():
    return gc.forecast.Signal([9.0, 5.0, 1.0, 4.0], "2024-01-01", [[9.0, 2.0, 3.0, 4.0]])


def operator():
    return gc.grid.Rolling(gc.grid.east_west(n_jobs=20, seed=2, hours=8), horizon_h=4, gap=2.0)


@cache
def step():
    return operator().step()


def stepped():
    found = operator()
    found.step()
    return found


def sharded():
    source = gc.shards.generated(
        4,
        lambda first, last: {"kind": np.zeros(last - first, np.int32)},
        terms=[(np.ones((1, 2)), "kind", None)],
    )
    return gc.transport(source, [2, 2])


def explained_job():
    asked = gangs()
    asked.match()
    return asked.explain(0)


def explained_pod():
    asked = packer()
    return asked.explain(int(asked.place(pods()).ids[0]))


def trace():
    return gc.traces.Trace([0.0, 0.0, 250.0], [100.0, 100.0, 30.0], [[1.0], [1.0], [1.0]])


def claimed():
    hour = {"start": ["2026-06-01T00:00Z"], "end": ["2026-06-01T01:00Z"]}
    load = {"facility": ["a"], "meter": ["m"], "wh": [900], **hour}
    wind = {"issuance": ["w"], "id_start": [0], "id_end": [499], "device": ["w"], "wh": [500]}
    return gc.green.claim(load, wind | hour, gc.green.Rule(interval="PT1H", boundary="any"))


RESULTS = {
    "Claim": claimed,
    "ClaimCertificate": lambda: claimed().verify(),
    "Rule": lambda: gc.green.rule("cn-hourly"),
    "Audit of claims": lambda: gc.green.audit([claimed()]),
    "Matching": lambda: gc.transport(COST, CAPACITY),
    "Matching of gangs": lambda: gc.transport(COST, CAPACITY, demand=[2, 1, 1, 1], unplaced=9.0),
    "Matching that is infeasible": lambda: gc.transport(COST, [1, 1, 1]),
    "SolverCertificate": lambda: gc.transport(COST, CAPACITY).verify(),
    "Explanation": lambda: gc.transport(COST, CAPACITY).explain(0),
    "Terms": lambda: gc.Terms([(COST, [0, 1, 2, 3], None)]),
    "Flow": lambda: gc.min_cost_flow([0, 0, 1], [1, 2, 2], [3, 2, 9], [1, 4, 1], [4, 0, -4]),
    "Flow that is infeasible": lambda: gc.min_cost_flow([0], [1], [3], [1], [4, -4]),
    "Flow certificate": lambda: gc.min_cost_flow([0], [1], [9], [1], [4, -4]).verify(),
    "FlowProblem": lambda: gc.min_cost_flow([0], [1], [9], [1], [4, -4]).problem,
    "Assignment": lambda: gc.assignment(COST),
    "Assignment of integers": lambda: gc.assignment(np.array([[4, 1], [2, 3]])),
    "Assignment, sparse and tall": lambda: gc.assignment(TALL),
    "Assignment that is infeasible": lambda: gc.assignment(np.full((2, 2), np.inf)),
    "AssignmentCertificate": lambda: gc.assignment(COST).verify(),
    "Plan": plan,
    "PlanCertificate": lambda: plan().verify(),
    "Explanation of a plan": lambda: plan().explain(0),
    "Audit": lambda: gc.grid.audit(plan()),
    "Problem": lambda: plan().problem,
    "Dispatch": lambda: plan().dispatch,
    "Figure": lambda: gc.grid.figures()[0],
    "Prices": lambda: plan().prices,
    "Shares": quotas,
    "SharesCertificate": lambda: quotas().verify(),
    "ShareExplanation": lambda: quotas().explain(0),
    "TaskShares": lambda: gc.fair.dominant([[1, 4], [3, 1]], [9, 18]),
    "Division": lambda: gc.fair.divide(10, guarantee=[2, 4], request=[8, 8], weight=[1, 1]),
    "Signal": signal,
    "Replay": replay,
    "Replay of a trace": trace_replay,
    "WhatIf": lambda: gc.grid.whatif(plan(), share=0.7, gap=0.5),
    "Comparison": lambda: gc.grid.compare(plan(), plan()),
    "ReplayCertificate": lambda: replay().verify(),
    "Placement": lambda: packer().place(pods()),
    "Bound": lambda: packer().bound(pods(), served=50.0),
    "BoundCertificate": lambda: packer().bound(pods(), served=50.0).verify(),
    "LiveMatching": lambda: world().match(),
    "LiveMatching of gangs": lambda: gangs().match(),
    "LiveMatching certificate": lambda: world().match().verify(),
    "Changes": lambda: world().match().changes,
    "Quote": lambda: world().quote({"work": [1.0]}),

    "Witness": lambda: gc.transport(COST, [1, 1, 1]).witness,
    "Interner": interner,
    "Ragged": lambda: gc.Ragged(np.array([0, 1, 3]), np.array([1, 2, 3])),
    "Borrowing": lambda: gc.fair.borrowing(cohort(), USAGE, "a"),
    "DominantShares": lambda: gc.fair.dominant_shares(cohort(), USAGE),
    "DominantShare": lambda: gc.fair.dominant_shares(cohort(), USAGE)["a"],
    "DivisionExplanation": lambda: RESULTS["Division"]().explain(0),
    "Level": lambda: quotas().levels[0],
    "Queues": lambda: gc.fair.Queues(name=["vision", "speech"], guarantee=[2, 2], weight=[1, 3]),
    "Quotas of queues": cohort,
    "Corrected": corrected,
    "Step": step,
    "HourLedger": lambda: step().ledger,
    "Ledger": lambda: gc.grid.Ledger().record(plan(), batch="day 1"),
    "Running": lambda: gc.grid.Running(id=[1], klass=[0], hours_left=[1]),
    "Explanation of a pod": explained_pod,
    "Template": lambda: gc.pack.mig("A100-40GB"),
    "Trace": trace,
    "Cluster": lambda: gc.traces.Cluster([2, 1], names=("V100", "K80")),
    "Priced": lambda: gc.traces.Priced(),
    "TraceCertificate": lambda: trace_replay().verify(),
    "Jobs": lambda: plan().problem.jobs,
    "Sites": lambda: plan().problem.sites,
    "Classes": lambda: plan().problem.classes,
    "Energy": lambda: plan().problem.energy,
    "Corridors": lambda: plan().problem.corridors,
    "Quotas of tenants": lambda: plan().problem.quotas,
    "Mandate": lambda: plan().problem.mandate,
    "DirectRule": lambda: gc.grid.DirectRule(),
    "Placement of jobs": lambda: gc.grid.Placement(klass=[2, -1], start=[5, -1]),
    "Pieces of jobs": lambda: gc.grid.Pieces(job=[0, 0], start=[1, 4], hours=[2, 1]),
    "Hours of a plan": lambda: plan().hourly,
    "ShardedMatching": sharded,
    "Free": lambda: plan().free,
    "Account": lambda: stepped().account,
    "JobExplanation": lambda: explained_job(),
}  # fmt: skip
RESULTS = {name: cache(make) for name, make in RESULTS.items()}  # values: made once, for all tests


def public_types():
    """Every public class that is no error, by its full name."""
    packages = [gc, *(getattr(gc, name) for name in gc.__all__)]
    return {
        f"{package.__name__}.{name}": value
        for package in packages
        if isinstance(package, ModuleType)
        for name in package.__all__
        if inspect.isclass(value := getattr(package, name)) and not issubclass(value, Exception)
    }


def returned_types():
    """Every class of the package that a public function, method or property says it returns."""
    functions = {}
    for package in [gc, *(getattr(gc, name) for name in gc.__all__)]:
        if isinstance(package, ModuleType):
            members = {name: getattr(package, name) for name in package.__all__}
            functions |= {f"{package.__name__}.{n}": f for n, f in members.items()}
    for name, cls in public_types().items():
        members = {n: v for n, v in inspect.getmembers(cls) if not n.startswith("_")}
        functions |= {f"{name}.{n}": getattr(v, "fget", v) for n, v in members.items()}
    found = {}
    for function in functions.values():
        function = getattr(function, "func", function)
        if inspect.isfunction(function) and function.__module__.startswith("gridcompute"):
            known = named_in(function.__module__)
            for word in re.findall(r"\w+", str(function.__annotations__.get("return"))):
                cls = known.get(word)
                if cls is not None and not issubclass(cls, Exception):
                    found[f"{cls.__module__}.{cls.__name__}"] = cls
    return found


@cache
def named_in(module):
    """Classes of the package by the names that a module has for them, in annotations too."""
    source = sys.modules[module]
    is_package = hasattr(source, "__path__")
    out = {n: v for n, v in vars(source).items() if inspect.isclass(v)}
    for node in ast.walk(ast.parse(inspect.getsource(source))):
        if isinstance(node, ast.ImportFrom) and node.level:
            above = module.split(".")[: len(module.split(".")) - node.level + is_package]
            path = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                value = getattr(importlib.import_module(path), alias.name, None)
                if inspect.isclass(value):
                    out[alias.asname or alias.name] = value
    return {n: v for n, v in out.items() if v.__module__.startswith("gridcompute")}


def handled(result):
    """What a worker does with a result: reads it, shows it, sends it back."""
    return type(result).__name__, str(result), result
