"""The jobs of a batch: what each needs, where its data lies, when it may run, its worth."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np

from .column import Floats, Int32s, Int64s, Table, column

__all__ = ["ANYWHERE", "Jobs"]

#: The residency mask of a job that may run at any site: every bit set.
ANYWHERE = -1


@dataclasses.dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Jobs(Table):
    """Jobs, one row each; a job runs whole, at one class, in consecutive hours, or not at all.

    Parameters
    ----------
    gang : int32 (n_jobs,), accelerators
        Accelerators of one class taken together for the whole run.
    work_h : float64 (n_jobs,), hours
        How long the gang runs on reference accelerators (throughput 1).
    family : int32 (n_jobs,)
        Job type: the row of `Classes.throughput`.
    memory_gb : float64 (n_jobs,)
        Memory needed on each accelerator.
    data_gb : float64 (n_jobs,)
        Data moved from `origin` to the chosen site in the hour the job starts.
    origin : int32 (n_jobs,)
        Site where the data (and, for a service, its users) are.
    release, deadline : int32 (n_jobs,), hours
        The job runs within hours ``release <= h < deadline``.
    latency_ms : float64 (n_jobs,)
        Most delay between origin and site; inf = any. Read by `Corridors.latency_rule`.
    residency : int64 (n_jobs,)
        Bit s set: site s is allowed. -1 (every bit) = any site.
    value_yuan : float64 (n_jobs,)
        What leaving the job out costs.
    delay_yuan_per_h : float64 (n_jobs,)
        Cost of each hour between release and start.
    tenant : int32 (n_jobs,)
        Row of `Quotas`.
    placed_class, placed_start : int32 (n_jobs,)
        Where the last plan put the job; -1, -1 = nowhere.
    migration_yuan : float64 (n_jobs,)
        Cost of running it anywhere else than there (unused where nothing was placed).
    """

    title: ClassVar[str] = "jobs"
    rows: ClassVar[str] = "job"

    gang: Int32s = column("job", np.int32, "accelerators", low=1)
    work_h: Floats = column("job", np.float64, "hours on a reference accelerator", above=0)
    family: Int32s = column("job", np.int32, "row of classes.throughput", default=0, low=0)
    memory_gb: Floats = column("job", np.float64, "GB per accelerator", default=0.0, low=0)
    data_gb: Floats = column("job", np.float64, "GB", default=0.0, low=0)
    origin: Int32s = column("job", np.int32, "site", low=0)
    release: Int32s = column("job", np.int32, "hour", default=0, low=0)
    deadline: Int32s = column("job", np.int32, "hour, exclusive", low=1)
    latency_ms: Floats = column("job", np.float64, "ms", default=np.inf, low=0, infinite=True)
    residency: Int64s = column("job", np.int64, "bit mask of sites", default=ANYWHERE)
    value_yuan: Floats = column("job", np.float64, "yuan", low=0)
    delay_yuan_per_h: Floats = column("job", np.float64, "yuan per hour", default=0.0, low=0)
    tenant: Int32s = column("job", np.int32, "row of quotas", default=0, low=0)
    placed_class: Int32s = column("job", np.int32, "class", default=-1, low=-1)
    placed_start: Int32s = column("job", np.int32, "hour", default=-1, low=-1)
    migration_yuan: Floats = column("job", np.float64, "yuan", default=0.0, low=0)

    def check(self) -> None:
        """A window is not empty, a job has a site to go to, a placement is whole."""
        self.require(self.deadline > self.release, "deadline", "an hour after the job's release")
        self.require(
            self.residency != 0, "residency", "at least one site's bit set (-1 = any site)"
        )
        whole = (self.placed_class >= 0) == (self.placed_start >= 0)
        self.require(
            whole, "placed_start", "an hour where placed_class is a class, -1 where it is -1"
        )
