"""Starting and rerunning: what is stored, what is refused, what is kept."""

from __future__ import annotations

import pytest

from stepwell.artifacts.models import ArtifactVersion
from stepwell.core.ids import new_id
from stepwell.core.plan import Binding, Overrides, Retry, StepOptions, StepOverride
from stepwell.engine.ports import Outcome
from stepwell.errors import Conflict, UsageError
from stepwell.execution import actions, inputs, previews, publish
from stepwell.execution.claims import claim
from stepwell.execution.parameters import ParameterErrors
from stepwell.pipelines.actions import store_snapshot
from stepwell.runs.models import Attempt, Run
from tests.execution.make import make_plan, make_snapshot, planned

pytestmark = pytest.mark.django_db


def start(**changes):
    pipeline = make_snapshot().pipeline
    return actions.start_run(pipeline=pipeline, parameters={}, trigger="api", **changes)


def finish_next(**result):
    """Claim the one queued attempt and publish it as completed."""
    attempt = Attempt.objects.get(status="queued")
    publish.publish(claim(attempt.id, owner_id=new_id()), Outcome(status="completed", result=result))


def run_plan(run, *steps, outputs):
    """Give the run its plan, then complete its steps in order with stored outputs."""
    finish_next(plan=make_plan(*steps).model_dump(mode="json"))
    while attempt := Attempt.objects.filter(status="queued", step_run__run=run).first():
        name = attempt.step_run.invocation_id
        publish.publish(
            claim(attempt.id, owner_id=new_id()),
            Outcome(status="completed", result={"outputs": [stored(run, name, outputs[name])]}),
        )


def stored(run, name, content):
    uri = f"{run.id}/{name}/output"
    folder = inputs.artifact_root() / uri
    folder.mkdir(parents=True)
    (folder / "value.json").write_text(content)
    return {
        "name": "output",
        "uri": uri,
        "size": len(content),
        "sha256": f"{hash(content) & (2**64 - 1):064x}",
        "type": "int",
        "materializer": "json",
    }


def make_newer(run, names, **fields):
    """Store newer code of the run's pipeline, whose plan has steps of these names."""
    spec = {**run.snapshot.spec, "plan": make_plan(*(planned(name) for name in names)).model_dump(mode="json")}
    given = {"parameters_schema": run.snapshot.parameters_schema, **fields}
    return run.pipeline.snapshots.create(number=run.snapshot.number + 1, spec=spec, code_hash="f" * 64, **given)


def finish_next_plan(run, *steps):
    attempt = Attempt.objects.get(status="queued", step_run__run=run)
    result = {"plan": make_plan(*steps).model_dump(mode="json")}
    publish.publish(claim(attempt.id, owner_id=new_id()), Outcome(status="completed", result=result))


def two_steps(**options):
    first = planned("load", options=StepOptions(**options))
    second = planned("train", ["load"], options=StepOptions(**options))
    taken = {"data": Binding(kind="output", step="load", name="output")}
    return first.model_copy(update={"cache_parts": {"code": "1"}}), second.model_copy(
        update={"inputs": taken, "cache_parts": {"code": "2"}}
    )


class TestStart:
    def test_a_run_starts_with_its_plan(self):
        run = start()
        assert (run.status, run.parameters, run.name) == ("queued", {"rows": 10}, f"train-{run.number}")
        assert list(run.steps.values_list("kind", "status")) == [("plan", "queued")]

    def test_the_same_key_gives_the_same_run(self):
        assert start(idempotency_key="k").id == start(idempotency_key="k").id
        assert Run.objects.count() == 1

    def test_a_wrong_parameter_creates_nothing(self):
        with pytest.raises(ParameterErrors, match="rows"):
            actions.start_run(pipeline=make_snapshot().pipeline, parameters={"rows": "many"}, trigger="api")
        assert Run.objects.count() == 0

    def test_numbers_count_over_all_runs(self):
        first, second = start(), start()
        assert second.number == first.number + 1

    def test_overrides_reach_the_planned_steps(self):
        run = start(overrides=Overrides(steps={"a": StepOverride(retry=Retry(max_retries=4), timeout=60)}))
        finish_next(plan=make_plan(planned("a"), planned("b")).model_dump(mode="json"))
        options = run.steps.get(invocation_id="a").options
        assert (options.retry.max_retries, options.timeout) == (4, 60)
        assert run.steps.get(invocation_id="a").plan["origins"] == {"retry": "run", "timeout": "run"}
        assert run.steps.get(invocation_id="b").options.retry.max_retries == 0

    def test_an_override_for_an_unknown_step_fails_the_run_in_words(self):
        run = start(overrides=Overrides(steps={"z": StepOverride(timeout=60)}))
        finish_next(plan=make_plan(planned("a")).model_dump(mode="json"))
        run.refresh_from_db()
        assert run.status == "failed"
        assert "Options were given for z" in run.status_reason

    def test_a_secret_that_does_not_exist_fails_the_run_in_words(self):
        run = start()
        step = planned("a", options=StepOptions(secrets=["mail"]))
        finish_next(plan=make_plan(step).model_dump(mode="json"))
        run.refresh_from_db()
        assert run.status == "failed"
        assert "mail" in run.status_reason


class TestRerun:
    def make_finished(self):
        run = start()
        run_plan(run, *two_steps(enable_cache=False), outputs={"load": "1", "train": "2"})
        run.refresh_from_db()
        assert run.status == "completed"
        return run

    def test_a_rerun_links_to_its_parent_and_says_what_changed(self):
        run = self.make_finished()
        overrides = Overrides(steps={"train": StepOverride(retry=Retry(max_retries=3))})
        new = actions.rerun(run=run, parameters={"rows": 20}, overrides=overrides)
        assert (new.parent, new.parameters, new.snapshot) == (run, {"rows": 20}, run.snapshot)
        assert new.changes == [
            {"what": "rows", "old": 10, "new": 20},
            {"what": "train.retry.max_retries", "old": 0, "new": 3},
        ]

    def test_from_failed_keeps_what_finished_unless_it_changed(self):
        run = self.make_finished()
        new = actions.rerun(run=run, scope="failed", overrides=Overrides(steps={"train": StepOverride(timeout=5)}))
        finish_next(plan=make_plan(*two_steps(enable_cache=False)).model_dump(mode="json"))
        statuses = dict(new.steps.filter(kind="step").values_list("invocation_id", "status"))
        assert statuses == {"load": "cached", "train": "queued"}
        kept = new.steps.get(invocation_id="load")
        assert kept.origin_step.run_id == run.id
        assert kept.cache_reason.startswith(f"Kept from run #{run.number}")

    def test_from_chosen_steps_runs_them_and_all_below_and_keeps_the_rest(self):
        run = start()
        steps = [*two_steps(), planned("other")]
        run_plan(run, *steps, outputs={"load": "1", "train": "2", "other": "3"})
        run.refresh_from_db()
        new = actions.rerun(run=run, scope="steps", from_steps=["load"])
        run_plan(new, *steps, outputs={"load": "1", "train": "2"})
        told = dict(new.steps.filter(kind="step").values_list("invocation_id", "cache_reason"))
        assert told["load"] == "Ran because it was chosen to run again."
        assert told["train"] == "Ran because load ran again."
        assert told["other"].startswith(f"Kept from run #{run.number}")

    def test_what_a_chosen_step_does_not_reach_keeps_its_result(self):
        run = self.make_finished()
        new = actions.rerun(run=run, scope="steps", from_steps=["train", "train"])
        assert new.rerun_steps == ["train"]
        finish_next(plan=make_plan(*two_steps(enable_cache=False)).model_dump(mode="json"))
        statuses = dict(new.steps.filter(kind="step").values_list("invocation_id", "status"))
        assert statuses == {"load": "cached", "train": "queued"}

    @pytest.mark.parametrize(
        ("scope", "chosen", "message"),
        [
            ("steps", [], "No step was chosen"),
            ("whole", ["train"], "the scope is not “steps”"),
            ("failed", ["train"], "the scope is not “steps”"),
            ("steps", ["nope"], "has no step nope"),
        ],
    )
    def test_chosen_steps_must_fit(self, scope, chosen, message):
        run = self.make_finished()
        with pytest.raises(UsageError, match=message):
            actions.rerun(run=run, scope=scope, from_steps=chosen)
        assert Run.objects.count() == 1

    def test_a_rerun_can_take_the_newest_code(self):
        run = self.make_finished()
        newer = make_newer(run, ["train", "report"])
        preview = previews.preview_rerun(run=run, scope="failed", parameters=None, overrides=None, code="newest")
        assert preview.changes == [{"what": "code", "old": "1", "new": "2"}]
        assert preview.steps == [("train", "runs", "its code changed"), ("report", "runs", "new in this code")]
        new = actions.rerun(run=run, code="newest")
        assert new.snapshot == newer
        assert new.changes == preview.changes
        assert actions.rerun(run=run, code="as_run").snapshot == run.snapshot

    def test_newer_code_takes_what_it_still_knows_of_parameters_and_options(self):
        run = self.make_finished()
        run.overrides = {"steps": {"load": {"timeout": 5.0}, "train": {"timeout": 6.0}}}
        run.save()
        make_newer(run, ["train"], parameters_schema={"type": "object", "properties": {}})
        new = actions.rerun(run=run, code="newest")
        assert new.parameters == {}
        assert set(new.overrides["steps"]) == {"train"}

    def test_an_option_says_which_run_set_it(self):
        first = start(overrides=Overrides(steps={"a": StepOverride(timeout=60)}))
        finish_next(plan=make_plan(planned("a")).model_dump(mode="json"))
        changed = Overrides(steps={"a": StepOverride(timeout=60, enable_cache=False)})
        second = actions.rerun(run=first, overrides=changed)
        finish_next_plan(second, planned("a"))
        assert second.steps.get(invocation_id="a").plan["origins"] == {"timeout": "run", "enable_cache": "rerun"}

    def test_an_expired_result_is_not_taken_and_the_step_says_why(self):
        run = start()
        run_plan(run, *two_steps(), outputs={"load": "1", "train": "2"})
        actions.expire_result(step=run.steps.get(invocation_id="load"), by="ana")
        second = start()
        run_plan(second, *two_steps(), outputs={"load": "1", "train": "2"})
        steps = {step.invocation_id: step for step in second.steps.filter(kind="step")}
        assert steps["load"].cache_reason == "Ran because ana expired the stored result."
        assert (steps["load"].status, steps["train"].status) == ("completed", "cached")
        third = start()
        finish_next(plan=make_plan(*two_steps()).model_dump(mode="json"))
        assert third.steps.get(invocation_id="load").status == "cached"

    def test_options_the_parent_had_already_do_not_make_a_step_run_again(self):
        run = self.make_finished()
        overrides = Overrides(steps={"load": StepOverride(timeout=5)})
        second = actions.rerun(run=run, overrides=overrides)
        run_plan(second, *two_steps(enable_cache=False), outputs={"load": "1", "train": "2"})
        second.refresh_from_db()
        preview = previews.preview_rerun(run=second, scope="failed", parameters=None, overrides=None)
        assert [fate for _, fate, _ in preview.steps] == ["reused", "reused"]
        third = actions.rerun(run=second, scope="failed")
        finish_next(plan=make_plan(*two_steps(enable_cache=False)).model_dump(mode="json"))
        assert set(third.steps.filter(kind="step").values_list("status", flat=True)) == {"cached"}

    def test_whole_runs_everything_although_caching_is_on(self):
        run = start()
        run_plan(run, *two_steps(), outputs={"load": "1", "train": "2"})
        new = actions.rerun(run=run)
        finish_next(plan=make_plan(*two_steps()).model_dump(mode="json"))
        assert new.steps.get(invocation_id="load").status == "queued"

    def test_from_failed_needs_an_ended_run(self):
        with pytest.raises(Conflict, match="has not ended"):
            actions.rerun(run=start(), scope="failed")

    def test_an_option_of_an_unknown_step_is_refused(self):
        run = self.make_finished()
        with pytest.raises(UsageError, match="no step z"):
            actions.rerun(run=run, overrides=Overrides(steps={"z": StepOverride(timeout=5)}))
        assert Run.objects.count() == 1

    def test_the_preview_says_what_runs_and_why(self):
        run = self.make_finished()
        preview = previews.preview_rerun(
            run=run,
            scope="failed",
            parameters=None,
            overrides=Overrides(steps={"train": StepOverride(timeout=5)}),
        )
        assert preview.steps == [
            ("load", "reused", f"kept from run #{run.number}"),
            ("train", "runs", "its options changed"),
        ]
        assert [change["what"] for change in preview.changes] == ["train.timeout"]


class TestCache:
    def test_the_second_run_takes_the_stored_results(self):
        first = start()
        run_plan(first, *two_steps(), outputs={"load": "1", "train": "2"})
        second = start()
        finish_next(plan=make_plan(*two_steps()).model_dump(mode="json"))
        second.refresh_from_db()
        assert second.status == "completed"
        assert set(second.steps.filter(kind="step").values_list("status", flat=True)) == {"cached"}
        assert ArtifactVersion.objects.count() == 2

    def test_results_whose_data_is_gone_are_made_again(self):
        first = start()
        run_plan(first, *two_steps(), outputs={"load": "1", "train": "2"})
        (inputs.artifact_root() / f"{first.id}/load/output/value.json").unlink()
        second = start()
        finish_next(plan=make_plan(*two_steps()).model_dump(mode="json"))
        step = second.steps.get(invocation_id="load")
        told = f"Ran because the data that run #{first.number} stored is gone or was changed."
        assert (step.status, step.cache_reason) == ("queued", told)

    def test_changed_code_is_named_as_the_reason(self):
        first = start()
        run_plan(first, *two_steps(), outputs={"load": "1", "train": "2"})
        second = start()
        load, train = two_steps()
        load = load.model_copy(update={"cache_parts": {"code": "new"}})
        finish_next(plan=make_plan(load, train).model_dump(mode="json"))
        assert "code" in second.steps.get(invocation_id="load").cache_reason


def test_runs_are_found_by_number_id_and_prefix():
    run = start()
    assert actions.find_run(str(run.number)) == run
    assert actions.find_run(f"#{run.number}") == run
    assert actions.find_run(str(run.id)) == run
    assert actions.find_run(run.id.hex[:20]) == run
    for wrong in ("", "zz", "99999", "0" * 40, "../etc", "0199\x00"):
        assert actions.find_run(wrong) is None


def test_code_that_could_not_be_kept_does_not_hide_what_was_registered():
    snapshot = make_snapshot()
    store_snapshot(snapshot.compiled, code_hash="", entry_file="")
    assert snapshot.pipeline.newest_snapshot != snapshot
    run = actions.start_run(pipeline=snapshot.pipeline, parameters={}, trigger="api")
    assert run.snapshot == snapshot

    def run_rate(self, rate, name="fit"):
        """Run a pipeline of one step whose parameter is ``rate``; return why the step ran."""
        run = start()
        binding = Binding(kind="value", value=rate)
        step = planned(name, options=StepOptions()).model_copy(
            update={"name": "fit", "inputs": {"rate": binding}, "cache_parts": {"parameter rate": str(rate)}}
        )
        run_plan(run, step, outputs={name: str(rate)})
        return run.steps.get(invocation_id=name).cache_reason

    def test_a_miss_is_explained_by_the_latest_earlier_run_that_has_a_result(self):
        assert self.run_rate(0.1) == "Ran because there is no stored result yet."
        self.run_rate(0.2)
        assert self.run_rate(0.1) == "Taken from run #1: same code, parameters and inputs."
        # Run #3 reused its result, and it is the one people remember.
        assert self.run_rate(0.3) == "Ran because parameter rate changed from 0.1 to 0.3."

    def test_a_step_called_by_another_id_is_known_by_its_name(self):
        self.run_rate(0.1)
        assert self.run_rate(0.2, name="fit_2") == "Ran because parameter rate changed from 0.1 to 0.2."
