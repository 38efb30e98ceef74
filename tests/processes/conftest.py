from __future__ import annotations

import pytest

from tests.contracts import client
from tests.processes import pipelines, zenml_files
from tests.processes.instance import RunningInstance

FILES = {**pipelines.FILES, **zenml_files.FILES, **client.FILES}
#: what only others import, and what needs a run to be there
NOT_REGISTERED = {"client_code.py", "bodied.py"}


@pytest.fixture(scope="session")
def instance(tmp_path_factory):
    """One instance for all of the folder, as starting one costs more than most of its tests do."""
    folder = tmp_path_factory.mktemp("instance")
    for name, text in FILES.items():
        (folder / name).write_text(text)
    running = RunningInstance(folder)
    try:
        running.register(*(folder / name for name in FILES if name not in NOT_REGISTERED))
        yield running
    finally:
        running.stop()
