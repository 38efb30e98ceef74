from __future__ import annotations

from pathlib import Path

from stepwell.engine.logfile import LogReader, LogWriter
from stepwell.engine.logmarks import find_folds

FRAMES = "".join(f'  File "deep.py", line {n}, in f\n    f()\n' for n in range(60))


def folds(path: Path, text: str, *, pieces: int = 7, error_line: int = 0) -> list[tuple[str, int, int, int, bool]]:
    writer = LogWriter(path)
    content = text.encode()
    for start in range(0, len(content), pieces):
        writer.write(content[start : start + pieces])
        writer.flush()
    writer.seal()
    reader = LogReader(path)
    found = find_folds(reader.marks(), n_lines=reader.n_lines, error_line=error_line)
    return [(fold.kind, fold.header, fold.first, fold.last, fold.is_open) for fold in found]


def test_groups_reach_to_the_next_one_and_the_last_is_open_when_none_is(tmp_path: Path) -> None:
    assert folds(tmp_path / "a", "x\n--- one\na\nb\n~~~ two\nc\n") == [
        ("group", 2, 3, 4, False),
        ("group", 5, 6, 6, True),
    ]


def test_the_group_with_the_failure_is_the_open_one(tmp_path: Path) -> None:
    text = "".join(f"--- step {n}\n" + "work\n" * 3 for n in range(20))

    found = folds(tmp_path / "a", text, error_line=16 * 4 + 3)

    assert [header for _, header, _, _, is_open in found if is_open] == [16 * 4 + 1]
    assert len(found) == 20


def test_marks_that_open_and_github_groups(tmp_path: Path) -> None:
    found = folds(tmp_path / "a", "--- one\na\n^^^ +++\n--- two\nb\n+++ three\nc\n::group::four\nd\n::endgroup::\ne\n")

    assert [(header, first, last, is_open) for _, header, first, last, is_open in found] == [
        (1, 2, 3, True),
        (4, 5, 5, False),
        (6, 7, 7, True),
        (8, 9, 9, False),
    ]


def test_a_traceback_folds_to_its_last_frame(tmp_path: Path) -> None:
    text = f"before\nTraceback (most recent call last):\n{FRAMES}ValueError: shapes\nafter\n"

    assert folds(tmp_path / "a", text) == [("traceback", 2, 3, 2 + 118, False)]
    assert folds(tmp_path / "b", text, pieces=100_000) == [("traceback", 2, 3, 2 + 118, False)]


def test_a_diff_is_no_group_and_a_short_traceback_stays(tmp_path: Path) -> None:
    diff = "--- a/train.py\n+++ b/train.py\n@@ -1 +1 @@\n"
    short = 'Traceback (most recent call last):\n  File "a.py", line 1, in f\n    f()\nValueError: x\n'

    assert folds(tmp_path / "a", diff + short) == []


def test_a_writer_that_takes_over_marks_nothing_twice(tmp_path: Path) -> None:
    path = tmp_path / "a"
    writer = LogWriter(path)
    writer.write(b"x\n" * 300 + b"--- one\n" + b"y\n" * 10 + b"--- two\nz\n")
    writer.flush()
    again = LogWriter(path)
    again.write(b"more\n--- three\nw\n")
    again.seal()

    assert [mark.line for mark in LogReader(path).marks()] == [301, 312, 315]
