"""The commands ``backup`` and ``restore``."""

from __future__ import annotations

import argparse
from datetime import datetime
from pathlib import Path

from stepwell.conf.cli_setup import load_database, load_django
from stepwell.errors import UsageError
from stepwell.kit import machine


def back_up(options: argparse.Namespace) -> int:
    """Write a backup, read it again, and say what is in it."""
    load_database()
    from stepwell.conf import backups

    target = _target(Path(options.target))
    backups.make(target, version=machine.version())
    manifest = backups.extract(target, None)
    print(f"{target}: {len(manifest.members)} files, {manifest.n_bytes / 1e6:,.1f} MB, checked.")
    return 0


def restore(options: argparse.Namespace) -> int:
    """Put a backup back, or only check it."""
    from stepwell.conf import backups

    source = Path(options.source)
    if options.check:
        manifest = backups.extract(source, None)
        print(f"{source} is whole: version {manifest.version}, made {manifest.made_at} on {manifest.host}.")
        return 0
    load_django()
    from stepwell.conf import restores

    manifest, aside = restores.restore(source, replaces=options.replace)
    if aside:
        print(f"What was there is in {aside}; remove it when you do not need it any more.")
    print(f"Restored: {len(manifest.members)} files of {manifest.made_at}. Start it: stepwell up.")
    return 0


def _target(given: Path) -> Path:
    if given.is_dir():
        return given / f"stepwell-{datetime.now().astimezone():%Y%m%d-%H%M%S}.tar.gz"
    if not given.name.endswith((".tar", ".tar.gz", ".tgz")):
        raise UsageError(
            f"{given} is neither a folder nor a name of a tar file.",
            hint="Give a folder, or a name such as today.tar.gz.",
        )
    if given.exists():
        raise UsageError(f"{given} exists.", hint="Give another name, or a folder.")
    if not given.parent.is_dir():
        raise UsageError(f"There is no folder {given.parent}.", hint="Make it first.")
    return given
