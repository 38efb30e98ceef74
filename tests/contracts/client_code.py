"""What the contract of ``Client`` does, as user code: it runs in a script, in a step and against a server."""

from __future__ import annotations

import os
import tempfile

from stepwell import (
    Client,
    add_tags,
    errors,
    load_artifact,
    log_metadata,
    register_artifact,
    remove_tags,
    save_artifact,
)


def perform(name, arguments):
    """Call a function below; what it raises is an answer too."""
    try:
        return {"gave": globals()[name](**arguments)}
    except Exception as exc:
        kinds = [kind.__name__ for kind in type(exc).__mro__]
        return {"raised": type(exc).__name__, "kinds": kinds, "message": str(exc)}


def look_at_run(ref):
    run = Client().get_pipeline_run(ref)
    step = run.steps["double"]
    return {
        "id": str(run.id),
        "number": run.number,
        "pipeline": run.pipeline,
        "status": run.status,
        "parameters": run.parameters,
        "steps": {name: step.status for name, step in run.steps.items()},
        "took": {name: repr(version.load()) for name, version in step.inputs.items()},
        "gave": repr(step.output.load()),
        "by_name": repr(run.outputs["make"]["output_1"].load()),
        "times": run.started_at < run.ended_at,
        "lines": sorted(Client().follow_logs(ref, follow=False)),
        "found_by_id": Client().get_run_step(step.id).name,
    }


def list_everything(pipeline, run):
    client = Client()
    return {
        "runs": [run.number for run in client.list_runs(pipeline=pipeline, limit=250)],
        "completed": len(client.list_runs(pipeline=pipeline, status="completed")),
        "failed": [run.number for run in client.list_runs(pipeline=pipeline, status=["failed", "cancelled"])],
        "pipelines": pipeline in [one.name for one in client.list_pipelines().items],
        "pipeline": client.get_pipeline(pipeline).can_run,
        "steps": [step.name for step in client.list_run_steps(run)],
        "artifacts": [one.name for one in client.list_artifacts(f"{pipeline}::")],
        "versions": sorted(one.name for one in client.list_artifact_versions(run=run)),
        "one": [one.version for one in client.list_artifact_versions(f"{pipeline}::double::output", limit=1)],
    }


def find_artifact(name):
    client = Client()
    newest = client.get_artifact_version(name)
    same = [
        client.get_artifact_version(name, newest.version),
        client.get_artifact_version(name, int(newest.version)),
        client.get_artifact_version(newest.id),
        client.get_artifact_version(str(newest.id)[:30]),
    ]
    return {
        "value": repr(newest.load()),
        "again": repr(load_artifact(name)),
        "is_new_each_time": newest.load() is not newest.load(),
        "same": [one == newest for one in same],
        "type": newest.type,
        "step": newest.step,
        "has_run": newest.run_id is not None,
    }


def save_values(name):
    value = {"pairs": [(1, "a"), (2, "b")], "set": {3}, "bytes": b"\x00\xff"}
    first = save_artifact(value, name, tags=["kept", "odd"], user_metadata={"rows": 2})
    second = save_artifact(b"x" * 1_500_000 + b"end", name)
    add_tags(["late"], artifact_name=name, artifact_version=first.version)
    remove_tags(["odd"], artifact_version_id=first.id)
    log_metadata({"score": 0.5}, artifact_name=name, artifact_version=first.version)
    log_metadata({"score": 0.75}, artifact_version_id=first.id)
    stored = Client().get_artifact_version(name, first.version)
    return {
        "equal": first.load() == value and load_artifact(name, "1") == value,
        "large": len(load_artifact(name)),
        "versions": [first.version, second.version],
        "tags": stored.tags,
        "metadata": {key: stored.run_metadata[key] for key in ("rows", "score")},
        "tagged": [one.version for one in Client().list_artifact_versions(name, tag="late")],
    }


def save_twice(name):
    save_artifact(1, name, version="v1")
    save_artifact(2, name, version="v1")


def save_what_cannot_be_stored(name):
    save_artifact((number for number in range(3)), name)


def register_files(name):
    with tempfile.TemporaryDirectory() as folder:
        os.makedirs(os.path.join(folder, "data", "deep"))
        for place in ("data/a.txt", "data/deep/b.txt", "data/empty"):
            with open(os.path.join(folder, place), "w") as file:
                file.write("" if place.endswith("empty") else place)
        register_artifact(os.path.join(folder, "data"), name)
        register_artifact(os.path.join(folder, "data", "a.txt"), name)
    whole = load_artifact(name, 1)
    return {
        "name": whole.name,
        "files": sorted(path.relative_to(whole).as_posix() for path in whole.rglob("*") if path.is_file()),
        "text": (whole / "deep" / "b.txt").read_text(),
        "file": load_artifact(name).read_text(),
    }


def ask_for(kind, ref):
    client = Client()
    return repr(
        {
            "run": client.get_pipeline_run,
            "artifact": client.get_artifact_version,
            "pipeline": client.get_pipeline,
            "model": client.get_model_version,
        }[kind](ref)
    )


def log_nothing_storable(name):
    save_artifact(1, name)
    log_metadata({"bad": object()}, artifact_name=name)


def log_on_nothing():
    log_metadata({"a": 1}, step_name="make")


def load_named(name):
    return repr(load_artifact(name))


def secret_names():
    secret = Client().get_secret("open-sesame")
    return {"listed": [one.name for one in Client().list_secrets()], "keys": secret.keys}


def secret_values(name):
    return Client().get_secret(name).secret_values


def start_run(pipeline, rows):
    run = Client().trigger(pipeline, {"rows": rows}, tags=["by-client"])
    lines = list(run.logs())
    ended = run.wait(timeout=60)
    return {
        "status": ended.status,
        "tags": ended.tags,
        "lines": sorted(lines),
        "value": ended.steps["double"].output.load(),
    }


def rerun_run(ref, rows):
    again = Client().rerun(ref, parameters={"rows": rows}, from_steps=[*Client().get_pipeline_run(ref).steps][:1])
    ended = again.wait(timeout=60)
    return {"status": ended.status, "parameters": ended.parameters, "parent": str(ended.parent_id)}


def cancel_run(pipeline):
    run = Client().trigger(pipeline, {"seconds": 60})
    Client().cancel(run)
    ended = run.wait(timeout=60)
    try:
        ended.cancel()
    except errors.Conflict as exc:
        return {"status": ended.status, "again": exc.message}
    return {"status": ended.status}


def keep_secret(name):
    client = Client()
    made = client.create_secret(name, {"CLIENT_KEY": "value-one"})
    changed = client.update_secret(name, {"CLIENT_KEY": "value-two", "CLIENT_OTHER": "value-three"})
    client.delete_secret(name)
    return {"made": made.keys, "changed": changed.keys, "version": changed.version, "repr": repr(changed)}


def log_on_run(ref):
    log_metadata({"note": ref}, run_id_name_or_prefix=ref)
    log_metadata({"part": 1}, run_id_name_or_prefix=ref, step_name="make")
    add_tags(["seen"], run=ref)
    run = Client().get_pipeline_run(ref)
    remove_tags(["seen"], run=ref)
    return {
        "run": run.run_metadata["note"],
        "step": run.steps["make"].run_metadata["part"],
        "tagged": "seen" in run.tags,
        "untagged": "seen" not in run.refresh().tags,
    }


def log_on_own_step():
    from stepwell import get_step_context

    context = get_step_context()
    log_metadata({"by_id": 1}, step_id=context.step_run.id)
    log_metadata({"plain": 2})
    add_tags(["mine"])
    remove_tags(["mine"])
    run = Client().get_pipeline_run(context.pipeline_run.id)
    return {"metadata": run.steps[context.step_name].run_metadata, "tags": run.tags, "status": run.status}
