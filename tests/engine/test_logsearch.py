from __future__ import annotations

import random
import re
from pathlib import Path

import pytest

from stepwell.engine.logfile import LogReader, LogWriter
from stepwell.engine.logpieces import pieces
from stepwell.engine.logsearch import LogQuery, find

WORDS = ["loss", "Needle", "needle", "INFO", "ERROR", "ß", "\x1b[31mnee\x1b[0mdle", "x" * 400, "[stepwell] note"]


def made(path: Path, seed: int, *, cap_bytes: int = 1 << 26) -> LogReader:
    chance = random.Random(seed)
    writer = LogWriter(path, cap_bytes=cap_bytes)
    for _ in range(40):
        rows = [" ".join(chance.choices(WORDS, k=chance.randint(0, 4))) for _ in range(chance.randint(1, 90))]
        if chance.random() < 0.1:
            rows.append("long " * 9000 + "needle")
        writer.write(("\n".join(rows) + chance.choice(["\n", "", "\r\n"])).encode())
        writer.flush()
    writer.seal()
    return LogReader(path)


def found(reader: LogReader, query: LogQuery, first: int = 1) -> list[int]:
    return [piece.number + index for piece, indexes in find(reader, query, first=first) for index in indexes]


def expected(reader: LogReader, query: LogQuery, first: int = 1) -> list[int]:
    numbers = []
    for line in reader.lines(first, 10**6):
        text = re.sub(r"\x1b\[[0-9]*m", "", line.text)
        has_text = query.text in text if query.is_exact else query.text.casefold() in text.casefold()
        if query.is_pattern:
            has_text = bool(re.search(query.text, text, 0 if query.is_exact else re.IGNORECASE))
        source = "stepwell" if line.text.startswith("[stepwell] ") else "step"
        if has_text and (not query.levels or line.level in query.levels) and query.source in {"", source}:
            numbers.append(line.number)
    return numbers


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(
    "query",
    [
        LogQuery(text="needle"),
        LogQuery(text="needle", is_exact=True),
        LogQuery(text="LOSS"),
        LogQuery(text="ß"),
        LogQuery(text=r"n.edle$", is_pattern=True),
        LogQuery(text=r"^Nee", is_pattern=True, is_exact=True),
        LogQuery(levels=("error",)),
        LogQuery(levels=("info", "error"), text="loss"),
        LogQuery(source="stepwell"),
        LogQuery(source="step", text="needle"),
    ],
)
def test_search_finds_what_looking_at_every_line_finds(tmp_path: Path, seed: int, query: LogQuery) -> None:
    reader = made(tmp_path / "a.log", seed)
    assert found(reader, query) == expected(reader, query)
    assert found(reader, query, 700) == expected(reader, query, 700)


def test_pieces_are_the_whole_log_and_know_their_lines(tmp_path: Path) -> None:
    reader = made(tmp_path / "a.log", 9)

    parts = list(pieces(reader))

    assert b"".join(part.text for part in parts) == reader.span(0, 1 << 30).content
    number = 1
    for part in parts:
        assert part.number == number
        assert part.n_lines == len(part.ends)
        number += part.n_lines
    assert number == reader.n_lines + 1


def test_search_of_a_log_whose_middle_was_dropped_names_true_lines(tmp_path: Path) -> None:
    writer = LogWriter(tmp_path / "a.log", cap_bytes=80_000)
    for start in range(1, 50_001, 250):
        writer.write(
            b"".join(b"line %d%s\n" % (n, b" needle" if n % 500 == 0 else b"") for n in range(start, start + 250))
        )
        writer.flush()
    writer.seal()
    reader = LogReader(tmp_path / "a.log")

    numbers = found(reader, LogQuery(text="needle"))

    gap, behind = reader.gap_lines() or (0, 0)
    assert numbers[-1] == 50_000
    assert numbers[0] == 500
    assert numbers == [n for n in range(500, 50_001, 500) if n < gap or n >= behind]
    shown = [(line.number, line.text) for line in reader.lines(behind, 5)]
    assert [text for number, text in shown if number == gap] == [f"… {reader.dropped_bytes:,} bytes dropped here …"]
    assert all(text.startswith(f"line {number}") for number, text in shown if number > behind)
    assert reader.lines(gap, 1)[0].text == shown[0][1]


def test_levels_are_counted_as_the_log_is_written(tmp_path: Path) -> None:
    writer = LogWriter(tmp_path / "a.log")
    for n in range(1, 3001):
        word = "ERROR" if n % 100 == 0 else "WARNING" if n % 10 == 0 else "INFO" if n % 2 else "plain"
        writer.write(b"%s %d\n" % (word.encode(), n))
        if n % 37 == 0:
            writer.flush()
    writer.write(b"ValueError: shapes differ\nthis is no ValueError: x\n")
    writer.seal()
    reader = LogReader(tmp_path / "a.log")

    assert reader.level_counts() == {"error": 31, "warning": 270, "info": 1500, "debug": 0}
    last = reader.last_line("error")
    assert last is not None
    assert last.text == "ValueError: shapes differ"


def test_levels_of_a_log_written_before_they_were_counted_are_counted_on_reading(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    writer = LogWriter(path)
    writer.write(b"".join(b"%s %d\n" % (b"ERROR" if n % 10 == 0 else b"x", n) for n in range(1, 601)))
    writer.seal()
    index = path.with_name("a.log.blocks")
    old = bytearray(index.read_bytes())
    for start in range(8, len(old), 16):
        old[start : start + 8] = (old[start] & 0xF).to_bytes(8, "little")
    index.write_bytes(old)
    reader = LogReader(path)

    assert reader.level_counts()["error"] == 60
    assert len(found(reader, LogQuery(levels=("error",)))) == 60
