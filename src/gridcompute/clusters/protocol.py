"""What the operator asks of a cluster: its accelerators, its jobs, to start one, to end one."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["ENDED", "STATES", "Cluster", "Order", "Seen", "mark_of"]

#: States of a job on a cluster. "held": known there, and not started before it is released.
STATES = (
    "held",
    "pending",
    "running",
    "done",
    "failed",
    "cancelled",
    "timeout",
    "node_failure",
)
#: Those in which a job runs no more.
ENDED = frozenset(STATES[3:])
#: Seconds for which a cluster knows a job after its end, at least. What may have been started
#: longer ago, and is not there, may have run: it is not started again.
REMEMBERED_S = 300.0
#: The mark that a job carries on its cluster: its id, and which attempt to run it this is.
MARK = re.compile(r"gridcompute:([0-9a-z]{6}-[0-9]{1,12}) attempt:([0-9]{1,9})")


@dataclasses.dataclass(frozen=True)
class Order:
    """A job that is to start on a cluster now.

    Parameters
    ----------
    id : str
        The operator's name of the job, of letters, digits and a hyphen.
    attempt : int
        How many times it was to start before, and once more.
    user : str
        Name of who submitted it.
    name : str
        What the job is called, for people; never part of a command.
    script : str
        Its text, which begins with ``#!``.
    accelerator : str
        As the tables call it.
    count : int
        Accelerators.
    limit_s : float
        Seconds after which the cluster ends it.
    memory_gb : float
        Memory of the host, for each accelerator.
    """

    id: str
    attempt: int
    user: str
    name: str
    script: str = dataclasses.field(repr=False)
    accelerator: str
    count: int
    limit_s: float
    memory_gb: float

    @property
    def mark(self) -> str:
        """The text by which the job is found again on its cluster."""
        return f"gridcompute:{self.id} attempt:{self.attempt}"


@dataclasses.dataclass(frozen=True)
class Seen:
    """A job as its cluster knows it.

    Parameters
    ----------
    cluster_id : str
        The cluster's own name of the job.
    id, attempt : str, int
        As in `Order`; "" and 0 for a job that did not come from the operator.
    state : str
        One of `STATES`.
    accelerator : str
        As the tables call it; "" where it has none of those that are counted.
    count : int
        Accelerators taken, whole nodes where the job has nodes of its own.
    start, end : float or None
        Seconds since 1970; `end` of one that runs is when it will be ended at the latest.
    words : str
        What the cluster says about its end.
    user : str
        Whose it is, where the cluster knows jobs of several submitters apart; else "".
    """

    cluster_id: str
    id: str
    attempt: int
    state: str
    accelerator: str
    count: int
    start: float | None = None
    end: float | None = None
    words: str = ""
    user: str = ""


class Cluster(Protocol):
    """An adapter to a workload manager; `gridcompute.testing.ClusterContract` checks one.

    Every method returns within a few seconds, or raises a `ClusterError`; one that says that the
    cluster refused is `answered`. Only `start` may be `maybe`: the operator then looks for the
    job's mark in `jobs` before it starts anything again.
    """

    def capacity(self) -> Mapping[str, Sequence[int]]:
        """Return by accelerator how many there are on each node that can run jobs now."""

    def jobs(self) -> Sequence[Seen]:
        """Return the operator's jobs, ended ones for `REMEMBERED_S` at least, and others'.

        Jobs of others are told only while they run.
        """

    def start(self, job: Order) -> str:
        """Start a job and return the cluster's name of it; of one mark only one ever runs."""

    def cancel(self, cluster_id: str) -> None:
        """End a job, or see to it that it never starts; one that has ended stays as it is."""

    def close(self) -> None:
        """Give back connections; jobs run on."""


def mark_of(comment: str) -> tuple[str, int]:
    """Return id and attempt of a mark; "" and 0 for any other text."""
    found = MARK.fullmatch(comment.strip())
    return (found[1], int(found[2])) if found else ("", 0)
