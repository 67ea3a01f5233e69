"""Ledgers for tests: of plans that are no more than what a ledger records of them."""

import textwrap
from types import SimpleNamespace

import numpy as np

from gridcompute.grid import Ledger

#: The head of every child: a plan that is no more than what a ledger records of it.
CHILD = textwrap.dedent(
    """
    import os, pathlib, sys, time, types
    import numpy as np
    from gridcompute import InvalidProblemError, grid

    def plan(*names):
        n = len(names)
        sites = types.SimpleNamespace(name=np.array(names))
        energy = {k: np.full(n, v) for k, v in
                  dict(load_kwh=10.0, green_kwh=8.0, certificate_kwh=0.0).items()}
        problem = types.SimpleNamespace(sites=sites, start=None)
        return types.SimpleNamespace(problem=problem, green=energy, verify=lambda: True)
    """
)


def plan(*names, load=10.0, green=8.0):
    """A plan that is no more than what a ledger records of it."""
    values = {"load_kwh": load, "green_kwh": green, "certificate_kwh": 0.0}
    energy = {name: np.full(len(names), value) for name, value in values.items()}
    sites = SimpleNamespace(name=np.array(names))
    problem = SimpleNamespace(sites=sites, start=None)
    return SimpleNamespace(problem=problem, green=energy, verify=lambda: True)


def ledger_of(*batches):
    """One plan of two sites for each batch, a certificate retired in each."""
    ledger = Ledger()
    for batch in batches:
        ledger = ledger.record(plan("North", "South"), batch=batch, serials=[f"GEC-{batch}"])
    return ledger


def batches(path):
    return [entry.batch for entry in Ledger.read(path).entries]


def appended(path, *new):
    """Append batches to a file, as its next user would."""
    ledger = Ledger.read(path)
    for batch in new:
        ledger = ledger.record(plan("North", "South"), batch=batch)
    ledger.write(path)
