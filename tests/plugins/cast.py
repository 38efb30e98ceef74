"""The people of the Django tests: alice is admin, bob operator, charlie viewer; ``as_<name>`` is a client signed in.

Take them with ``from tests.plugins.cast import alice, as_alice, ...`` in a folder's conftest.py.
"""

from __future__ import annotations

import pytest
from django.test import Client

from stepwell.accounts.models import Role, User

PASSWORD = "nine purple otters"


def make_person(name: str, role: str, **fields: object) -> User:
    return User.objects.create_user(username=name, password=PASSWORD, role=role, **fields)


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def alice(db: None) -> User:
    return make_person("alice", Role.ADMIN)


@pytest.fixture
def bob(db: None) -> User:
    return make_person("bob", Role.OPERATOR)


@pytest.fixture
def charlie(db: None) -> User:
    return make_person("charlie", Role.VIEWER)


@pytest.fixture
def as_alice(alice: User) -> Client:
    return client_of(alice)


@pytest.fixture
def as_bob(bob: User) -> Client:
    return client_of(bob)


@pytest.fixture
def as_charlie(charlie: User) -> Client:
    return client_of(charlie)
