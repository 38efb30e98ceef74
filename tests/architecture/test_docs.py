"""The documents: links lead somewhere, the README is short, the lock file is whole and names no host."""

from __future__ import annotations

import re
import tomllib

import pytest
from django.urls import resolve

from tests.architecture import source

LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)(?:#[^)]*)?\)")
DOCUMENTS = [
    *sorted(source.ROOT.glob("*.md")),
    *sorted((source.ROOT / "docs").rglob("*.md")),
    source.ROOT / "deploy/README.md",
]


@pytest.mark.parametrize("path", DOCUMENTS, ids=source.shown)
def test_links_lead_to_files(path: source.Path) -> None:
    broken = [link for link in LINK.findall(path.read_text(encoding="utf-8")) if not (path.parent / link).exists()]

    assert not broken


def test_readme_stays_short() -> None:
    assert len((source.ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 130


def test_changelog_begins_with_the_version_of_the_package() -> None:
    version = tomllib.loads((source.ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    first = re.search(r"^## (\S+)", (source.ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)

    assert first
    assert first[1] == version


def test_every_target_the_documents_name_is_in_the_makefile() -> None:
    targets = set(re.findall(r"^([a-z0-9]+):", (source.ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = {
        target for path in DOCUMENTS for target in re.findall(r"\bmake ([a-z0-9]+)`", path.read_text(encoding="utf-8"))
    }

    assert len(targets) <= 12
    assert named <= targets


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-test.lock"])
def test_every_locked_package_is_pinned_by_hash_and_none_by_address(name: str) -> None:
    lock = (source.ROOT / name).read_text(encoding="utf-8")
    entries = re.split(r"\n(?=\S)", lock.strip())

    assert not [entry.splitlines()[0] for entry in entries if "==" not in entry or "--hash=sha256:" not in entry]
    assert "://" not in lock


def test_what_make_run_installs_is_a_part_of_what_the_tests_run_with() -> None:
    run, tests = (
        set(re.findall(r"^[^\s#]+==\S+", (source.ROOT / name).read_text(encoding="utf-8"), re.MULTILINE))
        for name in ("requirements.lock", "requirements-test.lock")
    )

    assert run < tests
    assert not [line for line in run if line.startswith(("pytest==", "playwright==", "mypy==", "mlflow"))]


def test_every_address_the_api_page_calls_exists() -> None:
    text = (source.ROOT / "docs/how-to/api.md").read_text(encoding="utf-8")
    addresses = re.findall(r"\$API(/[^\s\"?]+)", text)

    assert len(addresses) >= 7
    for address in addresses:
        assert resolve(f"/api/v1{address}").url_name != "missing", address


def test_the_service_names_only_settings_that_exist() -> None:
    listed = (source.ROOT / "docs/settings.md").read_text(encoding="utf-8")
    example = (source.ROOT / "deploy/stepwell.env.example").read_text(encoding="utf-8")

    assert not [name for name in re.findall(r"^([A-Z_]+)=", example, re.MULTILINE) if f"| `{name}`" not in listed]
