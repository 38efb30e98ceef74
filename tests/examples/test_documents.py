"""The first programs of the README and the tutorial, changed by a parameter and run twice; tests/docs runs all."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.commands import ROOT, Instance, told

PROGRAM = re.compile(r"```python\n# (\w+\.py)\n(.*?)```", re.DOTALL)
DOCUMENTS = ["README.md", "docs/tutorial.md"]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_program_of_the_document_runs(document: str, tmp_path: Path) -> None:
    instance = Instance(folder=tmp_path)
    name, text = PROGRAM.findall((ROOT / document).read_text(encoding="utf-8"))[0]
    (tmp_path / name).write_text(text, encoding="utf-8")

    script = instance.python(name)
    changed = instance.stepwell("run", name, "--param", "size=500")

    assert script.returncode == 0, told(script)
    assert "100 values" in script.stdout
    assert changed.returncode == 0, told(changed)
    assert "500 values" in changed.stdout
    assert [run["status"] for run in instance.runs()] == ["completed", "completed"]


def test_second_run_of_the_tutorial_is_cached_and_its_log_can_be_read(tmp_path: Path) -> None:
    instance = Instance(folder=tmp_path)
    name, text = PROGRAM.findall((ROOT / "docs/tutorial.md").read_text(encoding="utf-8"))[0]
    (tmp_path / name).write_text(text, encoding="utf-8")

    first, second = instance.python(name), instance.python(name)

    assert "100 values" in first.stdout
    assert second.returncode == 0, told(second)
    assert "100 values" not in second.stdout
    assert "100 values" in instance.stepwell("logs", "1", "mean").stdout
    assert "cached" in instance.stepwell("runs", "show", "2").stdout
