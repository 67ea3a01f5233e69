"""What several tests of ledgers begin with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ledger_cases import ledger_of

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The file of a ledger of three batches."""
    ledger_of("a", "b", "c").write(tmp_path / "ledger.jsonl")
    return tmp_path / "ledger.jsonl"
