"""The graph of steps: the order they can run in, and what keeps them from having one."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping

from stepwell.core.near import close_matches
from stepwell.errors import GraphError


def order(steps: Mapping[str, Iterable[str]]) -> list[str]:
    """Return the ids so that each comes after those it waits for; otherwise in the order given.

    Raises:
        GraphError: A step waits for one that does not exist, or for itself by way of others; carries the path.
    """
    waits_for = {step: list(dict.fromkeys(upstream)) for step, upstream in steps.items()}
    downstream: dict[str, list[str]] = {step: [] for step in waits_for}
    for step, upstream in waits_for.items():
        for name in upstream:
            if name not in waits_for:
                raise _unknown(step, name, waits_for)
            downstream[name].append(step)
    open_count = {step: len(upstream) for step, upstream in waits_for.items()}
    ready = deque(step for step, count in open_count.items() if count == 0)
    done: list[str] = []
    while ready:
        step = ready.popleft()
        done.append(step)
        for below in downstream[step]:
            open_count[below] -= 1
            if open_count[below] == 0:
                ready.append(below)
    if len(done) < len(waits_for):
        raise _cycle({step: waits_for[step] for step in waits_for.keys() - set(done)})
    return done


def _unknown(step: str, name: str, known: Mapping[str, object]) -> GraphError:
    near = close_matches(name, known)
    hint = f"Did you mean {near[0]}?" if near else f"The steps are: {', '.join(known)}."
    return GraphError(f"Step {step} waits for {name}, which this pipeline does not have.", hint=hint)


def _cycle(stuck: Mapping[str, list[str]]) -> GraphError:
    # Every stuck step waits for a stuck step, so walking upstream must come back to a step already seen.
    path = [min(stuck)]
    while True:
        above = next(name for name in stuck[path[-1]] if name in stuck)
        if above in path:
            loop = [above, *reversed(path[path.index(above) :])]
            break
        path.append(above)
    return GraphError(
        f"The steps wait for each other in a circle: {' → '.join(loop)}.",
        hint="Remove one of the after= arguments.",
        path=loop,
    )
