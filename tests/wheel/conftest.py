"""The wheel, built once and installed once into a clean environment."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from tests.commands import ROOT, told


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    done = subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, told(done)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the Python of an environment that has the wheel and what it depends on, nothing of the checkout.

    Without a network the dependencies are lent by the environment the tests run in.
    """
    folder = tmp_path_factory.mktemp("clean") / "venv"
    venv.create(folder)
    python = folder / "bin/python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-compile"]
    whole = subprocess.run(
        [*pip, "--disable-pip-version-check", "--retries", "1", str(wheel)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if whole.returncode:
        subprocess.run([*pip, "--no-deps", str(wheel)], capture_output=True, timeout=60, check=True)
        site = next(folder.glob("lib/python*/site-packages"))
        (site / "lent.pth").write_text(f"{sysconfig.get_path('purelib')}\n", encoding="utf-8")
    return python
