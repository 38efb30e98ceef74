"""Where a step of a dynamic pipeline runs."""

from __future__ import annotations

from enum import StrEnum


class StepRuntime(StrEnum):
    #: in the process of the pipeline's body
    INLINE = "inline"
    #: in a process of its own
    ISOLATED = "isolated"
