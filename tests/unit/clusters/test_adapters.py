"""The adapters keep the contract: processes of this machine always, Slurm where it can be had."""

from __future__ import annotations

from typing import ClassVar

import pytest

import slurm_clusters
from gridcompute import clusters
from gridcompute.clusters.config import ClusterConfig
from gridcompute.testing import ClusterContract


class TestLocal(ClusterContract):
    accelerator = "A800"

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path):
        self.folder = tmp_path / "jobs"

    def make(self):
        return clusters.Local(self.folder, {"A800": 8}, allow_root=True)


@pytest.mark.skipif(bool(slurm_clusters.lacking()), reason=slurm_clusters.lacking())
class TestSlurm(ClusterContract):
    accelerator = "A800"
    cluster: ClassVar[slurm_clusters.Cluster]

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _cluster(cls, tmp_path_factory):
        cls.cluster = slurm_clusters.Cluster(tmp_path_factory.mktemp("slurm"), "one", 2, "a800", 8)
        try:
            (cls.cluster.folder / "token").touch(mode=0o600)
            (cls.cluster.folder / "token").write_text(cls.cluster.token)
            yield
        finally:
            cls.cluster.stop()

    def make(self):
        return clusters.Slurm(
            ClusterConfig(
                site="here",
                kind="slurm",
                accelerators={"A800": "a800"},
                url=self.cluster.url,
                user="root",
                token_file=self.cluster.folder / "token",
                partition="main",
                allow_root=True,
            )
        )
