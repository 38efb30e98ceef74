"""What a supervised step says: its output, its frames, what is masked, and where it is stored."""

from __future__ import annotations

from pathlib import Path

from stepwell.engine.logfile import LogReader
from stepwell.engine.stephost import StepHost
from stepwell.engine.supervise import Pace
from tests.engine.support import Attempt, Recorder


def test_log_flood_is_capped_and_the_true_last_line_stays(host: StepHost, tmp_path: Path) -> None:
    attempt = Attempt(host, tmp_path, cap_bytes=1_000_000, do="flood", blocks=80)

    outcome = attempt.run()

    reader = LogReader(attempt.path)
    files = [file for file in tmp_path.iterdir() if file.name.startswith("attempt.log")]
    assert outcome.status == "completed"
    assert reader.n_bytes > 20_000_000
    assert sum(file.stat().st_size for file in files) < 1_200_000
    assert reader.n_lines == 800_001
    assert reader.lines(reader.n_lines, 1)[0].text == "the very last line"


def test_secrets_are_masked_in_output_frames_and_errors(host: StepHost, tmp_path: Path) -> None:
    attempt = Attempt(host, tmp_path, secrets=("s3cr3t-word",), do="fails", secret="s3cr3t-word")

    outcome = attempt.run()

    assert outcome.status == "failed"
    assert outcome.error is not None
    assert (outcome.error.message, outcome.error.traceback) == ("no ***", "at ***")
    assert not outcome.error.retryable
    assert outcome.result["sha256"] == "s3cr3t-word"
    assert attempt.watcher.frames[0]["metadata"] == {"key": "***", "***": [1, "***"], "sha256": "***"}


def test_secret_written_byte_by_byte_is_masked(host: StepHost, tmp_path: Path) -> None:
    attempt = Attempt(host, tmp_path, secrets=("s3cr3t-word",), do="write_bytes", text="a s3cr3t-word b s3cr3t")

    attempt.run()

    assert attempt.text == "a *** b s3cr3t"


def test_answer_of_the_watcher_reaches_the_step(host: StepHost, tmp_path: Path) -> None:
    watcher = Recorder()
    watcher.reply = {"t": "answer", "value": 7}
    attempt = Attempt(host, tmp_path, watcher=watcher, do="asks")

    attempt.run()

    assert "answer {'t': 'answer', 'value': 7}" in attempt.text


def test_latest_progress_is_stored_before_the_result(host: StepHost, tmp_path: Path) -> None:
    attempt = Attempt(host, tmp_path, pace=Pace(beat=60), do="progress")

    attempt.run()

    assert attempt.watcher.progress == [{"done": 3, "total": 3}]
