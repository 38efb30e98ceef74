"""``stepwell runs`` and ``stepwell logs``."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.utils import timezone

from stepwell.conf import cli, cli_logs
from stepwell.core.plan import Retry, StepOptions
from stepwell.core.status import RunStatus
from stepwell.engine.logfile import LogWriter
from stepwell.runs.logs import log_path
from stepwell.runs.models import Attempt, Run
from tests.execution.make import make_run

pytestmark = pytest.mark.django_db


@pytest.fixture
def stepwell(capsys):
    """Run a command and return (exit code, standard output, standard error)."""

    def run(*words):
        code = cli.main([str(word) for word in words])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def write_log(run, step, text, *, number=1, status="running"):
    attempt = Attempt.objects.create(step_run=run.steps.get(invocation_id=step), number=number, status=status)
    writer = LogWriter(log_path(run.id, attempt.id))
    writer.write(text.encode())
    writer.flush()
    return writer


def test_no_runs_are_no_error(stepwell):
    assert stepwell("runs") == (0, "No runs.\n", "")
    assert stepwell("runs", "--json") == (0, "[]\n", "")


def test_json_lists_runs_newest_first(stepwell):
    first = make_run({}, status=RunStatus.COMPLETED, started_at=timezone.now(), ended_at=timezone.now())
    second = make_run({})
    code, out, _ = stepwell("runs", "--json")
    rows = json.loads(out)

    assert code == 0
    assert [row["id"] for row in rows] == [str(second.id), str(first.id)]
    assert rows[1] == {
        "id": str(first.id),
        "number": first.number,
        "name": "run",
        "pipeline": "train",
        "status": "completed",
        "trigger": "api",
        "started_at": first.started_at.isoformat(),
        "ended_at": first.ended_at.isoformat(),
    }
    assert rows[0]["ended_at"] is None


def test_the_table_lines_up_and_shows_no_control_characters(stepwell):
    run = make_run({})
    run.pipeline.name = "evil\x1b[2J\nname"
    run.pipeline.save(update_fields=["name"])
    _, out, _ = stepwell("runs")
    title, row = out.splitlines()

    assert title.split() == ["RUN", "PIPELINE", "STATUS", "TRIGGER", "MADE", "TOOK"]
    assert title.index("STATUS") == row.index("running")
    assert "\x1b" not in out


def test_filters_narrow_the_list(stepwell):
    failed = make_run({}, status=RunStatus.FAILED)
    old = make_run({}, status=RunStatus.FAILED)
    make_run({}, status=RunStatus.COMPLETED)
    Run.objects.filter(id=old.id).update(created_at=timezone.now() - timedelta(days=3))

    def numbers(*words):
        return [row["number"] for row in json.loads(stepwell("runs", *words, "--json")[1])]

    assert numbers("--status", "failed", "--since", "2h") == [failed.number]
    assert numbers("list", "--status", "failed") == [old.number, failed.number]
    assert numbers("--limit", "1") == [3]
    assert numbers("--pipeline", "train", "--trigger", "script") == []


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--status", "done"], 2, "--status is “done”. Use one of queued, running"),
        (["--since", "yesterday"], 2, "--since is “yesterday”. Write 2h, 3d"),
        (["--limit", "0"], 2, "--limit is 0."),
        (["--pipeline", "trian"], 1, "There is no pipeline “trian”. Did you mean train?"),
        (["show", "99"], 1, "There is no single run “99”."),
        (["cancel", "zz"], 1, "There is no single run “zz”."),
    ],
)
def test_what_was_mistyped_is_named(stepwell, words, code, said):
    make_run({})
    found, out, err = stepwell("runs", *words)

    assert (found, out) == (code, "")
    assert err.startswith(f"stepwell: {said}")


def test_show_prints_the_steps_and_why_one_failed(stepwell):
    run = make_run({"load": [], "train": ["load"]}, parameters={"rows": 3})
    Attempt.objects.create(
        step_run=run.steps.get(invocation_id="train"), number=1, status="failed", error_message="no such\ncolumn"
    )
    _, out, _ = stepwell("runs", "show", run.number)
    detail = json.loads(stepwell("runs", "show", run.id, "--json")[1])

    assert f"Run {run.number} of train: running" in out
    assert "rows = 3" in out
    assert "no such column" in out
    assert [step["invocation_id"] for step in detail["steps"]] == ["load", "train"]


def test_cancel_and_then_cancel_again(stepwell):
    run = make_run({"a": []})

    assert stepwell("runs", "cancel", run.number)[:2] == (0, f"Run {run.number} is cancelled.\n")
    code, _, err = stepwell("runs", "cancel", run.number)
    assert code == 1
    assert "is already cancelled" in err


def test_rerun_changes_what_was_said_and_keeps_the_rest(stepwell):
    options = StepOptions(retry=Retry(max_retries=1, delay=7))
    run = make_run({"a": []}, status=RunStatus.FAILED, parameters={"rows": 4}, options=options)
    code, out, err = stepwell("runs", "rerun", run.number, "--from", "failed", "-p", "rows=6", "-o", "a.retry=5")
    new = Run.objects.get(parent=run)

    assert code == 0, err
    assert f"Run {new.number} was started from run {run.number}." in out
    assert new.rerun_scope == "failed"
    assert new.parameters == {"rows": 6}
    assert new.parsed_overrides.steps["a"].retry == Retry(max_retries=5, delay=7)


def test_rerun_begins_from_chosen_steps_with_the_newest_code(stepwell):
    run = make_run({"a": [], "b": ["a"]}, status=RunStatus.COMPLETED)
    newer = run.pipeline.snapshots.create(number=9, spec=run.snapshot.spec, code_hash="f" * 64)
    words = ("--from-step", "b", "--newest-code")

    assert stepwell("runs", "rerun", run.number, *words)[0] == 0
    new = Run.objects.get(parent=run)
    assert (new.rerun_scope, new.rerun_steps, new.snapshot) == ("steps", ["b"], newer)
    assert "has no step c" in stepwell("runs", "rerun", run.number, "--from-step", "c")[2]
    assert stepwell("runs", "rerun", run.number, "--from", "failed", "--from-step", "b")[0] == 2


def test_a_rerun_with_a_wrong_word_starts_nothing(stepwell):
    run = make_run({"a": []}, status=RunStatus.FAILED)

    for words in (["-p", "row=6"], ["-o", "b.retry=5"], ["-o", "a.retry=x"], ["-p", "rows=x"]):
        assert stepwell("runs", "rerun", run.number, *words)[0] == 2
    assert Run.objects.count() == 1


class TestLogs:
    @pytest.fixture
    def run(self):
        return make_run({"load": [], "train": ["load"]})

    def test_one_step_is_printed_as_it_is(self, stepwell, run):
        write_log(run, "train", "one\ntwo").seal()

        assert stepwell("logs", run.number, "train")[:2] == (0, "one\ntwo")

    def test_all_steps_are_printed_behind_their_names(self, stepwell, run):
        write_log(run, "train", "three\n").seal()
        write_log(run, "load", "one\ntwo\n").seal()

        assert stepwell("logs", run.number)[1] == "load | one\nload | two\ntrain | three\n"

    def test_the_newest_attempt_is_printed_unless_another_is_asked_for(self, stepwell, run):
        write_log(run, "train", "first\n", status="failed").seal()
        write_log(run, "train", "second\n", number=2).seal()

        assert stepwell("logs", run.number, "train")[1] == "second\n"
        assert stepwell("logs", run.number, "train", "--attempt", 1)[1] == "first\n"

    def test_unknown_steps_and_attempts_are_named(self, stepwell, run):
        assert "It has: load, train." in stepwell("logs", run.number, "trian")[2]
        assert "no attempt 3" in stepwell("logs", run.number, "train", "--attempt", 3)[2]
        assert stepwell("logs", run.number, "--attempt", 3)[0] == 2

    def test_dropped_bytes_are_told_and_what_follows_is_printed(self, stepwell, run):
        attempt = Attempt.objects.create(step_run=run.steps.get(invocation_id="train"), number=1, status="running")
        writer = LogWriter(log_path(run.id, attempt.id), cap_bytes=64 * 1024)
        for number in range(20_000):
            writer.write(f"line {number}\n".encode())
            writer.flush() if number % 500 == 0 else None
        writer.seal()
        _, out, _ = stepwell("logs", run.number, "train")

        assert out.startswith("line 0\n")
        assert "bytes dropped here" in out
        assert out.endswith("line 19999\n")

    def test_following_prints_what_comes_until_the_run_has_ended(self, stepwell, run, monkeypatch):
        writer = write_log(run, "train", "one\nhal")
        looks = []

        def wait(seconds):
            looks.append(seconds)
            if len(looks) == 1:
                writer.write(b"f\n")
                writer.flush()
            else:
                writer.write(b"end")
                writer.seal()
                Run.objects.filter(id=run.id).update(status=RunStatus.COMPLETED)
            assert len(looks) < 5

        monkeypatch.setattr(cli_logs.time, "sleep", wait)

        assert stepwell("logs", run.number, "train", "-f")[:2] == (0, "one\nhalf\nend")
