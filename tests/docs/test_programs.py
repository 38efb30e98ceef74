"""Every program the documents show runs as it stands there, and prints what they say it prints."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.commands import Instance, told
from tests.docs import pages
from tests.mlflow_store import copy_store

# The first test waits for pages the others ask about too.
pytestmark = pytest.mark.timeout(300)
#: pages are run side by side: mostly a program waits for its steps
AT_ONCE = 3
#: secrets the pages suppose somebody has made
SECRETS = {"warehouse": ["DB_PASSWORD"]}
#: components the pages suppose somebody has added; {} is an MLflow database
COMPONENTS = [
    ["experiment_tracker", "mlflow", "local", "tracking_uri={}"],
    ["step_operator", "subprocess", "gpu"],
]
SECRET_VALUE = "correct-horse-battery-staple"
PAGES = {pages.shown(path): pages.blocks(path.read_text(encoding="utf-8")) for path in pages.DOCUMENTS}
WITH_PROGRAMS = sorted(name for name, blocks in PAGES.items() if pages.programs(blocks))


@dataclass(frozen=True, kw_only=True)
class Ran:
    """A page whose programs were run, one after the other; one that ended the wrong way is the last."""

    done: list[subprocess.CompletedProcess[str]]
    programs: list[pages.Program]
    commands: list[subprocess.CompletedProcess[str]]
    home: Path

    @property
    def output(self) -> str:
        return "\n".join(told(one) for one in self.done)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the data folder every page gets a copy of, as making its database takes a second."""
    instance = Instance(folder=tmp_path_factory.mktemp("prepared"))
    for name, keys in SECRETS.items():
        made = instance.stepwell("secrets", "create", name, *keys, "--stdin", given=f"{SECRET_VALUE}\n" * len(keys))
        assert made.returncode == 0, told(made)
    store = copy_store(instance.folder / "mlflow.db")
    for words in COMPONENTS:
        made = instance.stepwell("stack", "add", *(word.format(store) for word in words))
        assert made.returncode == 0, told(made)
    return Path(instance.environment["STEPWELL_HOME"])


@pytest.fixture(scope="module")
def ran(
    prepared: Path, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[Ran]]]:
    """Start the pages of the tests that were chosen."""
    chosen = {item.callspec.params.get("name") for item in request.session.items if hasattr(item, "callspec")}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield {
            name: pool.submit(run_page, name, tmp_path_factory.mktemp("page"), prepared)
            for name in WITH_PROGRAMS
            if name in chosen
        }


def run_page(name: str, folder: Path, prepared: Path) -> Ran:
    shutil.copytree(prepared, folder / "home")
    instance = Instance(folder=folder)
    for file_name, text in pages.files(PAGES[name]).items():
        (folder / file_name).write_text(text, encoding="utf-8")
    programs = pages.programs(PAGES[name])
    for program in programs:
        (folder / program.name).write_text(program.text, encoding="utf-8")
    done: list[subprocess.CompletedProcess[str]] = []
    for program in programs:
        done.append(instance.python(program.name))
        if (done[-1].returncode != 0) != program.fails:
            break
    commands = [instance.stepwell(*session.words) for session in pages.sessions(PAGES[name])]
    return Ran(done=done, programs=programs, commands=commands, home=Path(instance.environment["STEPWELL_HOME"]))


@pytest.mark.parametrize("name", WITH_PROGRAMS)
def test_programs_of_the_page_run(name: str, ran: dict[str, Future[Ran]]) -> None:
    page = ran[name].result()

    ended = [one.returncode for one in page.done]
    assert ended == [int(program.fails) for program in page.programs], page.output


@pytest.mark.parametrize("name", [name for name in WITH_PROGRAMS if pages.printed(PAGES[name])])
def test_programs_of_the_page_print_what_it_says(name: str, ran: dict[str, Future[Ran]]) -> None:
    output = ran[name].result().output

    assert not [line for line in pages.printed(PAGES[name]) if not pages.is_in(line, output)], output


@pytest.mark.parametrize("name", [name for name in WITH_PROGRAMS if pages.sessions(PAGES[name])])
def test_commands_of_the_page_print_what_it_says(name: str, ran: dict[str, Future[Ran]]) -> None:
    for session, done in zip(pages.sessions(PAGES[name]), ran[name].result().commands, strict=True):
        assert done.returncode == 0, told(done)
        assert not [line for line in session.printed if not pages.is_in(line, told(done))], told(done)


@pytest.mark.parametrize(
    ("name", "once"),
    [
        ("docs/how-to/caching.md", ["squaring 3", "squaring 4", "making the report of May"]),
        ("docs/how-to/failure-modes.md", ["the last step ran"]),
        ("docs/explanation/why-did-this-run-again.md", ["preparing 11.0", "publishing 10"]),
    ],
)
def test_what_the_page_says_is_printed_once_is(name: str, once: list[str], ran: dict[str, Future[Ran]]) -> None:
    output = ran[name].result().output

    assert {line: output.count(f"{line}\n") for line in once} == dict.fromkeys(once, 1), output


@pytest.mark.parametrize("name", ["docs/how-to/secrets.md"])
def test_secret_of_the_page_is_neither_printed_nor_kept(name: str, ran: dict[str, Future[Ran]]) -> None:
    page = ran[name].result()
    holders = [path for path in page.home.rglob("*") if path.is_file() and SECRET_VALUE.encode() in path.read_bytes()]

    assert SECRET_VALUE not in page.output
    assert "***" in page.output
    assert not holders
