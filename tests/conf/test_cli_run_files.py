"""``stepwell run`` with configuration files, and with files that have a main block of their own."""

from __future__ import annotations

import pytest

from tests.commands import Instance, told

SOURCE = """
import argparse
import sys

from stepwell import get_step_context, pipeline, step


@step
def work(rows: int, rate: float = 0.1) -> float:
    print("run", get_step_context().pipeline_run.name, "rows", rows, "rate", rate)
    return rows * rate


@pipeline
def tiny(rows: int = 3):
    work(rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1)
    tiny(rows=parser.parse_args().rows)
    print("main block done", __file__ == sys.argv[0])
    sys.exit(5)
"""


@pytest.fixture
def instance(tmp_path):
    (tmp_path / "tiny.py").write_text(SOURCE)
    (tmp_path / "tiny.yaml").write_text("run_name: named\nodd: 1\nsteps: {work: {parameters: {rate: 0.5}}}\n")
    return Instance(folder=tmp_path)


def test_a_configuration_file_and_its_warnings(instance):
    done = instance.stepwell("run", "tiny.py", "--config", "tiny.yaml", "-p", "rows=2")

    assert done.returncode == 0, told(done)
    assert "run named rows 2 rate 0.5" in done.stdout
    assert "Warning: tiny.yaml, line 2: odd is no option." in done.stderr


def test_a_run_name_is_used_once_and_default_names_never_collide(instance):
    (instance.folder / "taken.yaml").write_text("run_name: tiny-3\n")
    first = instance.stepwell("run", "tiny.py", "--config", "tiny.yaml")
    again = instance.stepwell("run", "tiny.py", "--config", "tiny.yaml")
    instance.stepwell("run", "tiny.py", "--config", "taken.yaml")
    instance.stepwell("run", "tiny.py")

    assert first.returncode == 0, told(first)
    assert again.returncode == 1
    assert "stepwell: The run name “named” is taken by run #1." in again.stderr
    assert [run["name"] for run in instance.runs()] == ["tiny-3-2", "tiny-3", "named"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--config", "tiny.yaml", "--strict"], "stepwell: tiny.yaml, line 2: odd is no option."),
        (["--config", "nowhere.yaml"], "stepwell: There is no file nowhere.yaml."),
        (["--strict"], "stepwell: --strict is for a configuration file, and there is none."),
        (["--config", "taken.yaml", "-p", "rows=2"], "the parameter rows is 1 in taken.yaml and 2 in the call."),
    ],
)
def test_what_is_wrong_with_a_configuration_is_said_before_anything_runs(instance, words, said):
    (instance.folder / "taken.yaml").write_text("parameters: {rows: 1}\n")
    done = instance.stepwell("run", "tiny.py", *words)

    assert done.returncode == 2, told(done)
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert instance.runs() == []


def test_a_main_block_runs_when_it_is_asked_for_with_its_own_arguments(instance):
    done = instance.stepwell("run", "tiny.py", "--main", "--rows", "9")

    assert done.returncode == 5, told(done)
    assert "rows 9 rate 0.1" in done.stdout
    assert "main block done True" in done.stdout


def test_a_main_block_that_raises_is_told_by_its_own_lines(instance):
    (instance.folder / "tiny.py").write_text("def f():\n    return 1 / 0\n\nf()\n")
    done = instance.stepwell("run", "tiny.py", "--main")

    assert done.returncode == 1
    assert "stepwell: tiny.py stopped: ZeroDivisionError: division by zero (line 2)." in done.stderr
    assert "cli_run" not in done.stderr


def test_a_failed_run_of_a_main_block_is_said_in_one_line(instance):
    broken = SOURCE.replace("return rows * rate", "raise ValueError('told to fail')")
    (instance.folder / "tiny.py").write_text(broken)
    done = instance.stepwell("run", "tiny.py", "--main")

    assert done.returncode == 1, told(done)
    assert "stepwell: run 1 did not complete. ValueError: told to fail" in done.stderr


def test_a_zenml_script_that_only_stores_a_schedule_runs_nothing(instance):
    (instance.folder / "nightly.py").write_text(
        "from zenml import pipeline, step\nfrom zenml.config.schedule import Schedule\n\n\n"
        "@step\ndef work() -> int:\n    return 1\n\n\n@pipeline\ndef nightly():\n    work()\n\n\n"
        "if __name__ == '__main__':\n    nightly.with_options(schedule=Schedule(cron_expression='0 3 * * *'))()\n"
    )
    done = instance.stepwell("run", "nightly.py")

    assert done.returncode == 0, told(done)
    assert "Schedule nightly-schedule of nightly is stored." in done.stdout + done.stderr
    assert instance.runs() == []
