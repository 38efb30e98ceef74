"""``stepwell run`` and ``stepwell register``: pipelines of a file, run here and now or made known to the dashboard."""

from __future__ import annotations

import argparse
import importlib.util
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from stepwell.conf.cli_options import near, read_parameters
from stepwell.conf.cli_output import one_line
from stepwell.conf.cli_setup import load_database, warn
from stepwell.errors import StepwellError, UsageError

if TYPE_CHECKING:
    from stepwell.sdk.pipelines import Pipeline

_LONGEST_MESSAGE = 500


class CannotLoad(StepwellError):
    """The file cannot be imported."""

    code = "cannot_load"


def run_file(options: argparse.Namespace) -> int:
    """Run a pipeline as its own script would; Django is loaded only once the step host was forked."""
    from stepwell.sdk.schema import parameters_schema

    pipeline = pick(load_file(options.file), options.pipeline)
    parameters = read_parameters(parameters_schema(pipeline.signature), options.parameters)
    try:
        pipeline(**parameters)
    except Exception as exc:
        # What a step raised comes out as it is; ``run`` tells it from an error of ours or of the body.
        run = getattr(exc, "run", None)
        if run is None:
            raise
        said = exc.message if isinstance(exc, StepwellError) else f"{type(exc).__name__}: {exc}"
        warn(f"run {run.number} did not complete. {one_line(said)[:_LONGEST_MESSAGE]}")
        return 1
    return 0


def register(options: argparse.Namespace) -> int:
    """Make the pipelines of files known to the dashboard; return 1 when one of the files could not be read."""
    load_database()
    from stepwell.execution.registration import register_file

    n_failed = 0
    for file in options.files:
        try:
            snapshots = register_file(Path(file))
        except StepwellError as exc:
            n_failed += 1
            warn(f"{exc.message} {exc.hint}".rstrip())
            continue
        for snapshot in snapshots:
            print(f"{snapshot.pipeline.name}: code {snapshot.number}, from {file}")
    return 1 if n_failed else 0


def load_file(path: str) -> ModuleType:
    """Import a file as the script it is, but without starting the pipelines it calls.

    Raises:
        UsageError: It is not a Python file.
        CannotLoad: Importing it fails.
    """
    from stepwell.sdk import threads, tracing

    file = Path(path).resolve()
    if not file.is_file() or file.suffix != ".py":
        raise UsageError(f"{path} is not a Python file.", hint="Give the path of a .py file with a @pipeline in it.")
    spec = importlib.util.spec_from_file_location(file.stem, file)
    if spec is None or spec.loader is None:
        raise UsageError(f"{path} cannot be imported.", hint="Give the path of a .py file.")
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(file.parent))
    sys.argv = [str(file)]
    # The file stands in for the script: what a run keeps of the code is found from __main__.
    sys.modules[file.stem] = sys.modules["__main__"] = module
    threads.hold_single()
    tracing.importing = True
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as exc:
        raise CannotLoad(f"{path} cannot be imported: {_reason(exc, file)}.") from exc
    finally:
        tracing.importing = False
    return module


def pick(module: ModuleType, name: str | None) -> Pipeline:
    """Return the pipeline called ``name``, or the only one.

    Raises:
        UsageError: There is none, or a name is needed.
    """
    from stepwell.sdk.pipelines import Pipeline

    found = {value.name: value for value in vars(module).values() if isinstance(value, Pipeline)}
    # Pipelines imported from elsewhere count only when the file has none of its own.
    own = {key: value for key, value in found.items() if value.module == module.__name__}
    candidates = own if own and name is None else found
    if not candidates:
        raise UsageError(
            f"{Path(str(module.__file__)).name} defines no pipeline.", hint="Decorate a function with @pipeline."
        )
    if name is None:
        if len(candidates) > 1:
            raise UsageError("The file has several pipelines.", hint=f"Name one: {', '.join(candidates)}.")
        return next(iter(candidates.values()))
    if name not in candidates:
        raise UsageError(f"The file has no pipeline “{name[:80]}”.", hint=near(name, candidates))
    return candidates[name]


def _reason(exc: BaseException, file: Path) -> str:
    """Return what went wrong, and the line of the user's own file it came from."""
    if isinstance(exc, SyntaxError):
        return f"{type(exc).__name__}: {exc.msg} (line {exc.lineno})"
    lines = [frame.lineno for frame in traceback.extract_tb(exc.__traceback__) if frame.filename == str(file)]
    where = f" (line {lines[-1]})" if lines else ""
    return f"{type(exc).__name__}: {one_line(str(exc))[:_LONGEST_MESSAGE]}{where}"
