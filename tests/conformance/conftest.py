from __future__ import annotations

from pathlib import Path

import pytest

from tests.conformance.cases import CASES
from tests.conformance.places import PLACES, Both, copy_files
from tests.processes.instance import RunningInstance


def pytest_collection_modifyitems(items):
    for item in items:
        # The first test waits for runs the others ask about too.
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.timeout(300))


@pytest.fixture(scope="session")
def conforming(tmp_path_factory):
    """A running instance that knows every file of this folder's pipelines, and has one secret."""
    folder = tmp_path_factory.mktemp("conformance")
    copy_files(folder)
    instance = RunningInstance(folder)
    try:
        instance.make_secret("conformance", CONFORMANCE_KEY="12345678")
        instance.register(*(folder / f"{file}.py" for file in (*CASES, "refused")))
        yield instance
    finally:
        instance.stop()


@pytest.fixture(scope="session")
def both(conforming, request):
    """Every case of the files that the collected tests ask for, run in both places."""
    files = {getattr(item.module, "FILE", "") for item in request.session.items}
    made = Both(conforming, {file: cases for file, cases in CASES.items() if file in files})
    try:
        yield made
    finally:
        made.close()


@pytest.fixture(params=PLACES)
def ran(both, request):
    """``ran(file, number)`` is the run of a file's case in one of the two places."""

    def find(file, number=0):
        return both.ran(request.param, file, number)

    find.place = request.param
    return find
