"""Keys that are missing, wrong or changed while steps need what they open."""

from __future__ import annotations

import random
import time

from stepwell.vault import actions, queries
from stepwell.vault.models import Secret, SecretVersion
from tests.faults.door import open_door
from tests.faults.scenarios import scenario
from tests.faults.stage import STEADY, Stage, check

_VALUE = 'a value / with + signs & quotes " of the vault'


def put_secrets(stage: Stage, *more: str) -> None:
    for name in ("faults", *more):
        actions.put_secret(name=name, values={"TOKEN": f"{_VALUE} {name}"}, by=None)
    stage.secret = f"{_VALUE} faults"


@scenario("F38")
def keys_wrong(stage: Stage) -> int:
    """The key ring is missing, then wrong, then one value is changed: who needs it fails and says so, nobody else."""
    put_secrets(stage, "other")
    ring = stage.home / "keyring"
    right = ring.read_text()
    _, client = open_door(stage)
    check(client.get("/readyz").status_code == 200, "not ready before")
    name = right.partition(":")[0]
    for wrong in ("", f"{name}:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"):
        ring.write_text(wrong)
        runner = stage.runner(**STEADY)
        ready = client.get("/readyz")
        check((ready.status_code, "keyring fail" in ready.text) == (503, True), f"{wrong!r}: {ready.text}")
        needs, other = stage.start("keeping"), stage.start("small", seconds=0.0)
        stage.wait([needs, other])
        statuses = (stage.status(needs), stage.status(other))
        check(statuses == ("failed", "completed"), f"{wrong!r}: {statuses}")
        error = stage.attempts(needs, "keeper")[-1]
        check("decrypt" in error.error_message + error.status_reason, error.error_message + error.status_reason)
        said = [line for line in runner.said().splitlines() if "key ring does not fit" in line]
        check(len(said) == 1 and "Traceback" not in runner.said(), f"{wrong!r}: {runner.said()[-800:]}")
        runner.kill()
    ring.write_text(right)
    other = SecretVersion.objects.get(secret__name="other")
    other.ciphertext = bytes(other.ciphertext)[:-1] + b"x"
    other.save()
    stage.runner(**STEADY)
    good = stage.start("keeping")
    stage.wait([good])
    check(stage.status(good) == "completed", f"put back: {stage.status(good)}")
    check(client.get("/readyz").status_code == 200, "not ready with one value that was changed")
    check([what for what, _ in queries.unreadable()] == ["secret other"], "more than one value is lost")
    return 3


@scenario("F37 F36")
def keys_changed(stage: Stage) -> int:
    """`stepwell secrets rekey` is killed again and again while steps read secrets, one of them new: all can read."""
    put_secrets(stage, *(f"more-{number}" for number in range(60)))
    draw = random.Random(5)
    stage.runner(**STEADY)
    for number in range(4):
        stage.start("keeping", seconds=0.5)
        rekey = stage.process("secrets", "rekey")
        time.sleep(1.0 + draw.uniform(0, 0.6))
        rekey.kill()
        actions.rotate_secret(
            secret=Secret.objects.get(name="faults"), values={"TOKEN": f"{stage.secret} {number}"}, by=None
        )
        check(not queries.unreadable(), f"cannot be read: {queries.unreadable()}")
    last = stage.process("secrets", "rekey")
    check(last.exit_code(20) == 0, last.said()[-500:])
    stage.start("keeping")
    stage.wait()
    check({run.status for run in stage.runs()} == {"completed"}, f"{[run.status for run in stage.runs()]}")
    check(not queries.unreadable(), f"at the end {queries.unreadable()}")
    keys = {version.key_id for version in SecretVersion.objects.all()}
    check(len(keys) == 1, f"{len(keys)} keys are in use")
    return 4
