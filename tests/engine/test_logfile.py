from __future__ import annotations

import errno
import os
import random
import time
from pathlib import Path

import pytest

from stepwell.engine.logfile import LogReader, LogSpan, LogWriter


def write(path: Path, *chunks: bytes, cap_bytes: int = 1 << 26) -> LogWriter:
    writer = LogWriter(path, cap_bytes=cap_bytes)
    for chunk in chunks:
        writer.write(chunk)
        writer.flush()
    return writer


def texts(reader: LogReader, first: int = 1, count: int = 10**6) -> list[str]:
    return [line.text for line in reader.lines(first, count)]


def test_log_that_was_never_written_is_empty_and_leaves_no_files(tmp_path: Path) -> None:
    writer = LogWriter(tmp_path / "runs" / "a.log")
    writer.flush()
    writer.seal()
    reader = LogReader(tmp_path / "runs" / "a.log")

    assert (reader.n_bytes, reader.n_lines, reader.read(0, 10), reader.lines(1, 10)) == (0, 0, b"", [])
    assert reader.line_at(0) == 1
    assert list(tmp_path.iterdir()) == []


def test_reader_follows_a_growing_log(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    reader = LogReader(path)
    writer = write(path, b"one\ntwo")
    assert (reader.n_bytes, reader.n_lines, texts(reader)) == (7, 2, ["one", "two"])

    writer.write(b" and a half\nthree\n")
    assert reader.n_bytes == 7
    writer.flush()

    assert (reader.n_bytes, reader.n_lines) == (writer.n_bytes, writer.n_lines) == (25, 3)
    assert texts(reader) == ["one", "two and a half", "three"]
    assert reader.read(4, 8) == b"two and "
    writer.seal()


def test_lines_know_number_offset_time_and_level(tmp_path: Path) -> None:
    before = time.time()
    write(
        tmp_path / "a.log", b"x\n2026 ERROR bad\nUserWARNING\nINFO i\nDEBUG d\nTraceback (most recent", b" call)"
    ).seal()

    lines = LogReader(tmp_path / "a.log").lines(2, 10)

    assert [(line.number, line.offset) for line in lines[:2]] == [(2, 2), (3, 17)]
    assert [line.level for line in lines] == ["error", "warning", "info", "debug", "error"]
    assert all(line.at is not None and before <= line.at <= time.time() for line in lines)


def test_any_line_of_a_long_log_is_found_by_number_offset_and_level(tmp_path: Path) -> None:
    wanted = b"".join(b"line %d%s\n" % (n, b" ERROR" if n % 7000 == 6999 else b"") for n in range(1, 20_001))
    chance = random.Random(5)
    writer = LogWriter(tmp_path / "a.log")
    position = 0
    while position < len(wanted):
        size = chance.randint(1, 9000)
        writer.write(wanted[position : position + size])
        writer.flush()
        position += size
    reader = LogReader(tmp_path / "a.log")

    assert reader.n_lines == writer.n_lines == 20_000
    for number in (1, 2, 256, 257, 512, 12_345, 20_000):
        (line,) = reader.lines(number, 1)
        assert line.text.split()[:2] == ["line", str(number)]
        assert reader.line_at(line.offset) == reader.line_at(line.offset + 3) == number
    after = 0
    found = []
    while line := reader.next_line("error", after=after):
        found.append(after := line.number)
    assert found == [6999, 13_999]
    writer.seal()


def test_line_in_the_middle_is_read_without_reading_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "a.log", b"".join(b"line %d\n" % n for n in range(1, 200_001))).seal()
    reader = LogReader(tmp_path / "a.log")
    asked: list[int] = []
    whole = LogReader.span

    def counted(self: LogReader, offset: int, limit: int) -> LogSpan:
        span = whole(self, offset, limit)
        asked.append(len(span.content))
        return span

    monkeypatch.setattr(LogReader, "span", counted)

    assert texts(reader, 150_000, 1) == ["line 150000"]
    assert sum(asked) <= 64 * 1024


def test_long_line_counts_as_several(tmp_path: Path) -> None:
    writer = write(tmp_path / "a.log", b"a" * 40_000, b"a" * 10_000, b"\nnext\n")
    reader = LogReader(tmp_path / "a.log")

    assert [len(text) for text in texts(reader)] == [16384, 16384, 16384, 50_000 - 3 * 16384, 4]
    assert reader.n_lines == writer.n_lines == 5
    writer.seal()


def test_hostile_bytes_are_kept_raw_and_shown_safely(tmp_path: Path) -> None:
    raw = b"nul \0 bad \xff\xfe half \xc3\r\nbar 1\rbar 2\n"
    write(tmp_path / "a.log", raw).seal()
    reader = LogReader(tmp_path / "a.log")

    assert reader.read(0, 100) == raw
    assert texts(reader) == ["nul \ufffd bad \ufffd\ufffd half \ufffd", "bar 1\rbar 2"]


def test_note_starts_on_a_line_of_its_own(tmp_path: Path) -> None:
    writer = write(tmp_path / "a.log", b"no end")
    writer.note("attempt 2 ended:\nkilled")
    writer.note("again")
    writer.seal()

    assert texts(LogReader(tmp_path / "a.log")) == [
        "no end",
        "[stepwell] attempt 2 ended: killed",
        "[stepwell] again",
    ]


def test_cap_keeps_the_start_and_the_end_and_counts_what_is_between(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    wanted = b"".join(b"line %d\n" % n for n in range(1, 50_001))
    live = LogReader(path)
    writer = LogWriter(path, cap_bytes=80_000)
    for start in range(0, len(wanted), 3000):
        writer.write(wanted[start : start + 3000])
        writer.flush()
        assert live.n_bytes == writer.n_bytes
    writer.seal()
    reader = LogReader(path)

    head = reader.span(0, 1 << 30)
    gap = reader.span(head.end, 10)
    tail, position = b"", gap.end
    while (span := reader.span(position, 999)).content:
        tail, position = tail + span.content, span.end

    assert head.content == wanted[:20_000]
    assert gap.is_gap
    assert gap.end - gap.start == reader.dropped_bytes == live.dropped_bytes == writer.dropped_bytes
    assert f"{reader.dropped_bytes:,} bytes dropped here".encode() in gap.content
    assert wanted[gap.end :] == tail
    assert len(tail) >= 50_000
    assert sum(file.stat().st_size for file in tmp_path.iterdir() if file.suffix not in (".blocks", ".times")) < 80_100
    assert (reader.n_lines, live.n_lines) == (50_000, 50_000)
    for number in (1, 2000, 49_000, 50_000):
        assert texts(reader, number, 1) == [f"line {number}"]
    (marker,) = (line for line in reader.lines(1, 10**6) if "dropped here" in line.text)
    assert marker.offset == 20_000


def test_reader_of_a_log_that_rolls_on_meanwhile_still_gets_true_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    writer = write(path, b"x" * 79_000, cap_bytes=80_000)
    reader = LogReader(path)
    assert reader.span(30_000, 10).content == b"x" * 10

    for _ in range(30):
        writer.write(b"y" * 10_000)
        writer.flush()

    assert reader.span(30_000, 10).is_gap
    assert reader.read(reader.n_bytes - 5, 10) == b"y" * 5
    writer.seal()


@pytest.mark.parametrize("cap_bytes", [1 << 20, 40_000])
def test_second_writer_goes_on_where_the_first_was_killed(tmp_path: Path, cap_bytes: int) -> None:
    path = tmp_path / "a.log"
    write(path, b"".join(b"line %d\n" % n for n in range(1, 7001)), b"line 70", cap_bytes=cap_bytes)
    # A kill in the middle of a write leaves a torn record.
    index = path.with_name("a.log.blocks")
    os.truncate(index, index.stat().st_size - 5)

    writer = write(path, b"01\nline 7002\n", cap_bytes=20_000)
    writer.seal()

    reader = LogReader(path)
    assert texts(reader, 7000, 10) == ["line 7000", "line 7001", "line 7002"]
    assert reader.n_lines == writer.n_lines == 7002
    assert reader.n_bytes == writer.n_bytes


def test_full_disk_loses_bytes_but_never_raises_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.log"
    writer = write(path, b"kept\n")
    real = os.write

    def full(descriptor: int, content: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    writer.write(b"lost\n")
    writer.flush()
    monkeypatch.setattr(os, "write", real)
    writer.write(b"kept again\n")
    writer.seal()

    assert texts(LogReader(path)) == [
        "kept",
        "[stepwell] ERROR 5 bytes could not be stored here: No space left on device",
        "kept again",
    ]
    assert writer.lost_bytes == 5
