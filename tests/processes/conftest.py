from __future__ import annotations

import pytest

from tests.processes.instance import RunningInstance
from tests.processes.pipelines import FILES


@pytest.fixture(scope="module")
def instance(tmp_path_factory):
    folder = tmp_path_factory.mktemp("instance")
    (folder / "home").mkdir()
    for name, text in FILES.items():
        (folder / name).write_text(text)
    running = RunningInstance(folder)
    try:
        for name in FILES:
            running.register(folder / name)
        yield running
    finally:
        running.stop()
