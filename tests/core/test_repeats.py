"""Which regular expressions are quick on any text."""

from __future__ import annotations

import re
import time

import pytest

from stepwell.core.repeats import check_repeats
from stepwell.errors import ConfigError


@pytest.mark.parametrize(
    "expression",
    [
        r"AKIA[0-9A-Z]{16}",
        r"(\d{4}-){3}\d{4}",
        r"\w{1,50}=\S+",
        r"(?:ab)+",
        r"[]a]+x?",
        r"(red|green){1,10}",
        r"a{,5}b{x}",
        r"a\)\(\|b",
    ],
)
def test_few_ways_are_accepted(expression: str) -> None:
    check_repeats(expression)


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        (r"(a+)+b", "repeated without an end"),
        (r"(a|b)*", "repeated without an end"),
        (r"\w+\w+", "too many ways"),
        (r"(((a{1,9}){1,9}){1,9})", "too many ways"),
        (r"(x{1,3}y){25}", "too many ways"),
        (r"(a|b|c){900}", "too many ways"),
        (r"a{2000}", "more than 1,000 times"),
        (r"(a)\1", r"\1 is not allowed"),
        (r"a\Z", r"\Z is not allowed"),
        (r"(?=a)", "only (?:…) is allowed"),
        (r"(?P<name>a)", "only (?:…) is allowed"),
    ],
)
def test_what_could_take_long_or_is_not_known_is_refused(expression: str, said: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(said)):
        check_repeats(expression)


@pytest.mark.parametrize("expression", [r"\S+@x", r"\w{1,50}=\S+", r"(a|b){1,12}c", r"a{1,100}a{1,100}b"])
def test_what_is_accepted_is_quick_on_the_worst_line(expression: str) -> None:
    check_repeats(expression)

    begun = time.process_time()
    assert re.search(expression, "a" * 4096) is None
    assert time.process_time() - begun < 1
