"""Writes docs/reference/ from the code: what ``stepwell`` exports, the command line, the REST API, roles.

make docs                                 write the pages
python docs/make_reference.py --check     say which pages are out of date, exit code 1 if any
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import inspect
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent / "reference"
MADE = "Made from the code by `make docs`; do not edit."
#: characters of a signature that stay on one line
LONG = 90
SECTION = re.compile(r"^(Args|Raises|Returns|Example|Yields):\s*$")


def main() -> int:
    parser = argparse.ArgumentParser(description="Write docs/reference/.")
    parser.add_argument("--check", action="store_true", help="only say which pages are out of date")
    is_check = parser.parse_args().check
    with tempfile.TemporaryDirectory() as home:
        os.environ["STEPWELL_HOME"] = home
        pages = {name: make() for name, make in PAGES.items()}
    old = [name for name, text in pages.items() if read(FOLDER / name) != text]
    for name in [] if is_check else old:
        FOLDER.mkdir(exist_ok=True)
        (FOLDER / name).write_text(pages[name], encoding="utf-8")
    sys.stdout.writelines(
        f"docs/reference/{name} {'is out of date: make docs' if is_check else 'is new'}\n" for name in old
    )
    return 1 if is_check and old else 0


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def page(title: str, intro: str, parts: Iterable[str]) -> str:
    text = "\n\n".join([f"# {title}", f"{intro} {MADE}", *parts])
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(cell(text) for text in line)} |" for line in lines)


# Python


def python_page() -> str:
    stepwell = importlib.import_module("stepwell")
    names = sorted((name for name in stepwell.__all__ if name != "errors"), key=str.lower)
    anchors = [name.lower() for name in names]
    links = [
        f"[`{name}`](#{anchor}{'-1' if anchor in anchors[:at] else ''})"
        for at, (name, anchor) in enumerate(zip(names, anchors, strict=True))
    ]
    parts = [
        f"`from stepwell import …`: {', '.join(links)}, [`errors`](#errors)",
        "`**options` are [every option of a step and a pipeline](../how-to/step-options.md).",
    ]
    for name in names:
        parts += [f"## {name}", *describe(name, getattr(stepwell, name))]
    parts += ["## errors", *describe_errors(stepwell.errors)]
    answers = [importlib.import_module(f"stepwell.sdk.{name}") for name in ("responses", "artifactversion")]
    parts += ["## What runs and Client give back", *(line for module in answers for line in describe_answers(module))]
    parts += ["## Words from a fixed list", "`from stepwell.enums import …`"]
    enums = importlib.import_module("stepwell.enums")
    parts += [part for name in enums.__all__ for part in (f"### {name}", *describe(name, getattr(enums, name)))]
    return page("Python", "Everything `stepwell` exports.", parts)


def describe(name: str, thing: Any) -> Iterator[str]:
    """Yield what there is to say of a function, a class or a list of words."""
    if isinstance(thing, type) and issubclass(thing, Enum):
        yield from doc_of(thing)
        yield "\n".join(f"- `{name}.{member.name}`: `{member.value!r}`" for member in thing)
        return
    if not isinstance(thing, type):
        yield from callable_text(name, thing) if callable(thing) else [f"`{thing!r}`"]
        return
    yield f"    {name}{signature(thing)}"
    yield from doc_of(thing)
    if defaults := getattr(thing, "defaults", None):
        yield "Fields, with what they are unless given:"
        yield "\n".join(f"- `{field}`: `{value!r}`" for field, value in defaults.items())
    for attribute, value in members(thing):
        if isinstance(value, property):
            yield f"### {name}.{attribute}"
            yield from doc_of(value)
        else:
            yield f"### {name}.{attribute}()"
            yield from callable_text(attribute, value)


def callable_text(name: str, thing: Any) -> Iterator[str]:
    yield f"    {name}{signature(thing)}"
    yield from doc_of(thing)


def members(kind: type) -> Iterator[tuple[str, Any]]:
    """Yield the documented public methods and properties of a class, its own and those of our base classes."""
    for name, value in inspect.getmembers_static(kind):
        home = next((base for base in kind.__mro__ if name in vars(base)), object)
        value = value.__func__ if isinstance(value, classmethod | staticmethod) else value
        is_ours = home.__module__.startswith("stepwell.")
        if (
            is_ours
            and not name.startswith("_")
            and (inspect.isfunction(value) or isinstance(value, property))
            and value.__doc__
        ):
            yield name, value


def signature(thing: Any) -> str:
    """Return what a call looks like, one argument a line when it is long."""
    is_class = isinstance(thing, type)
    made_by = thing.__init__ if is_class and inspect.isfunction(thing.__init__) else thing
    try:
        found = inspect.signature(made_by)
    except (TypeError, ValueError):
        return ""
    kept = [
        one.replace(annotation=Words(one.annotation) if one.annotation is not one.empty else one.empty)
        for name, one in found.parameters.items()
        if name not in {"self", "cls"} and not name.startswith("_")
    ]
    result = found.empty if is_class or found.return_annotation is found.empty else Words(found.return_annotation)
    text = str(found.replace(parameters=kept, return_annotation=result)).replace("<factory>", "…")
    if len(text) <= LONG:
        return text
    lines = [str(one).replace("<factory>", "…") for one in kept]
    kinds = [one.kind for one in kept]
    if inspect.Parameter.KEYWORD_ONLY in kinds and inspect.Parameter.VAR_POSITIONAL not in kinds:
        lines.insert(kinds.index(inspect.Parameter.KEYWORD_ONLY), "*")
    end = "" if result is found.empty else f" -> {result}"
    return "(\n" + "".join(f"        {line},\n" for line in lines) + f"    ){end}"


class Words:
    """An annotation that is shown as it is written."""

    def __init__(self, annotation: Any) -> None:
        self.text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)

    def __repr__(self) -> str:
        return self.text.removeprefix("'").removesuffix("'")


def doc_of(thing: Any) -> Iterator[str]:
    own = vars(thing).get("__doc__") if isinstance(thing, type) else thing.__doc__
    is_made = dataclasses.is_dataclass(thing) and (own or "").startswith(f"{getattr(thing, '__name__', '')}(")
    if own and not is_made:
        yield from markdown(inspect.cleandoc(own))


def markdown(doc: str) -> Iterator[str]:
    """Yield a docstring's paragraphs; its sections become lists and indented code."""
    section, lines = "", []
    for line in [*doc.replace("``", "`").splitlines(), "End:"]:
        found = SECTION.match(line)
        if found or line == "End:":
            yield from section_text(section, lines)
            section, lines = (found[1] if found else ""), []
        else:
            lines.append(line)


def section_text(section: str, lines: list[str]) -> Iterator[str]:
    text = inspect.cleandoc("\n" + "\n".join(lines)).strip("\n")
    if not text:
        return
    if section == "Example":
        yield "Example:"
        yield "\n".join(f"    {line}".rstrip() for line in text.splitlines())
    elif section:
        entries = re.sub(r"\n[ \t]+", " ", text).splitlines()
        marked = [re.sub(r"^(\*{0,2}\w+): ", r"`\1`: ", entry) for entry in entries]
        yield f"{section}:"
        yield "\n".join(f"- {entry}" for entry in marked)
    else:
        yield text


def describe_answers(module: Any) -> Iterator[str]:
    """Yield the classes nobody makes: what can be read of them and done with them."""
    for name, kind in inspect.getmembers(module, inspect.isclass):
        if kind.__module__ != module.__name__ or name.startswith("_"):
            continue
        yield f"### {name}"
        yield from doc_of(kind)
        fields = dataclasses.fields(kind) if dataclasses.is_dataclass(kind) else ()
        rows = [(f"`.{field.name}`", f"`{field.type}`") for field in fields if not field.name.startswith("_")]
        for attribute, value in members(kind):
            call = "" if isinstance(value, property) else " ".join(signature(value).split(" -> ")[0].split())
            call = call.replace("( ", "(").replace(", )", ")")
            rows.append((f"`.{attribute}{call}`", value.__doc__.splitlines()[0].replace("``", "`")))
        if rows:
            yield table(("what", "which is"), rows)


def describe_errors(errors: Any) -> Iterator[str]:
    yield "`from stepwell.errors import …`. Every error has a `message` and a `hint`."
    kinds = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if kind.__module__ == errors.__name__]
    rows = []
    for kind in sorted(kinds, key=lambda kind: ([base.__name__ for base in reversed(kind.__mro__)], kind.__name__)):
        bases = ", ".join(f"`{base.__name__}`" for base in kind.__bases__)
        rows.append((f"`{kind.__name__}`", bases, (kind.__doc__ or "").splitlines()[0]))
    yield table(("error", "is a", "meaning"), rows)


# Command line


def command_page() -> str:
    parser = importlib.import_module("stepwell.conf.cli_parser").make_parser()
    parts = [part for words, one in commands(parser, ["stepwell"]) for part in command_text(words, one)]
    return page("Command line", "Every command of `stepwell`.", parts)


def commands(parser: argparse.ArgumentParser, words: list[str]) -> Iterator[tuple[list[str], argparse.ArgumentParser]]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, below in action.choices.items():
                yield [*words, name], below
                yield from commands(below, [*words, name])


def command_text(words: list[str], parser: argparse.ArgumentParser) -> Iterator[str]:
    given = [
        action
        for action in parser._actions
        if action.help != argparse.SUPPRESS
        and not isinstance(action, argparse._HelpAction | argparse._SubParsersAction)
    ]
    yield f"## {' '.join(words)}"
    yield (parser.description or "").strip()
    rows = [(f"`{spelled(action)}`", explained(action)) for action in given]
    if rows:
        yield table(("word", "meaning"), rows)
    if example := (parser.epilog or "").removeprefix("example:").strip():
        yield "\n".join(f"    {line.strip()}" for line in example.splitlines())


def spelled(action: argparse.Action) -> str:
    value = action.metavar if isinstance(action.metavar, str) else (action.dest or "").upper()
    if action.choices:
        value = "|".join(map(str, action.choices))
    if not action.option_strings:
        return f"[{value}]" if action.nargs in ("?", "*") else f"{value} …" if action.nargs == "+" else value
    names = ", ".join(action.option_strings)
    return names if action.nargs == 0 else f"{names} {value}"


def explained(action: argparse.Action) -> str:
    return (action.help or "").replace("%(default)s", str(action.default)).replace("%%", "%")


# REST API


def api_page() -> str:
    importlib.import_module("stepwell.conf.boot").setup()
    api = importlib.import_module("stepwell.api.app").api
    schema = api.get_openapi_schema(path_prefix="/api/v1")
    roles = roles_of(api)
    how = "[Start and follow runs from elsewhere](../how-to/api.md)"
    parts = [
        f"Addresses begin with `/api/v1`. How to call it: {how}. Errors have the shape [`ErrorAnswer`](#erroranswer)."
    ]
    operations = [
        (tag, method.upper(), path.removeprefix("/api/v1"), operation)
        for path, methods in schema["paths"].items()
        for method, operation in methods.items()
        for tag in operation.get("tags", ["Other"])[:1]
    ]
    for tag in dict.fromkeys(tag for tag, *_ in operations):
        parts.append(f"## {tag}")
        for _, method, path, operation in [one for one in operations if one[0] == tag]:
            parts += operation_text(method, path, operation, role=roles.get((method, path), ""))
    parts.append("## Shapes")
    for name, shape in sorted(schema["components"]["schemas"].items()):
        parts += [f"### {name}", *shape_text(shape)]
    return page("REST API", "Every operation.", parts)


def roles_of(api: Any) -> dict[tuple[str, str], str]:
    """Return the least role by (method, address)."""
    found = {}
    for prefix, router in api._routers:
        for path, view in router.path_operations.items():
            for operation in view.operations:
                address = "/" + "/".join(part for part in f"{prefix}/{path}".split("/") if part)
                callbacks = operation.auth_callbacks or api.auth
                role = next((str(one.role) for one in callbacks if hasattr(one, "role")), "")
                found |= {(method, re.sub(r"\{\w+:(\w+)\}", r"{\1}", address)): role for method in operation.methods}
    return found


def operation_text(method: str, path: str, operation: dict[str, Any], *, role: str) -> Iterator[str]:
    yield f"### {method} {path}"
    said = [
        operation.get("summary", ""),
        operation.get("description", ""),
        f"For the role {role} and above" if role else "",
    ]
    yield " ".join(f"{text.strip().rstrip('.')}." for text in said if text)
    rows = [
        (f"`{one['name']}`", one["in"], type_text(one.get("schema", {})), "" if one.get("required") else "optional")
        for one in operation.get("parameters", [])
        if one["in"] != "path"
    ]
    if rows:
        yield table(("parameter", "in", "value", ""), rows)
    for content in operation.get("requestBody", {}).get("content", {}).values():
        yield f"Body: {type_text(content['schema'])}"
    answers = [
        f"{code} {type_text(content['schema'])}"
        for code, answer in operation["responses"].items()
        for content in answer.get("content", {}).values()
        if str(code).startswith("2")
    ]
    if answers:
        yield f"Answer: {', '.join(answers)}"


def shape_text(shape: dict[str, Any]) -> Iterator[str]:
    if description := shape.get("description"):
        yield inspect.cleandoc(description).replace("``", "`")
    if "properties" not in shape:
        yield type_text(shape)
        return
    needed = shape.get("required", [])
    rows = [
        (f"`{name}`", type_text(value), "" if name in needed else "optional")
        for name, value in shape["properties"].items()
    ]
    yield table(("field", "value", ""), rows)


def type_text(schema: dict[str, Any]) -> str:
    """Return what a JSON schema allows, in words."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        return f"[`{name}`](#{name.lower()})"
    if "enum" in schema or "const" in schema:
        return ", ".join(f"`{value}`" for value in schema.get("enum", [schema.get("const")]))
    if options := schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf"):
        return " or ".join(dict.fromkeys(type_text(option) for option in options))
    if schema.get("type") == "array":
        return f"list of {type_text(schema.get('items', {}))}"
    words = {"date-time": "time", "uuid": "id", "null": "nothing", "string": "text", "object": "object"}
    word = words.get(schema.get("format", ""), words.get(schema.get("type", ""), schema.get("type", "anything")))
    low, high = schema.get("minimum"), schema.get("maximum")
    bounds = f", {low} to {high}" if low is not None and high is not None else ""
    default = schema.get("default")
    return f"{word}{bounds}" + (f" (default {default!r})" if default not in (None, "", [], {}) else "")


# Roles


def roles_page() -> str:
    importlib.import_module("stepwell.conf.boot").setup()
    roles = importlib.import_module("stepwell.accounts.roles")
    order = importlib.import_module("stepwell.accounts.models").ROLE_ORDER
    rows = [(act.what, *("yes" if act.may(role) else "" for role in order)) for act in roles.ACTS]
    return page(
        "Who may do what",
        "A person has one role, and a token at most that of its person.",
        [table(("who may …", *order), rows), "A step may do less still: [see there](../security.md#a-step)."],
    )


PAGES: dict[str, Callable[[], str]] = {
    "python.md": python_page,
    "command-line.md": command_page,
    "api.md": api_page,
    "roles.md": roles_page,
}

if __name__ == "__main__":
    sys.exit(main())
