"""The contract of a cluster's adapter, as tests: what the operator relies on to start jobs once."""

from __future__ import annotations

import itertools
import secrets
import time
from typing import TYPE_CHECKING, Any

from ..clusters.protocol import ENDED, STATES, Order
from ..errors import ClusterError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..clusters.protocol import Cluster, Seen


_LETTERS = "23456789abcdefghjkmnpqrstuvwxyz"
_RUN = "".join(secrets.choice(_LETTERS) for _ in range(6))
_NUMBER = itertools.count(1)


class ClusterContract:
    """Tests of an adapter: derive a class, say how an adapter is made, and let pytest run it.

    Attributes
    ----------
    accelerator : str
        A kind of accelerator that the cluster has, at least two of it on a node.
    patience_s : float
        Seconds in which a job of the cluster begins or ends.

    Examples
    --------
    >>> import tempfile
    >>> from gridcompute import clusters, testing
    >>> class TestLocal(testing.ClusterContract):
    ...     accelerator = "A800"
    ...     folder = tempfile.TemporaryDirectory()
    ...     def make(self):
    ...         return clusters.Local(self.folder.name, {"A800": 8}, allow_root=True)
    >>> with TestLocal.folder:
    ...     TestLocal().test_a_job_runs_and_is_done()
    """

    accelerator = ""
    patience_s = 30.0

    def make(self) -> Cluster:
        """Return a new adapter to the same cluster, as another process would have it."""
        raise NotImplementedError("make: needed an adapter to the cluster")

    def order(self, script: str, count: int = 1, **more: Any) -> Order:
        """Return a job that no cluster has seen, by its script."""
        given: dict[str, Any] = {
            "id": f"{_RUN}-{next(_NUMBER)}",
            "attempt": 1,
            "user": "",
            "name": "contract",
        }
        given |= {"limit_s": 50.0, "memory_gb": 0.01, "accelerator": self.accelerator}
        return Order(script=script, count=count, **given | more)

    def wait(self, cluster: Cluster, job: Order, until: Callable[[Seen], bool]) -> Seen:
        """Return a job as soon as `until` holds of it."""
        end, seen = time.monotonic() + self.patience_s, None
        while time.monotonic() < end:
            found = [s for s in cluster.jobs() if (s.id, s.attempt) == (job.id, job.attempt)]
            assert len(found) <= 1, f"{job.mark} is there {len(found)} times: {found}"
            seen = found[0] if found else None
            if seen is not None:
                assert seen.state in STATES, f"state: found {seen.state!r}, needed one of {STATES}"
                if until(seen):
                    return seen
            time.sleep(0.1)
        raise AssertionError(f"{job.mark} after {self.patience_s} s: {seen}")

    def test_capacity_counts_the_accelerators_of_each_node(self) -> None:
        """If this fails, plans put more on the cluster than it has, or nothing."""
        cluster = self.make()
        try:
            nodes = cluster.capacity()[self.accelerator]
            assert nodes
            assert all(isinstance(n, int) and n >= 0 for n in nodes)
            assert max(nodes) >= 2
        finally:
            cluster.close()

    def test_a_job_runs_and_is_done(self) -> None:
        """If this fails, a job's end, or its times, are not seen."""
        cluster = self.make()
        try:
            began = time.time()
            job = self.order("#!/bin/sh\nexit 0\n")
            name = cluster.start(job)
            seen = self.wait(cluster, job, lambda s: s.state in ENDED)
            assert (seen.state, seen.cluster_id, seen.count) == ("done", name, 1), seen
            assert seen.accelerator == self.accelerator
            assert seen.start is not None
            assert seen.end is not None
            # Clusters that count whole seconds may say one less.
            assert began - 2 <= seen.start <= seen.end <= time.time() + 2
        finally:
            cluster.close()

    def test_a_script_that_fails_is_a_job_that_failed(self) -> None:
        """If this fails, users are told that what failed is done."""
        cluster = self.make()
        try:
            job = self.order("#!/bin/sh\nexit 3\n")
            cluster.start(job)
            assert self.wait(cluster, job, lambda s: s.state in ENDED).state == "failed"
        finally:
            cluster.close()

    def test_of_one_mark_only_one_ever_runs(self) -> None:
        """If this fails, a job runs twice after an operator died between order and answer."""
        cluster, job = self.make(), self.order("#!/bin/sh\nsleep 2\n", 2)
        other = self.make()
        try:
            first = cluster.start(job)
            assert other.start(job) == first
            assert cluster.start(job) == first
            seen = self.wait(other, job, lambda s: s.state in ENDED)
            assert (seen.state, seen.count) == ("done", 2)
            assert other.start(job) == first
            assert self.wait(cluster, job, lambda s: s.state in ENDED).end == seen.end
        finally:
            cluster.close()
            other.close()

    def test_a_job_runs_on_without_its_operator_and_can_be_ended_by_another(self) -> None:
        """If this fails, jobs die with the operator, or one that is restarted cannot end them."""
        cluster, job = self.make(), self.order("#!/bin/sh\nsleep 40\n")
        try:
            cluster.start(job)
            self.wait(cluster, job, lambda s: s.state == "running")
        finally:
            cluster.close()
        other = self.make()
        try:
            seen = self.wait(other, job, lambda s: s.state == "running")
            assert seen.end is not None, "needed: when it will be ended at the latest"
            other.cancel(seen.cluster_id)
            seen = self.wait(other, job, lambda s: s.state in ENDED)
            assert seen.state == "cancelled"
            other.cancel(seen.cluster_id)  # once more is no error
        finally:
            other.close()

    def test_what_the_cluster_does_not_have_is_refused(self) -> None:
        """If this fails, a job waits for ever, or runs on something else."""
        cluster = self.make()
        try:
            for wrong in (
                self.order("#!/bin/sh\n", accelerator="no such kind"),
                self.order("#!/bin/sh\n", accelerator=""),
            ):
                try:
                    cluster.start(wrong)
                except ClusterError as error:
                    found = error.answered and not error.maybe
                else:
                    found = False
                assert found, f"{wrong.accelerator!r}: needed a refusal that is an answer"
        finally:
            cluster.close()

    def test_a_name_is_only_a_name(self) -> None:
        """If this fails, a job's name is run by a shell, or breaks a request."""
        cluster = self.make()
        try:
            job = self.order("#!/bin/sh\nexit 0\n", name="$(touch x); \"' --comment=y\\")
            cluster.start(job)
            assert self.wait(cluster, job, lambda s: s.state in ENDED).state == "done"
        finally:
            cluster.close()
