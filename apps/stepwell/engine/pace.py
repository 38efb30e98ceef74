"""How often a supervisor does things, and how long it waits."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How often and how long, in seconds."""

    beat: float = 5.0
    #: how long a stored beat holds the attempt for us
    lease: float = 30.0
    #: between TERM and KILL
    grace: float = 10.0
    #: for each hook after the result
    hook: float = 10.0
    #: for the step host to start the process, its imports included
    start: float = 900.0

    @property
    def fence(self) -> float:
        """How long without a stored beat until we stop the step ourselves: the lease may soon be another's."""
        return max(self.lease - 5.0, self.lease * 0.8)

    @property
    def hold(self) -> float:
        """The same as the step host keeps it, for a supervisor that is stuck or stopped itself: a little longer."""
        return (self.fence + self.lease) / 2
