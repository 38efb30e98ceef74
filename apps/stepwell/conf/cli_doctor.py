"""``stepwell doctor``: checks an installation, and says what to do about what is wrong."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterator
from dataclasses import asdict

from stepwell.conf import paths
from stepwell.conf.cli_output import print_json
from stepwell.conf.cli_setup import load_django
from stepwell.errors import StepwellError
from stepwell.kit import machine
from stepwell.kit.findings import FAIL, Finding


def examine(options: argparse.Namespace) -> int:
    """Run every check; return 1 when one failed. A warning alone is no failure."""
    findings = list(check_all())
    if options.json:
        print_json([{**asdict(finding), "ok": finding.ok} for finding in findings])
    else:
        for finding in findings:
            print(f"{finding.level:4}  {finding.name}: {finding.text}")
            if finding.todo:
                print(f"      {finding.todo}")
    return 0 if all(finding.ok for finding in findings) else 1


def check_all() -> Iterator[Finding]:
    """Yield the finding of each check; those that need what is broken are left out."""
    yield machine.check_program()
    folder = machine.check_folder(paths.home)
    yield folder
    if not folder.ok:
        return
    yield machine.check_file_system(paths.home())
    try:
        load_django()
        # Each finding says once what a server has to log each time.
        logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
    except StepwellError as exc:
        yield Finding(name="settings", level=FAIL, text=exc.message, todo=exc.hint)
        return
    yield Finding(name="settings", text="every value is allowed")
    from stepwell.execution import doctor

    yield from doctor.check_all()
