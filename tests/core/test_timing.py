"""When schedules fire, around changes of clocks too."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepwell.core.timing import Timing, TimingKind, as_moment, cron_fires
from stepwell.errors import ConfigError

BERLIN = "Europe/Berlin"
#: clocks in Berlin go from 2:00 to 3:00 on this night, and back from 3:00 to 2:00 on the other
SPRING = datetime(2026, 3, 28, 22, tzinfo=UTC)
AUTUMN = datetime(2026, 10, 24, 23, 30, tzinfo=UTC)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def berlin(cron: str, after: datetime, count: int) -> list[str]:
    fires = Timing(cron=cron, zone=BERLIN).next_fires(after, count=count)
    return [f"{fire.astimezone(ZoneInfo(BERLIN)):%d %H:%M %z}" for fire in fires]


def test_a_daily_time_that_does_not_exist_moves_to_the_first_that_does() -> None:
    assert berlin("30 2 * * *", SPRING, 2) == ["29 03:00 +0200", "30 02:30 +0200"]


def test_several_times_in_the_gap_become_one() -> None:
    assert berlin("15,45 2 * * *", SPRING, 3) == ["29 03:00 +0200", "30 02:15 +0200", "30 02:45 +0200"]


def test_a_daily_time_that_exists_twice_fires_at_the_first() -> None:
    assert berlin("30 2 * * *", AUTUMN, 2) == ["25 02:30 +0200", "26 02:30 +0100"]


@pytest.mark.parametrize("after", ["2026-10-25T00:30+00:00", "2026-10-25T01:10+00:00", "2026-10-25T01:29:59+00:00"])
def test_between_the_folds_nothing_fires_a_second_time(after: str) -> None:
    assert berlin("30 2 * * *", at(after), 1) == ["26 02:30 +0100"]


def test_a_wildcard_fires_in_both_folds_and_not_in_the_gap() -> None:
    assert berlin("*/30 2 * * *", AUTUMN, 4) == ["25 02:00 +0200", "25 02:30 +0200", "25 02:00 +0100", "25 02:30 +0100"]
    assert berlin("*/30 2 * * *", SPRING, 1) == ["30 02:00 +0200"]


def test_hourly_is_every_hour_that_passes() -> None:
    for night in (SPRING, AUTUMN):
        fires = Timing(cron="@hourly", zone=BERLIN).next_fires(night, count=8)
        assert {later - earlier for earlier, later in pairwise(fires)} == {timedelta(hours=1)}


def test_six_fields_begin_with_seconds() -> None:
    fires = Timing(cron="*/20 0 12 * * *").next_fires(at("2026-01-01T11:00+00:00"), count=4)

    assert [f"{fire:%d %H:%M:%S}" for fire in fires] == ["01 12:00:00", "01 12:00:20", "01 12:00:40", "02 12:00:00"]


@pytest.mark.parametrize(
    ("alias", "expected"),
    [
        ("@yearly", "2027-01-01T00:00"),
        ("@monthly", "2026-12-01T00:00"),
        ("@weekly", "2026-11-29T00:00"),
        ("@Daily", "2026-11-24T00:00"),
        ("@hourly", "2026-11-23T13:00"),
    ],
)
def test_aliases_stand_for_expressions(alias: str, expected: str) -> None:
    assert Timing(cron=alias).next_fire(at("2026-11-23T12:34+00:00")) == at(f"{expected}+00:00")


@pytest.mark.parametrize(
    "cron",
    ["* *", "x * * * *", "61 * * * *", "@reboot", "* * * * * * *", "0 0 30 2 *", "5-1 * * * *", "*/0 * * * *", "\0"],
)
def test_a_bad_expression_is_refused_by_name(cron: str) -> None:
    with pytest.raises(ConfigError, match="cron expression") as caught:
        Timing(cron=cron)

    assert cron in caught.value.message
    assert "5 fields" in caught.value.hint


def test_an_expression_without_end_is_refused_quickly() -> None:
    with pytest.raises(ConfigError, match="longer than 200"):
        Timing(cron=",".join(["1"] * 500) + " * * * *")


@given(st.text(max_size=40))
def test_no_text_does_worse_than_a_clear_refusal(text: str) -> None:
    try:
        found = list(islice(cron_fires(text, after=SPRING, zone=BERLIN), 3))
    except ConfigError:
        return
    assert found == sorted(set(found))


@given(
    st.sampled_from(["*/7 * * * *", "30 2 * * *", "0 30 2 * * *", "59 23 31 12 *", "15 1-3 * * 0"]),
    st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
)
def test_every_fire_is_later_than_the_one_before(cron: str, after: datetime) -> None:
    timing = Timing(cron=cron, zone=BERLIN)
    first, second = timing.next_fires(after, count=2)

    assert after < first < second
    # However late the clock looks, it finds the same time.
    assert timing.next_fire(first - timedelta(seconds=1)) == first


def test_an_interval_counts_elapsed_time_from_its_start() -> None:
    timing = Timing(interval=86400, start=at("2026-10-24T02:30+02:00"), zone=BERLIN)

    assert timing.next_fire(at("2026-10-24T00:00+00:00")) == at("2026-10-24T00:30+00:00")
    assert timing.next_fire(at("2026-10-24T00:30+00:00")) == at("2026-10-25T00:30+00:00")
    assert timing.next_fire(at("2026-10-28T12:00+00:00")) == at("2026-10-29T00:30+00:00")


def test_an_interval_begins_at_its_start_and_not_before() -> None:
    timing = Timing(interval=60, start=at("2026-12-01T00:00+00:00"))

    assert timing.next_fire(at("2026-11-01T00:00+00:00")) == at("2026-12-01T00:00+00:00")


def test_once_is_once() -> None:
    timing = Timing(once=at("2026-12-01T00:00+00:00"))

    assert timing.next_fires(at("2026-11-01T00:00+00:00"), count=5) == [at("2026-12-01T00:00+00:00")]
    assert timing.next_fire(at("2026-12-01T00:00+00:00")) is None


def test_nothing_fires_before_start_or_after_end() -> None:
    timing = Timing(cron="@daily", start=at("2026-12-01T00:00+00:00"), end=at("2026-12-03T00:00+00:00"))

    assert [fire.day for fire in timing.next_fires(at("2026-11-01T00:00+00:00"), count=9)] == [1, 2, 3]


def test_a_range_holds_both_its_ends_and_looks_past_start_and_end() -> None:
    timing = Timing(cron="@daily", start=at("2026-12-01T00:00+00:00"))
    fires = timing.fires_between(at("2026-11-01T00:00+00:00"), at("2026-11-03T00:00+00:00"), limit=10)
    assert [fire.day for fire in fires] == [1, 2, 3]
    assert len(timing.fires_between(at("2026-01-01T00:00+00:00"), at("2026-11-03T00:00+00:00"), limit=10)) == 10

    weekly = Timing(interval=7 * 86400, start=at("2026-12-01T06:00+00:00"))
    fires = weekly.fires_between(at("2026-11-01T00:00+00:00"), at("2026-11-20T00:00+00:00"), limit=10)
    assert [fire.day for fire in fires] == [3, 10, 17]


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({}, "nothing says when"),
        ({"cron": "@daily", "interval": 5}, "cron and interval are both"),
        ({"interval": 60}, "needs a time to count from"),
        ({"interval": 0, "start": SPRING}, "interval of the schedule is 0"),
        ({"interval": 1.5, "start": SPRING}, "interval of the schedule is 1.5"),
        ({"cron": "@daily", "zone": "Mars/Olympus"}, "“Mars/Olympus” is not a time zone"),
        ({"cron": "@daily", "zone": "../../etc/passwd"}, "is not a time zone"),
        ({"cron": "@daily", "start": AUTUMN, "end": SPRING}, "ends before it starts"),
        ({"once": SPRING.replace(tzinfo=None)}, "names no time zone"),
    ],
)
def test_parts_that_do_not_fit_are_refused(parts: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Timing(**parts)


def test_a_time_without_a_zone_is_one_of_the_schedules_zone() -> None:
    assert as_moment(datetime(2026, 7, 1, 12), BERLIN) == at("2026-07-01T10:00+00:00")  # noqa: DTZ001
    assert as_moment(at("2026-07-01T12:00+00:00"), BERLIN) == at("2026-07-01T12:00+00:00")


def test_the_kind_and_the_words_follow_from_what_is_given() -> None:
    assert Timing(cron="@daily").kind == TimingKind.CRON
    assert Timing(once=SPRING).kind == TimingKind.ONCE
    assert Timing(interval=5400, start=SPRING).describe() == "every 1 h 30 m"
