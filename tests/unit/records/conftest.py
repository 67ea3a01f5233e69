"""What several tests of ledgers begin with."""

import pytest

from ledger_cases import ledger_of


@pytest.fixture
def path(tmp_path):
    """The file of a ledger of three batches."""
    ledger_of("a", "b", "c").write(tmp_path / "ledger.jsonl")
    return tmp_path / "ledger.jsonl"
