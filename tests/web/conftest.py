import pytest
from django.core.cache import cache

from tests.plugins.cast import alice, as_alice, as_bob, as_charlie, bob, charlie

__all__ = ["alice", "as_alice", "as_bob", "as_charlie", "bob", "charlie"]


@pytest.fixture(autouse=True)
def _nothing_remembered():
    """Counts are kept for seconds: not from one test to the next."""
    cache.clear()
