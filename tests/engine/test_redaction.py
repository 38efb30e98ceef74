"""What the settings hide in the output of steps."""

from __future__ import annotations

import json
import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepwell.engine.endings import mask_frame
from stepwell.engine.masking import Masker
from stepwell.engine.redaction import Redactor, parse_patterns
from stepwell.errors import ConfigError

PATTERNS = "password\napi_key\n/AKIA[0-9A-Z]{16}/\n/order-[0-9]{4,12}/i\n"


def shown(text: str, patterns: str = PATTERNS) -> str:
    return Redactor(parse_patterns(patterns)).text(text)


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("password=abc, next", "password=***, next"),
        ("Password : abc", "Password : ***"),
        ("DB_PASSWORD='a b' c", "DB_PASSWORD='***' c"),
        ("url?api_key=abc&page=2", "url?api_key=***&page=2"),
        ("Api_Key: Bearer abc.def rest", "Api_Key: *** rest"),
        (json.dumps({"password": 'a "b" c', "user": "ana"}), '{"password": "***", "user": "ana"}'),
        (json.dumps(json.dumps({"password": "abc"})), '"{\\"password\\": \\"***\\"}"'),
        ("password is wrong, mypassword=1", "password is wrong, mypassword=1"),
        ("id AKIAABCDEFGHIJKLMNOP.", "id ***."),
        ("ORDER-12345 and order-123", "*** and order-123"),
        ("password=" + "é" * 3, "password=***"),
    ],
)
def test_values_behind_names_and_what_expressions_find_are_hidden(written: str, stored: str) -> None:
    assert shown(written) == stored


def test_a_match_ends_with_its_line() -> None:
    assert shown("a=1,\n2\r3", "/[^,]{1,9}$/") == "a=1,\n***\r***"
    assert shown("password:\nabc") == "password:\nabc"


@given(
    st.lists(st.sampled_from(["password=abc", "AKIAABCDEFGHIJKLMNOP", "order-1234", " ", "\n", "\r", "x", "é", "="])),
    st.lists(st.integers(1, 40), max_size=40),
)
def test_cuts_in_the_stream_change_nothing(parts: list[str], sizes: list[int]) -> None:
    written = "".join(parts).encode()
    masker = Masker(["secret"], hidden=parse_patterns(PATTERNS))
    streamed, position = b"", 0
    for size in sizes:
        streamed += masker.feed(written[position : position + size])
        position += size
    streamed += masker.feed(written[position:]) + masker.flush()

    assert streamed == shown(written.decode()).encode()


def test_a_line_is_shown_once_it_is_whole() -> None:
    redactor = Redactor(parse_patterns("password"))

    assert redactor.feed(b"passw") == b""
    assert redactor.feed(b"ord=abc\nnext") == b"password=***\n"
    assert redactor.flush() == b"next"


@pytest.mark.parametrize("at", [4050, 4096, 4100, 8190])
@pytest.mark.parametrize("size", [1, 1000, 100_000])
def test_a_line_without_an_end_is_looked_at_in_pieces_that_overlap(at: int, size: int) -> None:
    line = (b"x" * at + b" AKIAABCDEFGHIJKLMNOP ").ljust(20_000, b"x")
    redactor = Redactor(parse_patterns(PATTERNS))

    streamed = b"".join(redactor.feed(line[start : start + size]) for start in range(0, len(line), size))

    assert len(redactor._held) < 5000
    assert streamed + redactor.flush() == line.replace(b"AKIAABCDEFGHIJKLMNOP", b"***")


def test_secrets_are_hidden_as_before() -> None:
    masker = Masker(["hunter22"], hidden=parse_patterns("password"))

    assert masker.feed(b"the hunter22 and password=abc\n") == b"the *** and password=***\n"
    assert masker.text("password=abc hunter22") == "password=abc ***"
    assert masker.said("password=abc hunter22") == "password=*** ***"


def test_errors_are_said_and_arguments_are_not_touched() -> None:
    masker = Masker([], hidden=parse_patterns("password"))
    error = {"type": "ValueError", "message": "password=abc", "traceback": "password=abc\n", "where": "a.py"}
    call = {"t": "call", "op": "driver.step", "arguments": {"message": "password=abc", "error": error}}

    masked = mask_frame(masker, {"t": "result", "status": "failed", "error": error})

    assert masked["error"] == {**error, "message": "password=***", "traceback": "password=***\n"}
    assert mask_frame(masker, {"t": "hook", "error": "password=abc"})["error"] == "password=***"
    assert mask_frame(masker, call) == call


@pytest.mark.parametrize(
    ("patterns", "said"),
    [
        ("ab", "“ab” is not a name"),
        ("two words", "“two words” is not a name"),
        ("/abc", "“/abc” has no slash at its end"),
        ("//", "has no slash"),
        ("/[/", "cannot be used: unterminated character set"),
        ("/(a+)+/", "repeated without an end"),
        ("/x{0,3}/", "also fits where nothing is"),
        (r"/\b/", "also fits where nothing is"),
        ("/" + "a" * 200 + "/", "longer than 200"),
        ("/é/", "not ASCII"),
        ("\n".join(["name"] * 51), "at most 50"),
    ],
)
def test_what_does_not_do_is_refused_by_name(patterns: str, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse_patterns(patterns)

    assert said in str(refused.value)


def test_blank_lines_and_repeated_names_do_not_count() -> None:
    assert parse_patterns("\n  password \n\nPASSWORD\n").names == (b"password",)
    assert not parse_patterns(" \n")


@pytest.mark.parametrize(
    "patterns", ["password\napi_key\nsecret", r"/AKIA[0-9A-Z]{16}/", "\n".join(f"key_{n}" for n in range(10))]
)
def test_lines_without_a_match_cost_little_time_in_a_flood(patterns: str) -> None:
    chance = random.Random(2)
    values = ["".join(chance.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=24)) for _ in range(50)]
    line = b"2026-11-27 10:00:00 INFO epoch 17 of 300: loss 0.1837, accuracy 0.9341, 5121 rows a second\n"
    flood = line * (8 * 2**20 // len(line))
    masker = Masker(values, hidden=parse_patterns(patterns))

    begun = time.process_time()
    for start in range(0, len(flood), 65_536):
        masker.feed(flood[start : start + 65_536])
    seconds = time.process_time() - begun

    assert len(flood) / seconds > 20 * 2**20
