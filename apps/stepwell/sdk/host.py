"""The step host: ``python -P -m stepwell.sdk.host`` imports the user's file once and forks a process per attempt."""

from __future__ import annotations

import argparse
import contextlib
import functools
import importlib
import importlib.util
import mmap
import os
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from stepwell.errors import UsageError
from stepwell.sdk import threads, zenmlalias

#: what the import printed is kept up to this size and goes to the first attempt's log
_PRINTED_BYTES = 1_048_576


def command(
    *,
    root: str | os.PathLike[str],
    entry: str | os.PathLike[str],
    search_path: Sequence[str] = (),
    is_quiet: bool = False,
) -> list[str]:
    """Return the command for ``StepHost.spawn``, which adds ``--fd N``.

    Args:
        root: folder that is put first on the import path.
        entry: the Python file to import, relative to ``root`` or absolute.
        search_path: more folders for user code to import from. Not in PYTHONPATH, which would put them before the
            standard library while we start; Stepwell's own folder has to be there when it is not installed.
        is_quiet: drop what the import prints, because the script that starts this host has printed it itself.
    """
    # -P: a file in the current folder must not stand in for a standard module while we start
    own = [sys.executable, "-P", "-m", "stepwell.sdk.host", "--root", os.fspath(root), "--entry", os.fspath(entry)]
    return [*own, *(word for folder in search_path for word in ("--path", folder)), *(["--quiet"] if is_quiet else [])]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the host until the other end of the control socket closes."""
    parser = argparse.ArgumentParser(prog="stepwell.sdk.host", description=__doc__)
    parser.add_argument("--fd", type=int, required=True, help="the control socket")
    parser.add_argument("--root", required=True, help="folder that is put first on the import path")
    parser.add_argument("--entry", required=True, help="the Python file to import")
    parser.add_argument("--path", action="append", default=[], help="one more folder to import from")
    parser.add_argument("--quiet", action="store_true", help="drop what the import prints")
    options = parser.parse_args(arguments)
    threads.hold_single()
    os.set_inheritable(options.fd, False)
    control = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, fileno=options.fd)
    child = _preload()
    zenmlalias.install()
    sys.path += [folder for folder in options.path if folder not in sys.path]
    loaded = load_entry(Path(options.root), Path(options.entry))
    if options.quiet:
        loaded.printed = b""
    serve(control, functools.partial(run_payload, loaded=loaded, child_main=child))


@dataclass(kw_only=True)
class Loaded:
    """The user's file after its import: a module, or the error that stopped it; and what it printed."""

    module: ModuleType | None = None
    error: BaseException | None = None
    printed: bytes = b""
    #: why the import ended early, after a pipeline call that did nothing
    cut_short: str = ""
    #: shared by all forks: 1 once somebody has printed what the import printed
    _told: mmap.mmap = field(default_factory=lambda: mmap.mmap(-1, 1))

    def take_printed(self) -> bytes:
        """Return what the import printed, to one caller only."""
        if self._told[0]:
            return b""
        self._told[0] = 1
        return self.printed


def run_payload(payload: dict[str, Any], frames: Any, *, loaded: Loaded, child_main: Callable[..., None]) -> None:
    """In a forked process: do what is asked, or report why the user's file could not be imported."""
    from stepwell.sdk import child

    with contextlib.suppress(OSError):
        os.write(2, loaded.take_printed())
    if loaded.error is not None:
        child.report_failure(payload, frames, exc=loaded.error)
        return
    child_main(payload, frames, entry=loaded.module, cut_short=loaded.cut_short)


def load_entry(root: Path, entry: Path) -> Loaded:
    """Import the user's file under the name its path below ``root`` gives. Never raises.

    Pipelines that it calls on the way are not run.
    """
    from stepwell.sdk import errorinfo, tracing

    root = Path(os.path.realpath(root))
    path = root / entry
    # a script in a package is its module, as `python -m` has it; elsewhere its stem
    inner = path.relative_to(root) if path.is_relative_to(root) else Path(path.name)
    name = ".".join(inner.with_suffix("").parts)
    sys.path.insert(0, str(root))
    if path.parent != root:
        # `python package/script.py` finds what lies beside the script; last, or it would hide modules of Python's own.
        sys.path.append(str(path.parent))
    sys.argv = [str(path)]
    loaded = Loaded()
    ignored = _Ignored()
    tracing.importing = ignored  # type: ignore[assignment]
    with _captured() as printed:
        try:
            loaded.module = _import(path, name)
        except BaseException as exc:  # user code; every attempt then reports it
            if ignored.calls:
                loaded.module = sys.modules.get(name)
                told = errorinfo.describe(exc)
                loaded.cut_short = f"{path.name} was read up to {told['where']}: {told['type']}: {told['message']}"
            else:
                loaded.error = exc
    loaded.printed = printed.read_last(_PRINTED_BYTES)
    tracing.importing = False
    return loaded


class _Ignored:
    """``tracing.importing`` while the file is imported; asked once per call of a pipeline or step, it counts them.

    What a script does after its first pipeline call often uses the run, which there is none of here. An error there
    says nothing about the pipelines above it.
    """

    calls = 0

    def __bool__(self) -> bool:
        self.calls += 1
        return True


def serve(control: socket.socket, child_main: Callable[..., None]) -> None:
    """Fork a process per launch until ``control`` closes."""
    from stepwell.engine import zygote

    zygote.serve(control, child_main)


def _preload() -> Callable[..., None]:
    # Before the user's folder is on the import path: a random.py in it is theirs, and must not become ours. And
    # before any fork: what is imported here is not imported again by each attempt.
    import asyncio
    import pickle

    import cloudpickle
    import pydantic

    from stepwell.core import plan
    from stepwell.engine import zygote
    from stepwell.sdk import child

    assert all((asyncio, pickle, cloudpickle, pydantic, plan, zygote))
    return child.child_main


def _import(path: Path, name: str) -> ModuleType:
    if name in sys.modules:
        raise UsageError(
            f"The file {path.name} has the name of a module that Python or Stepwell needs.", hint="Rename the file."
        )
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise UsageError(f"There is no Python file at {path}.")
    if package := name.rpartition(".")[0]:
        importlib.import_module(package)
        if (imported := sys.modules.get(name)) is not None:
            # The package imports it; a second copy would have other classes.
            return imported
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@dataclass(slots=True)
class _Printed:
    descriptor: int

    def read_last(self, limit: int) -> bytes:
        size = os.fstat(self.descriptor).st_size
        content = os.pread(self.descriptor, limit, max(0, size - limit))
        os.close(self.descriptor)
        return content


@contextlib.contextmanager
def _captured() -> Iterator[_Printed]:
    """Let everything written to descriptors 1 and 2 inside the block go to memory."""
    kept = [os.dup(descriptor) for descriptor in (1, 2)]
    memory = os.memfd_create("stepwell-import")
    for descriptor in (1, 2):
        os.dup2(memory, descriptor)
    with contextlib.suppress(AttributeError):
        sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    try:
        yield _Printed(memory)
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                stream.flush()
        for descriptor, old in zip((1, 2), kept, strict=True):
            os.dup2(old, descriptor)
            os.close(old)


if __name__ == "__main__":
    main()
