"""How a step that a driver calls is found in its own process: by its name, or in a file that the driver keeps."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stepwell.errors import ArtifactError, UsageError
from stepwell.sdk.artifactstore import ArtifactStore, storage_errors
from stepwell.sdk.hooks import STEP_HOOKS

if TYPE_CHECKING:
    from stepwell.core.plan import Source
    from stepwell.sdk.steps import BaseStep
    from stepwell.sdk.tracing import Invocation

_FOLDER = "steps"
_CODE_OPTIONS = (*STEP_HOOKS, "output_materializers")


def source_for_children(invocation: Invocation, found: Source, *, store: ArtifactStore) -> Source:
    """Return the source of a step that a driver calls. ``found``: the one a static pipeline would have.

    Raises:
        UsageError: Nothing can find it by name, and it cannot be pickled.
    """
    if found.resolve == "import":
        return found
    if (name := _name_of_same_code(invocation)) is not None:
        return found.model_copy(update={"resolve": "import", "qualname": name})
    return found.model_copy(update={"resolve": "pickle", "pickled": _keep(invocation.step, store)})


def load_kept(digest: str, *, artifact_root: str | os.PathLike[str]) -> Any:
    """Return the step that a driver kept.

    Raises:
        ArtifactError: It is gone, or is not what was kept.
    """
    import cloudpickle

    path = Path(artifact_root, _FOLDER, f"{digest}.pkl")
    try:
        content = path.read_bytes()
    except OSError as exc:
        raise ArtifactError(f"The step's code that its pipeline kept is gone: {exc.strerror}.") from exc
    if hashlib.sha256(content).hexdigest() != digest:
        raise ArtifactError("The step's code that its pipeline kept was changed.", hint="Start a new run.")
    return cloudpickle.loads(content)


def _name_of_same_code(invocation: Invocation) -> str | None:
    """Return the name of a step in the module that differs from this one in nothing but options a plan holds."""
    step: BaseStep = invocation.original
    holder: Any = sys.modules.get(type(step).__module__)
    for part in type(step).__qualname__.split("."):
        holder = getattr(holder, part, None)
    if type(holder) is not type(step) or getattr(holder, "state", None) != step.state:
        return None
    options = getattr(holder, "_options", {})
    same = all(invocation.options.get(name) is options.get(name) for name in _CODE_OPTIONS)
    return type(step).__qualname__ if same else None


def _keep(step: BaseStep, store: ArtifactStore) -> str:
    import cloudpickle

    try:
        content = cloudpickle.dumps(step)
    except Exception as exc:  # whatever the user's objects do when they are pickled
        raise UsageError(
            f"Step {step.name} cannot be sent to the process that runs it: {exc}.",
            hint="Define it at the top level of the file, without open files or connections in what it reaches.",
        ) from exc
    digest = hashlib.sha256(content).hexdigest()
    folder = Path(store.root, _FOLDER)
    path = folder / f"{digest}.pkl"
    if not path.exists():
        with storage_errors(store.root):
            folder.mkdir(parents=True, exist_ok=True)
            draft = folder / f".{digest}.{secrets.token_hex(4)}"
            try:
                draft.write_bytes(content)
                os.replace(draft, path)
            finally:
                with contextlib.suppress(FileNotFoundError):
                    draft.unlink()
    return digest
