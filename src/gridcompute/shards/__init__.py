"""Jobs beyond memory: sources that `gridcompute.transport` reads part by part."""

from __future__ import annotations

from .generated import GeneratedJobs, generated
from .parquet_files import ParquetJobs, parquet
from .source import ShardSource

__all__ = ["GeneratedJobs", "ParquetJobs", "ShardSource", "generated", "parquet"]
