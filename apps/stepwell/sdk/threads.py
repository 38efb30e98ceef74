"""How many threads numeric libraries may use in a step process."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import MutableMapping

VARIABLES = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


def hold_single(environment: MutableMapping[str, str] = os.environ) -> None:
    """Keep libraries imported from here on at one thread, unless the environment says otherwise.

    Thread pools do not survive a fork, and a host with more than one thread must not fork.
    """
    for name in VARIABLES:
        environment.setdefault(name, "1")


def allow(cpu_count: float | None) -> None:
    """Let this step process use ``cpu_count`` threads for linear algebra; nothing when it is 1 or not given."""
    wanted = int(cpu_count or 1)
    if wanted <= 1:
        return
    for name in VARIABLES:
        os.environ.setdefault(name, str(wanted))
    if "numpy" not in sys.modules:
        return
    with contextlib.suppress(ImportError):
        import threadpoolctl

        threadpoolctl.threadpool_limits(limits=wanted)
