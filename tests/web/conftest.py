import pytest
from django.core.cache import cache
from django.db import transaction

from tests.plugins.cast import alice, as_alice, as_bob, as_charlie, bob, charlie
from tests.web.crawl import Crawl, crawl

__all__ = ["alice", "as_alice", "as_bob", "as_charlie", "bob", "charlie"]


@pytest.fixture(autouse=True)
def _nothing_remembered():
    """Counts are kept for seconds: not from one test to the next."""
    cache.clear()


@pytest.fixture(scope="session")
def crawled(django_db_setup, django_db_blocker) -> Crawl:
    """Every address, read once for all tests."""
    with django_db_blocker.unblock(), transaction.atomic():
        made = crawl()
        transaction.set_rollback(True)
    cache.clear()
    return made
