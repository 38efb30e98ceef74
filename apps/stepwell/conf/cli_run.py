"""``stepwell run`` and ``stepwell register``: pipelines of a file, run here and now or made known to the dashboard.

A file that imports ``zenml`` runs as it stands where that is not installed: this package takes its place, and the
file's own main block says what is run, as it does under ``python``.
"""

from __future__ import annotations

import argparse
import ast
import importlib.util
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from stepwell.conf.cli_options import near, read_parameters
from stepwell.conf.cli_output import one_line
from stepwell.conf.cli_setup import load_database, warn
from stepwell.core.packages import import_root, module_name
from stepwell.errors import StepwellError, UsageError

if TYPE_CHECKING:
    from stepwell.sdk.pipelines import Pipeline

_LONGEST_MESSAGE = 500


class CannotLoad(StepwellError):
    """The file cannot be imported."""

    code = "cannot_load"


def run_file(options: argparse.Namespace) -> int:
    """Run a pipeline as its own script would; Django is loaded only once the step host was forked."""
    from stepwell.sdk import zenmlalias

    zenmlalias.install()
    is_bare = not (options.pipeline or options.parameters or options.config)
    if options.main is not None or (is_bare and imports_zenml(options.file)):
        return run_main(options.file, options.main or [], is_asked_for=options.main is not None)
    module = load_file(options.file)
    _tell_alias()
    return run_pipeline(pick(module, options.pipeline), options)


def run_pipeline(pipeline: Pipeline, options: argparse.Namespace) -> int:
    """Run a pipeline with what the command line says."""
    from stepwell.sdk.schema import parameters_schema
    from stepwell.sdk.single import SingleStepPipeline

    if options.config:
        pipeline = pipeline.with_options(config_path=options.config, strict=options.strict)
    elif options.strict:
        raise UsageError("--strict is for a configuration file, and there is none.", hint="Add --config FILE.")
    parameters = read_parameters(parameters_schema(pipeline.signature), options.parameters)
    if isinstance(pipeline, SingleStepPipeline):
        parameters = {**pipeline.step_parameters, **parameters}
    try:
        pipeline(**parameters)
    except Exception as exc:
        if not _tell_failed_run(exc):
            raise
        return 1
    return 0


def run_main(path: str, arguments: list[str], *, is_asked_for: bool) -> int:
    """Run a file as ``python`` does. If it calls no pipeline, run the only one it defines.

    Raises:
        UsageError: It is not a Python file, or runs nothing and has no single pipeline.
    """
    from stepwell.sdk import localrun, threads

    file = _python_file(path)
    module = ModuleType("__main__")
    module.__file__ = str(file)
    sys.path.insert(0, str(file.parent))
    sys.argv = [str(file), *arguments]
    sys.modules["__main__"] = module
    threads.hold_single()
    try:
        exec(compile(file.read_bytes(), str(file), "exec"), vars(module))  # noqa: S102 - the file is what is to run
    except Exception as exc:
        if not _tell_failed_run(exc):
            _print_own_traceback(exc, file)
            warn(f"{path} stopped: {_reason(exc, file)}.")
        return 1
    _tell_alias()
    if localrun.n_calls or is_asked_for:
        return 0
    bare = argparse.Namespace(config=None, strict=False, parameters=[])
    return run_pipeline(pick(module, None), bare)


def imports_zenml(path: str) -> bool:
    """Return whether a file imports ``zenml`` itself."""
    try:
        tree = ast.parse(Path(path).read_bytes())
    except (OSError, SyntaxError, ValueError):
        return False
    found = [
        name
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom) and not node.level
            else []
        )
    ]
    return any(name.split(".")[0] == "zenml" for name in found)


def _tell_alias() -> None:
    from stepwell.sdk import zenmlalias

    if zenmlalias.is_in_use():
        warn("zenml is not installed; this file runs on Stepwell in its place.")


def _tell_failed_run(exc: Exception) -> bool:
    """Say that a run did not complete; return False for an error of another kind."""
    # What a step raised comes out as it is; ``run`` tells it from an error of ours or of the body.
    run = getattr(exc, "run", None)
    if run is None:
        return False
    said = exc.message if isinstance(exc, StepwellError) else f"{type(exc).__name__}: {exc}"
    warn(f"run {run.number} did not complete. {one_line(said)[:_LONGEST_MESSAGE]}")
    return True


def _print_own_traceback(exc: Exception, file: Path) -> None:
    """Print the traceback from the file's first line on, without what ran the file."""
    trace = exc.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename != str(file):
        trace = trace.tb_next
    traceback.print_exception(exc.with_traceback(trace))


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

    file = _python_file(path)
    root = import_root(file)
    sys.path.insert(0, str(root))
    if file.parent != root:
        sys.path.append(str(file.parent))
    sys.argv = [str(file)]
    threads.hold_single()
    tracing.importing = True
    try:
        return _import(file, module_name(file, root))
    except (Exception, SystemExit) as exc:
        raise CannotLoad(f"{path} cannot be imported: {_reason(exc, file)}.") from exc
    finally:
        tracing.importing = False


def _import(file: Path, name: str) -> ModuleType:
    if package := name.rpartition(".")[0]:
        importlib.import_module(package)
    if package and name in sys.modules:
        # The package imports it; a second copy would have other classes.
        module = sys.modules["__main__"] = sys.modules[name]
        return module
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise UsageError(f"{file} cannot be imported.", hint="Give the path of a .py file.")
    module = importlib.util.module_from_spec(spec)
    # The file stands in for the script: what a run keeps of the code is found from __main__.
    sys.modules[name] = sys.modules["__main__"] = module
    spec.loader.exec_module(module)
    return module


def _python_file(path: str) -> Path:
    file = Path(path).resolve()
    if not file.is_file() or file.suffix != ".py":
        raise UsageError(f"{path} is not a Python file.", hint="Give the path of a .py file with a @pipeline in it.")
    return file


def pick(module: ModuleType, name: str | None) -> Pipeline:
    """Return the pipeline called ``name``, or the only one; in a file with steps only, one with that step.

    Raises:
        UsageError: There is none, or a name is needed.
    """
    from stepwell.sdk.pipelines import Pipeline

    found = {value.name: value for value in vars(module).values() if isinstance(value, Pipeline)}
    if name not in found and (name is not None or not found):
        steps = _single_steps(module)
        found = {name: steps[name]} if name in steps else found or steps
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


def _single_steps(module: ModuleType) -> dict[str, Pipeline]:
    """Return a one-step pipeline for each step the file defines; a class of steps counts as one step."""
    from stepwell.sdk.single import SingleStepPipeline
    from stepwell.sdk.steps import BaseStep

    found: dict[str, Pipeline] = {}
    for value in vars(module).values():
        kind = value if isinstance(value, type) else type(value)
        if not issubclass(kind, BaseStep) or kind.__module__ != module.__name__ or kind is BaseStep:
            continue
        try:
            step = value() if isinstance(value, type) else value
        except TypeError:
            # It has no entrypoint, or wants arguments: no step by itself.
            continue
        found.setdefault(step.name, SingleStepPipeline(step))
    return found


def _reason(exc: BaseException, file: Path) -> str:
    """Return what went wrong, and the line of the user's own file it came from."""
    if isinstance(exc, SyntaxError):
        return f"{type(exc).__name__}: {exc.msg} (line {exc.lineno})"
    lines = [frame.lineno for frame in traceback.extract_tb(exc.__traceback__) if frame.filename == str(file)]
    where = f" (line {lines[-1]})" if lines else ""
    return f"{type(exc).__name__}: {one_line(str(exc))[:_LONGEST_MESSAGE]}{where}"
