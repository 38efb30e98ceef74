"""Parameters against a schema, from JSON and from a form's strings."""

from __future__ import annotations

import pytest

from stepwell.execution.parameters import ParameterErrors, check_parameters, parse_form

SCHEMA = {
    "type": "object",
    "properties": {
        "rate": {"type": "number", "default": 0.1},
        "epochs": {"type": "integer"},
        "name": {"type": "string", "default": "x"},
        "fast": {"type": "boolean", "default": False},
        "sizes": {"type": "array", "items": {"type": "integer"}, "default": [1]},
        "limit": {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None},
        "kind": {"enum": ["a", "b"], "default": "a"},
    },
    "required": ["epochs"],
    "additionalProperties": False,
}


def test_defaults_complete_what_is_given():
    assert check_parameters(SCHEMA, {"epochs": 3})["rate"] == 0.1


def test_every_problem_is_named_at_once():
    with pytest.raises(ParameterErrors) as caught:
        check_parameters(SCHEMA, {"rate": "fast", "kind": "c", "color": 1})
    assert caught.value.fields == {
        "color": "The pipeline has no such parameter. It has: rate, epochs, name, fast, sizes, limit, kind.",
        "epochs": "This parameter is required.",
        "rate": '"fast" is not a number.',
        "kind": '"c" is not one of "a", "b".',
    }


@pytest.mark.parametrize("value", [1.5, "3", True, None])
def test_a_whole_number_is_not_guessed(value):
    with pytest.raises(ParameterErrors):
        check_parameters(SCHEMA, {"epochs": value})


def test_a_form_is_read_by_type():
    strings = {"rate": "1e-3", "epochs": "1_000", "name": "12", "fast": "on", "sizes": "[1, 2]", "limit": "5"}
    assert parse_form(SCHEMA, strings) == {
        "rate": 0.001,
        "epochs": 1000,
        "name": "12",
        "fast": True,
        "sizes": [1, 2],
        "limit": 5,
        "kind": "a",
    }


def test_an_empty_field_takes_the_default_and_an_unchecked_box_is_false():
    values = parse_form(SCHEMA, {"rate": "", "epochs": "1", "limit": ""})
    assert (values["rate"], values["limit"], values["fast"]) == (0.1, None, False)


@pytest.mark.parametrize("text", ["ten", "1.5", "NaN", "1; drop", "[" * 5000])
def test_a_form_says_which_field_is_wrong(text):
    with pytest.raises(ParameterErrors) as caught:
        parse_form(SCHEMA, {"epochs": text})
    assert list(caught.value.fields) == ["epochs"]


@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_what_a_database_cannot_store_is_refused(value):
    with pytest.raises(ParameterErrors) as caught:
        check_parameters(SCHEMA, {"epochs": 1, "rate": value})
    assert list(caught.value.fields) == ["rate"]


@pytest.mark.parametrize("value", ["a\0b", "\ud800"])
def test_text_that_postgres_refuses_is_refused_everywhere(value):
    with pytest.raises(ParameterErrors):
        check_parameters(SCHEMA, {"epochs": 1, "name": value})
