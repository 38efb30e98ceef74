"""Ctrl-C in a script: asked about between two pieces of work, so that it tears none of them and is never lost."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Self


class CtrlC:
    """While entered, the first Ctrl-C is only noted; a second one raises ``KeyboardInterrupt`` wherever it falls.

    An exception out of a signal handler can come up anywhere: between the start of a transaction and the note of it,
    or in a destructor, where Python drops it. Outside the main thread, or where the script handles SIGINT itself,
    nothing is changed.
    """

    def __init__(self) -> None:
        self._presses = 0
        self._is_set = False

    def __enter__(self) -> Self:
        is_ours = threading.current_thread() is threading.main_thread()
        if is_ours and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._note)
            self._is_set = True
        return self

    def __exit__(self, *_: object) -> None:
        if self._is_set:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._presses += 1
        if self._presses > 1:
            raise KeyboardInterrupt

    @property
    def was_pressed(self) -> bool:
        """Whether Ctrl-C was pressed since this was entered."""
        return self._presses > 0
