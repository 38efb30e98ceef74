"""Archives that were damaged or made to harm: refused in words, and nothing is written outside."""

from __future__ import annotations

import io
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given

from stepwell.conf import backups
from stepwell.errors import ArtifactError
from stepwell.execution import archives
from stepwell.sdk.client_http import _unpack
from tests.fuzz.inputs import corpus, inputs, often

HASH = "ab" * 32


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="stepwell-fuzz-"))
    yield folder
    shutil.rmtree(folder)


def fresh(place: Path) -> Path:
    """Return an empty folder, with a neighbour that must stay empty."""
    shutil.rmtree(place / "work", ignore_errors=True)
    home = place / "work" / "home"
    (home / "code").mkdir(parents=True)
    return home


def only_inside(place: Path, home: Path) -> None:
    assert [path.name for path in (place / "work").iterdir()] == ["home"]
    for path in home.rglob("*"):
        assert not path.is_symlink()
        assert path.resolve().is_relative_to(home.resolve())


def check_code(content: bytes, place: Path, settings) -> None:
    home = fresh(place)
    settings.HOME = home
    (home / "code" / f"{HASH}.zip").write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            archives.unpacked(HASH)
        except ArtifactError:
            assert [path.name for path in (home / "code").iterdir()] == [f"{HASH}.zip"]
    only_inside(place, home)


def check_backup(content: bytes, place: Path) -> None:
    home = fresh(place)
    file = place / "backup.tar"
    file.write_bytes(content)
    with suppress(backups.BackupError):
        backups.extract(file, home)
    only_inside(place, home)


def check_received(content: bytes, place: Path) -> None:
    home = fresh(place)
    with suppress(ArtifactError):
        _unpack(io.BytesIO(content), home)
    for path in home.rglob("*"):
        assert path.resolve().is_relative_to(home.resolve())
    assert [path.name for path in (place / "work").iterdir()] == ["home"]


def test_kept_archives_do_no_harm(place: Path, settings) -> None:
    for content in corpus("archives"):
        check_code(content, place, settings)
    for content in corpus("backups"):
        check_backup(content, place)
        check_received(content, place)


@often(120)
@given(content=inputs("archives"))
def test_archives_of_code_do_no_harm(place: Path, settings, content: bytes) -> None:
    check_code(content, place, settings)


@often(120)
@given(content=inputs("backups"))
def test_backups_do_no_harm(place: Path, content: bytes) -> None:
    check_backup(content, place)


@often(120)
@given(content=inputs("backups"))
def test_received_artifacts_do_no_harm(place: Path, content: bytes) -> None:
    check_received(content, place)
