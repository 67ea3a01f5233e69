"""Jobs beyond memory: sources that `gridcompute.transport` reads part by part."""

from __future__ import annotations

from .parquet_files import ParquetJobs, parquet
from .source import GeneratedJobs, ShardSource, generated

__all__ = ["GeneratedJobs", "ParquetJobs", "ShardSource", "generated", "parquet"]
