"""Code archives: a hostile one writes nothing outside its folder and cannot fill the disk."""

from __future__ import annotations

import stat
import zipfile
from pathlib import Path

import pytest
from django.conf import settings

from stepwell.errors import ArtifactError
from stepwell.execution import archives

HASH = "ab" * 32


@pytest.fixture
def folder(settings, tmp_path: Path) -> Path:
    settings.HOME = tmp_path / "home"
    made = settings.HOME / "code"
    made.mkdir(parents=True)
    return made


def pack(folder: Path, *members: tuple[str | zipfile.ZipInfo, bytes]) -> None:
    with zipfile.ZipFile(folder / f"{HASH}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)


@pytest.mark.parametrize(
    "name", ["../evil.py", "/tmp/evil.py", "a/../../evil.py", "../../evil.py", "a//b.py", "./a.py", "good.py/evil.py"]
)
def test_nothing_is_written_outside(folder: Path, name: str) -> None:
    pack(folder, ("good.py", b"1"), (name, b"evil"))

    with pytest.raises(ArtifactError):
        archives.unpacked(HASH)
    assert [path.name for path in folder.iterdir()] == [f"{HASH}.zip"]
    assert not list(Path(settings.HOME).parent.rglob("evil.py"))


def test_a_link_is_a_file_with_text(folder: Path) -> None:
    link = zipfile.ZipInfo("link.py")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    pack(folder, (link, b"/etc/passwd"))

    found = archives.unpacked(HASH) / "link.py"
    assert not found.is_symlink()
    assert found.read_bytes() == b"/etc/passwd"


def test_a_bomb_and_a_crowd_are_refused_before_anything_is_written(folder: Path) -> None:
    pack(folder, ("bomb.txt", bytes(30 * 2**20)))
    with pytest.raises(ArtifactError, match="more than"):
        archives.unpacked(HASH)

    pack(folder, *((f"{number}.py", b"") for number in range(3000)))
    with pytest.raises(ArtifactError, match="more than"):
        archives.unpacked(HASH)
    assert [path.name for path in folder.iterdir()] == [f"{HASH}.zip"]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_one_path_twice_is_refused(folder: Path) -> None:
    pack(folder, ("a.py", b"shown"), ("a.py", b"run"))

    with pytest.raises(ArtifactError, match="twice"):
        archives.unpacked(HASH)


def test_a_size_that_lies_is_a_damaged_archive(folder: Path) -> None:
    pack(folder, ("a.py", b"x" * 10_000_000))
    packed = (folder / f"{HASH}.zip").read_bytes()
    size = (10_000_000).to_bytes(4, "little")
    (folder / f"{HASH}.zip").write_bytes(packed.replace(size, (10).to_bytes(4, "little")))

    with pytest.raises(ArtifactError):
        archives.unpacked(HASH)
