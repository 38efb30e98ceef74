"""Where the boxes of a graph stand: in columns from left to right, each after all it waits for, with few crossings."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

#: of one box, and from one box to the next, in pixels
BOX_WIDTH = 184
BOX_HEIGHT = 40
COLUMN = 236
ROW = 56
#: what an edge takes that passes by a column
_LANE = 20
_SWEEPS = 6
#: with more edges that pass columns by, they go straight
_MOST_LANES = 3000


@dataclass(frozen=True, slots=True)
class Drawing:
    """``boxes``: id -> upper left corner. ``paths``: for each edge that is drawn, (from, to, its corner points)."""

    boxes: dict[str, tuple[float, float]]
    paths: list[tuple[str, str, tuple[tuple[float, float], ...]]]
    width: float
    height: float


@lru_cache(maxsize=64)
def lay_out(boxes: tuple[str, ...], edges: tuple[tuple[str, str], ...]) -> Drawing:
    """Return where ``boxes`` stand. An edge that would close a circle is left out."""
    column = _columns(boxes, edges)
    kept = [(up, down) for up, down in edges if column[up] < column[down]]
    chains = _chains(kept, column)
    order = _ordered(boxes, chains, column)
    y = _heights(order, chains)
    lowest = min(y.values(), default=0.0)
    places = {box: (column[box] * COLUMN + 1.0, y[box] - lowest + 1.0) for box in boxes}
    paths = []
    for (up, down), chain in chains.items():
        lanes = [(column_of * COLUMN + 1.0, y[item] - lowest + BOX_HEIGHT / 2 + 1) for item, column_of in chain[1:-1]]
        paths.append((up, down, _points(places[up], lanes, places[down])))
    width = max((x for x, _ in places.values()), default=0.0) + BOX_WIDTH + 1
    height = max((top for _, top in places.values()), default=0.0) + BOX_HEIGHT + 1
    return Drawing(places, paths, width, max([height, *(p[1] for _, _, points in paths for p in points)]))


def _columns(boxes: Sequence[str], edges: Sequence[tuple[str, str]]) -> dict[str, int]:
    """Return the longest way to each box; what waits in a circle begins after what was reached."""
    below: dict[str, list[str]] = defaultdict(list)
    open_count = dict.fromkeys(boxes, 0)
    for up, down in edges:
        below[up].append(down)
        open_count[down] += 1
    column = dict.fromkeys(boxes, 0)
    done: set[str] = set()
    ready = deque(box for box in boxes if not open_count[box])
    while len(done) < len(column):
        if not ready:
            ready.append(next(box for box in boxes if box not in done))
        box = ready.popleft()
        if box in done:
            continue
        done.add(box)
        for other in below[box]:
            if other in done:
                continue
            column[other] = max(column[other], column[box] + 1)
            open_count[other] -= 1
            if open_count[other] == 0:
                ready.append(other)
    return column


_Chain = list[tuple[str, int]]


def _chains(edges: Sequence[tuple[str, str]], column: dict[str, int]) -> dict[tuple[str, str], _Chain]:
    """Return each edge as what it passes, a lane in every column between, each with its column."""
    has_lanes = sum(column[down] - column[up] - 1 for up, down in edges) <= _MOST_LANES
    chains = {}
    for up, down in edges:
        between = range(column[up] + 1, column[down]) if has_lanes else ()
        lanes = [(f"{up}\0{down}\0{place}", place) for place in between]
        chains[up, down] = [(up, column[up]), *lanes, (down, column[down])]
    return chains


def _ordered(boxes: Sequence[str], chains: dict[tuple[str, str], _Chain], column: dict[str, int]) -> list[list[str]]:
    """Return the items of each column from top to bottom, near to the middle of what they are joined to."""
    rows: list[list[str]] = [[] for _ in range(max(column.values(), default=-1) + 1)]
    for box in boxes:
        rows[column[box]].append(box)
    above, below = _neighbours(chains)
    for chain in chains.values():
        for lane, place in chain[1:-1]:
            rows[place].append(lane)
    place_of = {item: index for row in rows for index, item in enumerate(row)}
    for sweep in range(_SWEEPS):
        joined = above if sweep % 2 == 0 else below
        for row in rows if sweep % 2 == 0 else reversed(rows):
            row.sort(key=lambda item, joined=joined: _middle(joined[item], place_of, place_of[item]))  # type: ignore[misc]
            place_of.update({item: index for index, item in enumerate(row)})
    return rows


def _neighbours(
    chains: dict[tuple[str, str], _Chain],
) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    above: dict[str, list[str]] = defaultdict(list)
    below: dict[str, list[str]] = defaultdict(list)
    for chain in chains.values():
        for (left, _), (right, _) in pairwise(chain):
            below[left].append(right)
            above[right].append(left)
    return above, below


def _middle(joined: list[str], place_of: dict[str, float] | dict[str, int], otherwise: float) -> float:
    return sum(place_of[item] for item in joined) / len(joined) if joined else otherwise


def _heights(rows: list[list[str]], chains: dict[tuple[str, str], _Chain]) -> dict[str, float]:
    """Return the top of each item: as near to its neighbours' middle as the order and the room allow."""
    above, below = _neighbours(chains)
    y: dict[str, float] = {}
    for row in rows:
        top = 0.0
        for item in row:
            y[item] = top
            top += _room(item)
    for joined in (above, below, above):
        for row in rows if joined is above else reversed(rows):
            wanted = [_middle(joined[item], y, y[item]) for item in row]
            y.update(zip(row, _spread(row, wanted), strict=True))
    return y


def _spread(row: list[str], wanted: list[float]) -> list[float]:
    """Return tops near to ``wanted`` that keep the order and do not overlap: pushed down, then shifted back."""
    tops: list[float] = []
    for index, want in enumerate(wanted):
        tops.append(max(want, tops[-1] + _room(row[index - 1])) if tops else want)
    shift = sum(want - top for want, top in zip(wanted, tops, strict=True)) / len(row) if row else 0.0
    return [top + shift for top in tops]


def _room(item: str) -> float:
    return _LANE if "\0" in item else ROW


def _points(
    start: tuple[float, float], lanes: list[tuple[float, float]], end: tuple[float, float]
) -> tuple[tuple[float, float], ...]:
    middle = BOX_HEIGHT / 2
    passed = [point for x, y in lanes for point in ((x, y), (x + BOX_WIDTH, y))]
    return (start[0] + BOX_WIDTH, start[1] + middle), *passed, (end[0], end[1] + middle)
