"""Reads the documents: their code blocks, the programs these make, and the commands they name.

How a page says what is to be run:

- Every ``python`` block is run. A block whose first line is ``# name.py`` begins a program of that name; one without
  goes on with the program before it.
- Any other block whose first line is ``# name.yaml`` (or another name) is a file beside the programs.
- Each line of a ``text`` block must be in what the page's programs print; ``…`` stands for anything.
- ``<!-- run -->`` before a ``console`` block: its ``$ stepwell`` commands are run after the programs, in the same data
  folder; the lines below a command must be in what it prints.
- ``<!-- not run -->`` before a block leaves it out, ``<!-- fails -->`` says that its program ends with an error.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.commands import ROOT

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
MARK = re.compile(r"<!-- (run|not run|fails) -->\s*\Z")
FILE_NAME = re.compile(r"\A# ([\w.-]+\.\w+)\n")
#: what follows two blanks explains the command
COMMAND = re.compile(r"^(?:\$ )?(?:\.venv/bin/)?(stepwell(?: \S+)*)(?:  .*)?$")
INLINE = re.compile(r"`(stepwell [^`]+)`", re.DOTALL)
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


@dataclass(frozen=True, kw_only=True)
class Block:
    """A fenced block: its language, its text, the mark before it."""

    language: str
    text: str
    mark: str

    @property
    def file_name(self) -> str | None:
        found = FILE_NAME.match(self.text)
        return found[1] if found else None


@dataclass(kw_only=True)
class Program:
    name: str
    text: str
    fails: bool


@dataclass(frozen=True, kw_only=True)
class Session:
    """A command and the lines it prints."""

    words: list[str]
    printed: list[str]


def shown(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def blocks(text: str) -> list[Block]:
    found = []
    for match in FENCE.finditer(text):
        mark = MARK.search(text[: match.start()])
        found.append(Block(language=match[1], text=match[2], mark=mark[1] if mark else ""))
    return found


def programs(page: list[Block]) -> list[Program]:
    """Return what a page has to run, in its order."""
    made: list[Program] = []
    for block in page:
        if block.language != "python" or block.mark == "not run":
            continue
        fails = block.mark == "fails"
        if block.file_name or not made:
            made.append(Program(name=block.file_name or "page.py", text=block.text, fails=fails))
        else:
            made[-1].text += f"\n\n{block.text}"
            made[-1].fails |= fails
    return made


def files(page: list[Block]) -> dict[str, str]:
    """Return the files that stand beside a page's programs."""
    others = [block for block in page if block.language != "python" and block.mark != "not run"]
    return {block.file_name: block.text for block in others if block.file_name}


def sessions(page: list[Block]) -> list[Session]:
    """Return the commands a page runs after its programs, with the lines each is said to print."""
    made: list[Session] = []
    for block in page:
        for line in block.text.splitlines() if (block.language, block.mark) == ("console", "run") else ():
            if found := COMMAND.match(line):
                made.append(Session(words=_words(found[1]), printed=[]))
            elif line.strip():
                made[-1].printed.append(line.strip())
    return made


def is_in(line: str, output: str) -> bool:
    """Tell whether a line was printed; blanks are not compared."""
    pattern = ".*".join(r"[ \t]+".join(map(re.escape, part.split(" "))) for part in " ".join(line.split()).split("…"))
    return re.search(pattern, output) is not None


def printed(page: list[Block]) -> list[str]:
    """Return the lines the page says its programs print."""
    texts = [block.text for block in page if block.language == "text" and not block.file_name and not block.mark]
    return [line.strip() for text in texts for line in text.splitlines() if line.strip()]


def commands(text: str) -> Iterator[list[str]]:
    """Yield the words of every ``stepwell`` command in a document's blocks."""
    for line in text.replace("\\\n", " ").splitlines():
        if found := COMMAND.match(line.strip()):
            yield _words(found[1])


def mentions(text: str) -> Iterator[list[str]]:
    """Yield the words of every command in a document's sentences, which may leave out what the command needs."""
    for inline in INLINE.findall(FENCE.sub("", text)):
        yield _words(" ".join(inline.split()))


def _words(command: str) -> list[str]:
    words = shlex.split(command, comments=True)[1:]
    ends = [at for at, word in enumerate(words) if word in {"|", "<", ">", "&&", ";", "&"}]
    return words[: ends[0]] if ends else words
