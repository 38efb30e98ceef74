"""The reference pages say what the code says."""

from __future__ import annotations

import re
from pathlib import Path

import stepwell
from tests.commands import ROOT, Instance, told

REFERENCE = ROOT / "docs/reference"


def test_reference_is_what_make_docs_writes(tmp_path: Path) -> None:
    done = Instance(folder=tmp_path).python(ROOT / "docs/make_reference.py", "--check")

    assert done.returncode == 0, told(done)


def test_reference_describes_every_exported_name() -> None:
    sections = re.split(r"^## (\w+)$", (REFERENCE / "python.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    texts = dict(zip(sections[1::2], sections[2::2], strict=True))

    assert set(texts) == set(stepwell.__all__)
    assert not [name for name, text in texts.items() if not text.strip()]
