"""Versions of models: which run works on which, what is linked, and who moved it from stage to stage."""

from __future__ import annotations

import threading

import pytest
from django.db import connections, transaction

from stepwell.artifacts import model_actions, model_queries
from stepwell.artifacts.models import Model, ModelRun, ModelVersion, StageChange
from stepwell.core.ids import new_id
from stepwell.core.plan import Binding, StepOptions
from stepwell.engine.ports import Outcome
from stepwell.errors import ArtifactError, ConfigError, NotFound
from stepwell.execution import actions, inputs, launching, planning, publish, retention
from stepwell.execution.claims import claim
from stepwell.runs.models import Run
from tests.execution.make import make_plan, make_run, make_snapshot, planned
from tests.factories import make_user


def naming(version=None, *, name="churn", **about):
    given = {"name": name, **({} if version is None else {"version": version}), **about}
    return StepOptions(enable_cache=False, model=given)


def plan_run(**steps):
    """Store a run whose steps, all independent, have these options."""
    run = make_run({})
    store(run, **steps)
    return run


def store(run, **steps):
    """Store a plan in a transaction of its own, as the end of a plan step does."""
    plan = make_plan(*(planned(name, options=options) for name, options in steps.items()))
    with transaction.atomic():
        planning.store_plan(run, plan.model_dump(mode="json"))


def version_of(run, step):
    return model_actions.version_of(run.steps.get(invocation_id=step))


def output(name="output", **changes):
    made = {"uri": f"x/{new_id()}", "size": 1, "sha256": "ab" * 32, "type": "int", "materializer": "m", **changes}
    return {"name": name, **made}


def complete(run, step, *outputs):
    attempt = run.steps.get(invocation_id=step).attempts.get()
    publish.publish(claim(attempt.id, owner_id=new_id()), Outcome(status="completed", result={"outputs": [*outputs]}))


def taking(asked, name):
    """Store a run whose step b comes after a and takes what the model has linked under ``name``."""
    run = make_run({})
    place = {"name": "churn", "version": asked, "artifact_version": ""}
    linked = Binding(kind="linked", name=name, model=place)
    a = planned("a", options=naming(asked or None))
    b = planned("b", ["a"], options=naming(asked or None)).model_copy(update={"inputs": {"weights": linked}})
    with transaction.atomic():
        planning.store_plan(run, make_plan(a, b).model_dump(mode="json"))
    return run


@pytest.mark.django_db
class TestVersions:
    def test_each_run_makes_a_version_when_none_is_named(self):
        first, second = plan_run(a=naming()), plan_run(a=naming())

        assert version_of(first, "a").name == "1"
        assert version_of(second, "a").name == "2"

    def test_the_steps_of_a_run_share_its_version(self):
        run = plan_run(a=naming(), b=naming(), c=StepOptions(enable_cache=False))

        assert version_of(run, "a") == version_of(run, "b")
        assert version_of(run, "c") is None
        assert ModelVersion.objects.count() == 1

    def test_a_step_with_a_model_of_its_own_works_on_that_one(self):
        run = plan_run(a=naming(), b=naming(name="price"))

        assert version_of(run, "b").model.name == "price"
        assert version_of(run, "a").model.name == "churn"

    def test_a_version_named_by_name_is_made_once_and_continued(self):
        first, second = plan_run(a=naming("summer")), plan_run(a=naming("summer"))

        assert version_of(first, "a") == version_of(second, "a")
        assert version_of(second, "a").number == 1
        assert ModelRun.objects.filter(model_version__name="summer").count() == 2

    @pytest.mark.parametrize("asked", [2, "2", "production", "PRODUCTION"])
    def test_a_number_or_stage_takes_the_version_that_is_there(self, asked):
        plan_run(a=naming())
        two = version_of(plan_run(a=naming()), "a")
        plan_run(a=naming())
        model_actions.set_stage(two, "production")

        assert version_of(plan_run(a=naming(asked)), "a") == two
        assert ModelVersion.objects.count() == 3

    def test_latest_takes_the_newest_version(self):
        plan_run(a=naming())
        newest = version_of(plan_run(a=naming()), "a")

        assert version_of(plan_run(a=naming("latest")), "a") == newest

    @pytest.mark.parametrize(
        ("asked", "words"),
        [
            (7, "churn has no version 7. Its versions are: 1."),
            ("staging", "No version of the model churn is in staging. Its versions are: 1."),
            ("99999999999999999999", "churn has no version 99999999999999999999"),
        ],
    )
    def test_a_number_or_stage_nobody_has_fails_before_the_run_has_steps(self, asked, words):
        plan_run(a=naming())
        run = make_run({})

        with pytest.raises(NotFound, match=words):
            store(run, a=naming(asked))
        assert not run.steps.exists()
        assert ModelVersion.objects.count() == 1

    def test_latest_of_a_model_that_does_not_exist_names_the_near_one(self):
        plan_run(a=naming())

        with pytest.raises(NotFound, match=r"There is no model “churm”. Did you mean churn?"):
            store(make_run({}), a=naming("latest", name="churm"))
        assert not Model.objects.filter(name="churm").exists()

    def test_no_run_is_made_for_a_registered_pipeline_that_names_an_unknown_stage(self):
        plan_run(a=naming())
        snapshot = make_snapshot("other", plan=make_plan(planned("a", options=naming("production"))))

        with pytest.raises(NotFound, match="in production"):
            actions.start_run(pipeline=snapshot.pipeline, parameters={}, trigger="api")
        assert Run.objects.count() == 1

    def test_a_version_name_takes_the_date_and_substitutions(self):
        options = naming("{kind}-{date}")
        run = plan_run(a=options.model_copy(update={"substitutions": {"kind": "nightly"}}))

        assert version_of(run, "a").name == f"nightly-{run.created_at:%Y_%m_%d}"

    def test_what_the_code_says_of_a_model_is_kept_and_added_to(self):
        plan_run(a=naming(license="MIT", tags=["one"], audience="all"))
        plan_run(a=naming(description="who leaves", tags=["two"]))
        model = Model.objects.get()

        assert (model.license, model.description, model.about) == ("MIT", "who leaves", {"audience": "all"})
        assert model.tags == ["one", "two"]


@pytest.mark.django_db
class TestLinks:
    def test_outputs_are_linked_to_the_version_of_their_step(self):
        run = plan_run(a=naming(), b=StepOptions(enable_cache=False))
        complete(run, "a", output(kind="model", artifact_name="weights"))
        complete(run, "b", output())
        version = version_of(run, "a")

        assert [link.name for link in version.artifact_links.all()] == ["output"]
        for name in ("weights", "output"):
            assert model_queries.get_artifact(version, name).kind == "model"

    def test_an_artifact_that_is_not_linked_is_told_with_those_that_are(self):
        run = plan_run(a=naming())
        complete(run, "a", output("weights"))

        with pytest.raises(NotFound, match=r"has no artifact “scores”. It has: weights."):
            model_queries.get_artifact(version_of(run, "a"), "scores")

    def test_of_several_artifacts_with_one_name_the_newest_is_taken(self):
        for size in (1, 2):
            run = plan_run(a=naming("summer"))
            complete(run, "a", output("weights", size=size))
        version = version_of(run, "a")

        assert model_queries.get_artifact(version, "weights").size == 2
        assert model_queries.get_artifact(version, "weights", "1").size == 1

    def test_a_cached_step_links_what_it_took_over(self, tmp_path, settings):
        settings.HOME = tmp_path
        options = naming().model_copy(update={"enable_cache": True})
        made = output("weights", size=3)
        folder = tmp_path / "artifacts" / made["uri"]
        folder.mkdir(parents=True)
        (folder / "value").write_bytes(b"abc")
        complete(plan_run(a=options), "a", made)
        second = plan_run(a=options)

        assert second.steps.get().status == "cached"
        assert version_of(second, "a").name == "2"
        assert model_queries.get_artifact(version_of(second, "a"), "weights").uri == made["uri"]

    def test_an_input_of_a_model_is_the_one_its_stage_has_when_the_step_starts(self):
        made = plan_run(a=naming())
        complete(made, "a", output("weights", size=7))
        model_actions.set_stage(version_of(made, "a"), "production")
        run = taking("production", "weights")

        found = inputs.upstream_outputs(run.steps.get(invocation_id="b"))
        assert [version.size for version in found.values()] == [7]
        b = run.steps.get(invocation_id="b")
        assert "ab" * 32 in inputs.content_hashes(b, found)["weights"]

    def test_an_input_nothing_is_linked_for_fails_its_step_and_not_the_one_above(self):
        complete(plan_run(a=naming()), "a", output("weights"))
        run = taking("", "scores")
        complete(run, "a")

        assert run.steps.get(invocation_id="a").status == "completed"
        claimed = claim(run.steps.get(invocation_id="b").attempts.get().id, owner_id=new_id())
        with pytest.raises(ArtifactError, match="Nothing is linked to the model churn as scores"):
            launching.prepare(claimed, environment={})

    def test_what_belongs_to_a_model_outlives_its_run(self):
        run = plan_run(a=naming())
        complete(run, "a", output("weights"))
        version = version_of(run, "a")
        model_actions.set_stage(version, "production", step=run.steps.get())
        run.refresh_from_db()
        assert retention.delete_run(run)

        assert model_queries.get_artifact(version, "weights").size == 1
        assert StageChange.objects.get().by_name == f"step a of run #{run.number}"

    def test_metadata_adds_up(self):
        version = version_of(plan_run(a=naming()), "a")
        model_actions.add_metadata(version, {"auc": 0.8, "rows": 10})
        model_actions.add_metadata(version, {"auc": 0.9})

        assert ModelVersion.objects.get().metadata == {"auc": 0.9, "rows": 10}


@pytest.mark.django_db
class TestStages:
    def test_a_promotion_says_who_and_from_where(self):
        ana = make_user("ana")
        version = version_of(plan_run(a=naming()), "a")
        model_actions.set_stage(version, "staging", by=ana, reason="looks good")
        model_actions.set_stage(version, "production", by=ana)

        moves = list(StageChange.objects.order_by("id").values_list("old", "new", "by_name", "reason"))
        assert moves == [("none", "staging", "ana", "looks good"), ("staging", "production", "ana", "")]

    def test_a_held_stage_is_refused_and_nothing_changes(self):
        first, second = (version_of(plan_run(a=naming()), "a") for _ in range(2))
        model_actions.set_stage(first, "production")

        with pytest.raises(model_actions.StageTaken, match="Version 1 of churn is in production"):
            model_actions.set_stage(second, "production")
        assert dict(ModelVersion.objects.values_list("name", "stage")) == {"1": "production", "2": "none"}
        assert StageChange.objects.count() == 1

    def test_force_archives_the_version_that_was_there(self):
        first, second = (version_of(plan_run(a=naming()), "a") for _ in range(2))
        model_actions.set_stage(first, "production")
        model_actions.set_stage(second, "production", force=True)

        assert dict(ModelVersion.objects.values_list("name", "stage")) == {"1": "archived", "2": "production"}
        assert first.stage_changes.latest("id").reason == "Version 2 took its place."

    def test_stages_of_another_model_do_not_count(self):
        run = plan_run(a=naming(), b=naming(name="price"))
        for step in ("a", "b"):
            model_actions.set_stage(version_of(run, step), "production")

        assert ModelVersion.objects.filter(stage="production").count() == 2

    @pytest.mark.parametrize("stage", ["latest", "live", ""])
    def test_what_is_no_stage_is_refused_with_those_there_are(self, stage):
        version = version_of(plan_run(a=naming()), "a")

        with pytest.raises(ConfigError, match=r"The stages are: none, staging, production, archived."):
            model_actions.set_stage(version, stage)

    def test_the_same_stage_again_is_no_move(self):
        version = version_of(plan_run(a=naming()), "a")
        model_actions.set_stage(version, "archived")
        model_actions.set_stage(version, "archived")

        assert StageChange.objects.count() == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("force", [False, True])
def test_of_two_promotions_at_once_one_version_ends_in_production(force):
    versions = [version_of(plan_run(a=naming()), "a") for _ in range(4)]
    start, refused = threading.Barrier(len(versions)), []

    def promote(version):
        start.wait(10)
        try:
            model_actions.set_stage(version, "production", force=force)
        except model_actions.StageTaken:
            refused.append(version)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=promote, args=(version,)) for version in versions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert ModelVersion.objects.filter(stage="production").count() == 1
    assert len(refused) == (0 if force else 3)
    assert ModelVersion.objects.filter(stage="archived").count() == (3 if force else 0)


@pytest.mark.django_db(transaction=True)
def test_runs_that_start_at_once_get_a_version_each():
    runs = [make_run({}) for _ in range(4)]
    start = threading.Barrier(len(runs))

    def plan(run):
        start.wait(10)
        try:
            store(run, a=naming())
        finally:
            connections.close_all()

    threads = [threading.Thread(target=plan, args=(run,)) for run in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert sorted(version_of(run, "a").number for run in runs) == [1, 2, 3, 4]
