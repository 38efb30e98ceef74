"""The JSON schema of a pipeline's parameters, and parameters as plain JSON."""

from __future__ import annotations

import dataclasses
from datetime import date
from enum import Enum
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from stepwell import Pipeline, pipeline
from stepwell.errors import UsageError


class Color(Enum):
    RED = "red"
    BLUE = "blue"


class Model(BaseModel):
    depth: int = 3


@dataclasses.dataclass
class Window:
    start: date


class Table:
    pass


@pipeline
def typed(
    path: str,
    n: int = 3,
    rate: Annotated[float, Field(gt=0)] = 0.1,
    flag: bool = False,
    mode: Literal["fast", "slow"] = "fast",
    color: Color = Color.RED,
    model: Model = Model(depth=4),  # noqa: B008
    window: Window | None = None,
    names: list[str] = ["a"],  # noqa: B006
    pair: tuple[int, int] = (1, 2),
    unsaid: int = None,  # type: ignore[assignment]  # noqa: RUF013
    anything: Any = None,
) -> None: ...


def test_hints_become_a_schema_with_plain_defaults() -> None:
    schema = typed.spec().parameters_schema
    found = schema["properties"]

    assert (schema["type"], schema["required"], schema["additionalProperties"]) == ("object", ["path"], False)
    assert found["path"] == {"type": "string"}
    assert found["n"] == {"type": "integer", "default": 3}
    assert found["rate"] == {"type": "number", "exclusiveMinimum": 0, "default": 0.1}
    assert found["mode"] == {"type": "string", "enum": ["fast", "slow"], "default": "fast"}
    assert found["color"]["default"] == "red"
    assert found["color"]["enum"] == ["red", "blue"]
    assert schema["$defs"]["Window"]["properties"]["start"]["format"] == "date"
    assert found["model"]["default"] == {"depth": 4}
    assert found["names"]["default"] == ["a"]
    assert found["pair"]["default"] == [1, 2]
    assert found["unsaid"] == {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None}
    assert found["anything"] == {"default": None}


def test_the_schema_accepts_its_own_defaults() -> None:
    validator = pytest.importorskip("jsonschema").Draft202012Validator
    schema = typed.spec().parameters_schema
    defaults = {name: field["default"] for name, field in schema["properties"].items() if "default" in field}

    validator.check_schema(schema)
    assert list(validator(schema).iter_errors({"path": "x", **defaults})) == []


def test_parameters_survive_as_plain_json() -> None:
    given = typed.complete_parameters(
        {"path": "x", "color": "blue", "model": {"depth": 9}, "window": {"start": "2026-01-02"}, "pair": [3, 4]}
    )
    plain = typed.plain_parameters(given)

    assert given["window"] == Window(date(2026, 1, 2))
    assert (plain["color"], plain["model"], plain["window"]) == ("blue", {"depth": 9}, {"start": "2026-01-02"})
    assert typed.complete_parameters(plain) == given


class Renamed(BaseModel):
    rows: list[int] = Field(alias="Rows")


def test_fields_with_other_names_outside_have_these_in_schema_and_plain_json() -> None:
    @pipeline
    def p(given: Renamed) -> None: ...

    plain = p.plain_parameters(p.complete_parameters({"given": {"Rows": ["1"]}}))

    assert plain == {"given": {"Rows": [1]}}
    assert set(p.spec().parameters_schema["properties"]["given"]["properties"]) == {"Rows"}
    assert p.complete_parameters(plain)["given"] == Renamed(Rows=[1])


def test_a_type_without_schema_says_so() -> None:
    made: Pipeline = pipeline(name="p")(lambda: None)

    @pipeline
    def tables(table: Table) -> None: ...

    assert made.spec is not None
    assert "can be given by a script only" in tables.spec().parameters_schema["properties"]["table"]["description"]


def test_constraints_of_hints_hold_for_scripts_too() -> None:
    with pytest.raises(UsageError, match=r"Pipeline typed: rate is -1: .*greater than 0"):
        typed.complete_parameters({"path": "x", "rate": -1})
