"""File functions as materializers written for ZenML use them; every path is on this machine."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

Place = str | os.PathLike[str]


def open(path: Place, mode: str = "r") -> IO[Any]:  # noqa: A001 - the name that is imported
    """Open a file; text is UTF-8."""
    return Path(path).open(mode, encoding=None if "b" in mode else "utf-8")


def exists(path: Place) -> bool:
    """Return whether there is a file or folder."""
    return os.path.exists(path)


def isdir(path: Place) -> bool:
    """Return whether there is a folder."""
    return os.path.isdir(path)


def listdir(path: Place, only_file_names: bool = True) -> list[str]:
    """Return what is in a folder: names, or paths with ``only_file_names=False``."""
    names = sorted(os.listdir(path))
    return names if only_file_names else [os.path.join(path, name) for name in names]


def glob(pattern: Place) -> list[str]:
    """Return the paths that fit a pattern."""
    import glob as patterns

    return sorted(patterns.glob(os.fspath(pattern)))


def walk(top: Place, topdown: bool = True) -> Iterator[tuple[str, list[str], list[str]]]:
    """Yield each folder below ``top`` with its folders and files."""
    return ((os.fspath(folder), folders, names) for folder, folders, names in os.walk(top, topdown=topdown))


def makedirs(path: Place) -> None:
    """Make a folder and those above it; one that exists stays."""
    os.makedirs(path, exist_ok=True)


def mkdir(path: Place) -> None:
    """Make a folder; one that exists stays."""
    Path(path).mkdir(exist_ok=True)


def copy(src: Place, dst: Place, overwrite: bool = False) -> None:
    """Copy a file.

    Raises:
        FileExistsError: ``dst`` exists and ``overwrite`` is not given.
    """
    _check_free(dst, overwrite)
    shutil.copyfile(src, dst)


def rename(src: Place, dst: Place, overwrite: bool = False) -> None:
    """Move a file.

    Raises:
        FileExistsError: ``dst`` exists and ``overwrite`` is not given.
    """
    _check_free(dst, overwrite)
    os.replace(src, dst)


def remove(path: Place) -> None:
    """Delete a file."""
    os.remove(path)


def rmtree(path: Place) -> None:
    """Delete a folder with everything in it."""
    shutil.rmtree(path)


def stat(path: Place) -> os.stat_result:
    """Return what the system knows of a file."""
    return os.stat(path)


def size(path: Place) -> int:
    """Return the bytes of a file, or of all files below a folder."""
    if not os.path.isdir(path):
        return os.path.getsize(path)
    return sum(os.path.getsize(os.path.join(folder, name)) for folder, _, names in os.walk(path) for name in names)


def _check_free(path: Place, overwrite: bool) -> None:
    if not overwrite and os.path.exists(path):
        raise FileExistsError(f"{os.fspath(path)} exists already; pass overwrite=True to replace it.")
