from __future__ import annotations

import random
from pathlib import Path

import pytest

from stepwell.engine import logindex
from stepwell.engine.logfile import LogWriter
from stepwell.engine.logmerge import MergedLogs


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Four logs written in turns, with one clock; the last one is empty."""
    chance = random.Random(3)
    now = [1000.0]
    monkeypatch.setattr(logindex.time, "time", lambda: now[0])
    paths = [tmp_path / f"{index}.log" for index in range(4)]
    writers = [LogWriter(path) for path in paths[:3]]
    for turn in range(300):
        now[0] += chance.choice([0.0, 0.1, 0.5])
        writer = chance.choice(writers)
        writer.write(b"".join(b"turn %d.%d\n" % (turn, n) for n in range(chance.randint(1, 9))))
        writer.flush()
    for writer in writers:
        writer.seal()
    return paths


def test_lines_of_several_logs_come_in_the_order_they_were_stored(paths: list[Path]) -> None:
    lines = MergedLogs(paths).after(None, 10_000)

    assert len(lines) == sum(path.read_bytes().count(b"\n") for path in paths[:3])
    assert [line.place for line in lines] == sorted(line.place for line in lines)
    for log in range(3):
        numbers = [line.line.number for line in lines if line.log == log]
        assert numbers == list(range(1, len(numbers) + 1))


def test_windows_forwards_and_backwards_are_parts_of_the_whole(paths: list[Path]) -> None:
    whole = MergedLogs(paths).after(None, 10_000)

    for start in range(0, len(whole), 37):
        place = whole[start].place
        assert MergedLogs(paths).after(place, 50) == whole[start : start + 50]
        assert MergedLogs(paths).before(place, 50) == whole[max(0, start - 50) : start]
    assert MergedLogs(paths).before(None, 20) == whole[-20:]
    assert MergedLogs([]).before(None, 20) == []
