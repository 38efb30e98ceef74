"""What ``stepwell up`` has done in processes of their own: set up the data folder, register the examples."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from django.urls import reverse

from stepwell.conf.cli_setup import load_django, warn
from stepwell.errors import StepwellError

#: the example of which one run is started, so that there is something to see
_SHOWN = "train_classifier.py"


def main(words: list[str]) -> int:
    """Run ``prepare``, or ``examples FOLDER``."""
    try:
        load_django()
        if words[0] == "prepare":
            print(json.dumps({"path": prepare()}))
        else:
            register_examples(Path(words[1]))
    except StepwellError as exc:
        warn(f"{exc.message} {exc.hint}".rstrip())
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def prepare() -> str:
    """Migrate, make the first admin, and return the path to open: a login link until an admin has a password."""
    from stepwell.accounts import actions
    from stepwell.accounts.models import Role, User
    from stepwell.conf import boot

    boot.migrate()
    admin = actions.first_admin()
    admins = User.objects.filter(role=Role.ADMIN, is_active=True)
    if any(user.has_usable_password() for user in admins):
        return "/"
    return reverse("login_link", args=[actions.make_login_link(user=admin)])


def register_examples(folder: Path) -> None:
    """Register every pipeline below ``folder``; start the shown one when it has no run yet."""
    from stepwell.core.status import Trigger
    from stepwell.execution import actions
    from stepwell.execution.registration import register_file

    # The shown one first: people wait for it.
    for path in sorted(folder.glob("*.py"), key=lambda path: (path.name != _SHOWN, path.name)):
        try:
            snapshots = register_file(path)
        except StepwellError as exc:
            # One example that cannot be loaded (its library is missing) leaves the others.
            warn(f"{path.name} was not registered. {exc.message} {exc.hint}".rstrip())
            continue
        if path.name == _SHOWN and snapshots and not snapshots[0].pipeline.runs.exists():
            actions.start_run(pipeline=snapshots[0].pipeline, parameters={}, trigger=Trigger.CLI)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
