"""Mistakes seeded in all other layers: engine, SDK, web, command line."""

from __future__ import annotations

from tests.faults.mutants import Mutant

_NO_FENCE = (
    "execution/claims.py",
    "filter(id=self.attempt.id, fence=self.fence, status=AttemptStatus.RUNNING)",
    "filter(id=self.attempt.id)",
)
_NO_HAND_BACK = ("execution/worker.py", "            self._hand_back(outcome)\n", "")
_KILL_WITH_CONTROL = "            if child.pid:\n                trees.signal_tree(child.pid, signal.SIGKILL)\n"

MUTANTS = (
    Mutant(
        name="transactions begin deferred",
        file="conf/database.py",
        old='    "transaction_mode": "IMMEDIATE",\n',
        new="",
        scenario="many_writers",
    ),
    Mutant(
        name="orphans are left alone",
        file="engine/zygote.py",
        old="        for pid in trees.children(self._pid):\n            if pid in",
        new="        for pid in []:\n            if pid in",
        scenario="left_behind",
    ),
    Mutant(
        name="the step host does not end what is not held",
        file="engine/zygote.py",
        old="        self._fence()\n",
        new="",
        scenario="runner_stopped",
    ),
    Mutant(
        name="the supervisor says it holds for ever",
        file="engine/supervision.py",
        old='"until": since + self._pace.hold',
        new='"until": self._now + 1e6',
        scenario="partition",
        store="postgres",
    ),
    Mutant(
        name="a full disk is any error",
        file="sdk/artifactstore.py",
        old="_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO})",
        new="_FULL = frozenset()",
        scenario="results_do_not_fit",
    ),
    Mutant(
        name="memory limits are not set",
        file="engine/stepchild.py",
        old="    if memory_bytes:\n",
        new="    if False:\n",
        scenario="memory_limit",
    ),
    Mutant(
        name="time limits are not watched",
        file="engine/supervision.py",
        old="            self._stop_at = self._now + self._timeout\n",
        new="            pass\n",
        scenario="native_code_timed_out",
    ),
    Mutant(
        name="a database that is away is a mistake",
        file="web/errors.py",
        old="if isinstance(sys.exc_info()[1], AWAY):",
        new="if False:",
        scenario="web_stays_up",
        store="postgres",
    ),
    Mutant(
        name="a result is stored piece by piece",
        file="runs/events.py",
        old="        with transaction.atomic():\n",
        new="        if True:\n",
        scenario="killed_at_each_point",
    ),
    Mutant(
        name="a deaf step has for ever",
        file="engine/supervision.py",
        old="self._kill_at = self._now + self._pace.grace",
        new="self._kill_at = self._now + 1e6",
        scenario="deaf_step_cancelled",
    ),
    Mutant(
        name="steps outlive their host",
        file="engine/stepchild.py",
        old="    trees.die_with_parent(host_pid)\n",
        new="",
        scenario="host_killed",
        more=(
            (
                "engine/supervision.py",
                "is_clean = self._host.end_left_behind(session=self.pid, attempt_id=self.spec.attempt_id)",
                "is_clean = True",
            ),
            ("execution/runner.py", "        trees.reap_unknown_children(())\n", ""),
        ),
    ),
    Mutant(
        name="what a cancelled run waits for is started",
        file="engine/advance.py",
        old="    if run.status == RunStatus.CANCELLING:\n",
        new="    if False:\n",
        scenario="cancel_against_finish",
    ),
    Mutant(
        name="a result is delivered once",
        file="engine/deliveries.py",
        old="            over = now - delivery.first_at >= self._patience\n",
        new="            over = True\n",
        scenario="row_blocked",
        store="postgres",
        more=(_NO_HAND_BACK,),
    ),
    Mutant(
        name="a result is delivered once",
        file="engine/deliveries.py",
        old="            over = now - delivery.first_at >= self._patience\n",
        new="            over = True\n",
        scenario="writes_refused",
        more=(_NO_HAND_BACK,),
    ),
    Mutant(
        name="any schema will do",
        file="conf/cli_setup.py",
        old="        elif missing_migrations():\n",
        new="        elif False:\n",
        scenario="older_schema",
        store="postgres",
    ),
    Mutant(
        name="what is read is not checked",
        file="sdk/artifactstore.py",
        old="if (got_size, got_sha256) != (size, sha256):",
        new="if False:",
        scenario="data_damaged",
    ),
    Mutant(
        name="the leash is not watched",
        file="conf/cli_serve.py",
        old="    while os.read(leash, 1):\n        pass\n",
        new="    time.sleep(1e6)\n",
        scenario="supervisor_killed",
    ),
    Mutant(
        name="nothing ends what was given up",
        file="engine/zygote.py",
        old="        self._fence()\n",
        new="",
        scenario="machine_stopped",
        more=(_NO_FENCE,),
    ),
    Mutant(
        name="a host leaves its processes",
        file="engine/zygote.py",
        old="        finally:\n            self._end_all()\n",
        new="        finally:\n            pass\n",
        scenario="runner_killed_with_tree",
        more=(("engine/zygote.py", _KILL_WITH_CONTROL, "            if False:\n                pass\n"),),
    ),
)
