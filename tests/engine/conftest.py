from __future__ import annotations

from collections.abc import Iterator

import pytest

from stepwell.engine.stephost import StepHost
from tests.engine.support import child_main


@pytest.fixture
def host() -> Iterator[StepHost]:
    host = StepHost.fork(child_main)
    yield host
    host.close()
