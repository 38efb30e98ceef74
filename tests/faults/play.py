"""One scenario on one store, in a process of its own: prints what the oracle found as one line of JSON."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
import sys
import time
import traceback
from pathlib import Path

from tests.faults.scenarios import SCENARIOS, NotHere, modules
from tests.faults.stores import Postgres, Redis


def main(words: list[str]) -> int:
    """``NAME KIND FOLDER PREPARED``: play a scenario on ``sqlite`` or ``postgres`` in ``FOLDER``."""
    name, kind, folder, prepared = words[0], words[1], Path(words[2]), Path(words[3])
    home = folder / "home"
    shutil.copytree(prepared / f"home-{kind}", home)
    os.environ.update({"STEPWELL_HOME": str(home), "TMPDIR": str(folder)})
    os.environ["STEPWELL_LOG_LEVEL"] = "INFO"
    postgres, redis = _servers(kind, prepared, folder)
    from stepwell.conf import boot

    boot.setup()
    for module in modules():
        importlib.import_module(module)
    print(json.dumps(_play(name, kind, folder, postgres, redis)), flush=True)
    return 0


def _servers(kind: str, prepared: Path, folder: Path) -> tuple[Postgres | None, Redis | None]:
    if kind == "sqlite":
        return None, None
    postgres = Postgres.copy(prepared / "postgres", folder)
    redis = Redis(folder)
    os.environ.update({"DATABASE_URL": postgres.url("stepwell"), "REDIS_URL": redis.url})
    return postgres, redis


def _play(name: str, kind: str, folder: Path, postgres: Postgres | None, redis: Redis | None) -> dict[str, object]:
    from tests.faults import oracle
    from tests.faults.stage import HURRY, PATIENCE, Stage, adopt, cpu_seconds, end_what_is_left

    adopt()
    scenario = SCENARIOS[name]
    stage = Stage(folder, kind=kind, postgres=postgres, redis=redis)
    began = time.monotonic()
    found: list[str] = []
    skipped, broke, times = "", False, 1
    try:
        times = scenario.play(stage) or 1
        found = oracle.violations(stage, patience=PATIENCE)
    except (AssertionError, subprocess.TimeoutExpired) as exc:
        found = [f"-- {exc}", *([] if HURRY else oracle.violations(stage, patience=PATIENCE))]
    except NotHere as exc:
        skipped = str(exc)
    except Exception:
        found, broke = [f"-- {traceback.format_exc()}"], True
    finally:
        stage.close()
        for server in (redis, postgres):
            if server is not None:
                server.stop()
        end_what_is_left()
    seconds = round(time.monotonic() - began, 1)
    return {
        "violations": found,
        "times": times,
        "seconds": seconds,
        "cpu": cpu_seconds(),
        "figures": stage.figures,
        "skipped": skipped,
        "broke": broke,
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
