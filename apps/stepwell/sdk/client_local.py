"""Asking the store of this machine: from a script directly, from a step process over its line."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from stepwell.errors import UsageError
from stepwell.sdk import calls, tracing

if TYPE_CHECKING:
    from contextlib import AbstractContextManager


class Transport(Protocol):
    """One of the ways a ``Client`` reaches Stepwell."""

    def ask(self, operation: str, /, **arguments: Any) -> Any: ...

    def open_files(self, version: Mapping[str, Any], /) -> AbstractContextManager[Path]:
        """Give the folder of an artifact version, checked against its size and hash."""

    def upload(self, fill: Callable[[Path], Any], /) -> tuple[str, Any]:
        """Let ``fill`` write files into a folder; return what they were uploaded under, and what it returned."""


class StoreTransport:
    """The files are on this machine; ``ask`` is the function or the line that answers."""

    def ask(self, operation: str, /, **arguments: Any) -> Any:
        if calls.has_line():
            return calls.ask(operation, **arguments)
        if tracing.importing:
            raise UsageError(
                "Stepwell cannot be asked while the file is imported.",
                hint='Ask in a step, in a pipeline\'s body, or below if __name__ == "__main__".',
            )
        # By name: the server stands above the SDK.
        return importlib.import_module("stepwell.conf.local").ask(operation, arguments)

    @contextmanager
    def open_files(self, version: Mapping[str, Any], /) -> Iterator[Path]:
        yield self._store().verify(version["uri"], size=version["size"], sha256=version["sha256"])

    def upload(self, fill: Callable[[Path], Any], /) -> tuple[str, Any]:
        draft = self._store().begin()
        try:
            filled = fill(draft.folder("content"))
        except BaseException:
            draft.discard()
            raise
        return draft.path.name, filled

    def _store(self) -> Any:
        from stepwell.sdk.artifactstore import ArtifactStore

        return ArtifactStore(self.ask("artifact.root")["root"])
