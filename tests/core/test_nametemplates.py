"""Placeholders in names."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from stepwell.core import nametemplates
from stepwell.errors import ConfigError

AT = datetime(2026, 3, 1, 23, 4, 5, 678, tzinfo=UTC)


def test_date_time_and_substitutions_are_filled_in() -> None:
    assert (
        nametemplates.expand("run_{team}_{date}_{time}", {"team": "red"}, at=AT) == "run_red_2026_03_01_23_04_05_000678"
    )


def test_the_date_is_that_of_utc() -> None:
    east = AT.astimezone(timezone(timedelta(hours=3)))

    assert nametemplates.expand("{date}", {}, at=east) == "2026_03_01"


def test_a_substitution_is_not_expanded_again() -> None:
    assert nametemplates.expand("{a}", {"a": "{date}"}, at=AT) == "{date}"


def test_an_unknown_placeholder_is_told_with_the_near_one() -> None:
    with pytest.raises(ConfigError, match=r"x is 'a_\{dat\}', and nothing stands for \{dat\}. Did you mean \{date\}\?"):
        nametemplates.check("a_{dat}", {}, what="x")


def test_a_plain_name_stays() -> None:
    assert nametemplates.expand("nightly", {}, at=AT) == "nightly"
    assert not nametemplates.has_placeholder("nightly")
