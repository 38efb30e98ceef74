from __future__ import annotations

import base64
import json
import random
import time
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stepwell.engine.masking import Masker, encodings_of

SECRET = 'p@ss/wörd "42" + more'
KEY = "-----BEGIN KEY-----\nMIIEvQIBADANBg\nkqhkiG9w0BAQEF\n-----END KEY-----\n"

ENCODINGS = {
    "raw": SECRET,
    "base64": base64.b64encode(SECRET.encode()).decode(),
    "base64 one byte in": base64.b64encode(b"u" + SECRET.encode()).decode(),
    "base64 two bytes in": base64.b64encode(b"u:" + SECRET.encode() + b"\n").decode(),
    "urlsafe base64": base64.urlsafe_b64encode(b"user:" + SECRET.encode()).decode(),
    "quoted": quote(SECRET),
    "quoted, slashes too": quote(SECRET, safe=""),
    "form": quote_plus(SECRET),
    "json": json.dumps({"key": SECRET}),
    "json, not only ASCII": json.dumps({"key": SECRET}, ensure_ascii=False),
    "repr": repr([SECRET]),
    "repr of bytes": repr(SECRET.encode()),
    "hex": SECRET.encode().hex(),
    "upper hex": SECRET.encode().hex().upper(),
}


def feed_in_pieces(masker: Masker, content: bytes, sizes: list[int]) -> bytes:
    shown, position = b"", 0
    while position < len(content):
        size = sizes.pop(0) if sizes else 1
        shown += masker.feed(content[position : position + size])
        position += size
    return shown + masker.flush()


@pytest.mark.parametrize("form", ENCODINGS, ids=str)
def test_every_encoding_is_masked_when_written_byte_by_byte(form: str) -> None:
    written = f"before {ENCODINGS[form]} after".encode()

    shown = feed_in_pieces(Masker([SECRET]), written, [])

    assert b"***" in shown
    assert shown.startswith(b"before ")
    assert shown.endswith(b" after")
    for pattern in encodings_of(SECRET):
        assert pattern not in shown


def test_each_line_of_a_secret_of_many_lines_is_masked() -> None:
    shown = Masker([KEY]).text("first kqhkiG9w0BAQEF then\n  MIIEvQIBADANBg\n")

    assert shown == "first *** then\n  ***\n"


def test_secret_of_many_lines_is_one_replacement() -> None:
    assert Masker([KEY]).text(f"key={KEY}end") == "key=***end"


def test_long_secret_is_masked_in_wrapped_base64() -> None:
    secret = "".join(random.Random(1).choices("abcdefghij", k=200))
    wrapped = base64.encodebytes(secret.encode())

    shown = Masker([secret]).text(wrapped.decode())

    assert set(shown) <= set("*\n")


def test_overlapping_secrets_leave_nothing_of_either() -> None:
    assert Masker(["abcdef", "defghi"]).text("xabcdefghix") == "x***x"
    assert feed_in_pieces(Masker(["abcdef", "defghi"]), b"xabcdefghix", []) == b"x***x"


def test_longer_secret_hides_a_shorter_one_inside() -> None:
    assert Masker(["pass", "password1"]).text("password1 pass") == "*** ***"


def test_only_the_start_of_a_secret_is_kept_back() -> None:
    masker = Masker(["secret"])

    assert masker.feed(b"hello\n") == b"hello\n"
    assert masker.feed(b"a sec") == b"a "
    assert masker.feed(b"ond") == b"second"
    assert masker.feed(b"secr") == b""
    assert masker.flush() == b"secr"


def test_without_secrets_bytes_pass_through_untouched() -> None:
    content = b"anything"

    assert Masker([]).feed(content) is content
    assert Masker(["abc"]).feed(content) is content


@settings(max_examples=100, deadline=None)
@given(
    secrets=st.lists(st.text("ab\n", min_size=4, max_size=24), max_size=6),
    written=st.text("ab\n", max_size=300),
    sizes=st.lists(st.integers(0, 20), max_size=60),
)
def test_cuts_in_the_stream_change_nothing(secrets: list[str], written: str, sizes: list[int]) -> None:
    shown = feed_in_pieces(Masker(secrets), written.encode(), sizes)

    assert shown.decode() == Masker(secrets).text(written)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_many_secrets_of_any_length_are_found_at_any_place(seed: int) -> None:
    chance = random.Random(seed)
    secrets = ["".join(chance.choices("abcdefghijklmnop", k=chance.randint(4, 40))) for _ in range(60)]
    chosen = chance.choice(secrets)
    written = b"." * chance.randint(0, 40) + chosen.encode() + b"." * chance.randint(0, 40)

    assert Masker(secrets).feed(written).count(b"***") == 1


def test_json_values_are_masked_in_keys_and_depth() -> None:
    value = {"secret1": ["x secret1", {"n": 1, "none": None}], "ok": True}

    assert Masker(["secret1"]).value(value) == {"***": ["x ***", {"n": 1, "none": None}], "ok": True}


def test_text_with_lone_surrogates_survives() -> None:
    assert Masker(["secret1"]).text("\udcff secret1") == "\udcff ***"


def test_fifty_secrets_cost_little_time_in_a_flood() -> None:
    chance = random.Random(2)
    secrets = ["".join(chance.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=24)) for _ in range(50)]
    line = b"2026-11-27 10:00:00 INFO epoch 17 of 300: loss 0.1837, accuracy 0.9341, 5121 rows a second\n"
    flood = line * (16 * 2**20 // len(line))
    masker = Masker(secrets)

    begun = time.process_time()
    for start in range(0, len(flood), 65_536):
        masker.feed(flood[start : start + 65_536])
    seconds = time.process_time() - begun

    assert len(flood) / seconds > 50 * 2**20
