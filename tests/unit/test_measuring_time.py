"""A plan lasts days, weeks, calendar months or years in UTC, or for life: never nothing, never less than nothing."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.duration import END_OF_TIME, LIFETIME, MAX_COUNT, MAX_SECONDS, Duration, Unit

BEGINNING_OF_TIME = datetime.min.replace(tzinfo=UTC)

moments = st.datetimes(datetime(2000, 1, 1), datetime(2999, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001
any_moments = st.datetimes(timezones=st.just(UTC)).filter(lambda moment: moment <= END_OF_TIME)
sold = st.builds(
    Duration,
    count=st.integers(1, MAX_COUNT),
    unit=st.sampled_from([Unit.DAY, Unit.WEEK, Unit.MONTH, Unit.YEAR]),
)
left = st.builds(Duration, count=st.integers(1, MAX_SECONDS), unit=st.just(Unit.SECOND))
counted = sold | left


@pytest.fixture(scope="module", autouse=True)
def forgotten() -> None:
    """What other tests of this process have read is kept, and would not be read here."""
    Duration.read.cache_clear()


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.threat(29)
@pytest.mark.parametrize(
    ("start", "duration", "end"),
    [
        pytest.param("2026-01-31 18:30:15", "1 month", "2026-02-28 18:30:15", id="31 January and a month"),
        pytest.param("2028-01-31 18:30:15", "1 month", "2028-02-29 18:30:15", id="31 January of a leap year"),
        pytest.param("2026-03-31", "1 month", "2026-04-30", id="31 March and a month"),
        pytest.param("2026-02-28", "1 month", "2026-03-28", id="the last of February and a month is no last of March"),
        pytest.param("2028-02-29", "1 year", "2029-02-28", id="29 February and a year"),
        pytest.param("2028-02-29", "4 years", "2032-02-29", id="29 February and four years"),
        pytest.param("2096-02-29", "4 years", "2100-02-28", id="1900, 2100 and the like are no leap years"),
        pytest.param("2026-12-15", "1 month", "2027-01-15", id="over the end of a year"),
        pytest.param("2026-11-30", "3 months", "2027-02-28", id="over the end of a year to a shorter month"),
        pytest.param("2026-08-31", "18 months", "2028-02-29", id="a year and a half"),
        pytest.param("2026-03-29 00:30:00", "1 day", "2026-03-30 00:30:00", id="no hour is lost in spring"),
        pytest.param("2026-02-28", "2 days", "2026-03-02", id="days"),
        pytest.param("2026-12-31", "2 weeks", "2027-01-14", id="weeks"),
        pytest.param("2026-12-31 23:59:59", "2 seconds", "2027-01-01 00:00:01", id="seconds of what is left"),
    ],
)
def test_time_is_counted_by_the_calendar_in_utc(start: str, duration: str, end: str) -> None:
    assert Duration.read(duration).after(at(start)) == at(end)


@pytest.mark.threat(29)
@pytest.mark.parametrize("duration", ["1 day", "1 week", "1 month", "1 year", "1000 years"])
def test_nothing_lasts_beyond_the_year_9999(duration: str) -> None:
    assert Duration.parse(duration).after(at("9999-12-31 12:00:00")) == END_OF_TIME


@pytest.mark.parametrize("duration", ["1000 days", "1000 weeks", "1000 months", "1000 years", "99999999 seconds"])
def test_nothing_was_before_the_beginning_of_time(duration: str) -> None:
    assert Duration.read(duration).before(at("0001-01-02")) == BEGINNING_OF_TIME


def test_a_lifetime_has_no_end() -> None:
    assert LIFETIME.after(at("2026-01-01")) is None


def test_a_lifetime_before_anything_is_the_beginning_of_time() -> None:
    assert LIFETIME.before(at("2026-01-01")) == BEGINNING_OF_TIME


@pytest.mark.parametrize(
    ("end", "duration", "start"),
    [
        pytest.param("2026-03-31 09:00:00", "1 month", "2026-02-28 09:00:00", id="a month before 31 March"),
        pytest.param("2026-01-10", "2 months", "2025-11-10", id="over the beginning of a year"),
        pytest.param("2028-02-29", "1 year", "2027-02-28", id="a year before 29 February"),
        pytest.param("2026-03-02", "3 days", "2026-02-27", id="days"),
        pytest.param("2026-01-10", "2 weeks", "2025-12-27", id="weeks"),
    ],
)
def test_a_time_before_is_counted_by_the_calendar_too(end: str, duration: str, start: str) -> None:
    assert Duration.parse(duration).before(at(end)) == at(start)


@pytest.mark.threat(28)
@pytest.mark.parametrize(
    ("count", "unit"),
    [
        pytest.param(0, Unit.DAY, id="nothing"),
        pytest.param(-1, Unit.MONTH, id="less than nothing"),
        pytest.param(MAX_COUNT + 1, Unit.YEAR, id="more than is counted"),
        pytest.param(0, Unit.SECOND, id="not even a second"),
        pytest.param(MAX_SECONDS + 1, Unit.SECOND, id="more seconds than there are"),
        pytest.param(1, Unit.LIFETIME, id="a counted lifetime"),
        pytest.param(-1, Unit.LIFETIME, id="a lifetime in debt"),
    ],
)
def test_there_is_no_duration_of(count: int, unit: Unit) -> None:
    with pytest.raises(ValueError, match="count"):
        Duration(count=count, unit=unit)


@pytest.mark.threat(28)
@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("0 days", id="zero"),
        pytest.param("-1 day", id="a negative number"),
        pytest.param("+1 day", id="a sign"),
        pytest.param("01 day", id="a leading zero"),
        pytest.param("1.5 months", id="a fraction"),
        pytest.param("1 months", id="one of many"),
        pytest.param("2 month", id="many of one"),
        pytest.param("1 Month", id="a capital"),
        pytest.param("1  month", id="two spaces"),
        pytest.param(" 1 month", id="a space before"),
        pytest.param("1 month\n", id="a line break behind"),
        pytest.param("1 month 2 days", id="two units"),
        pytest.param("1 hour", id="a unit that is not sold"),
        pytest.param("1 second", id="a second, by which no plan is sold"),
        pytest.param("86400 seconds", id="a day in seconds"),
        pytest.param("10000000000000 seconds", id="more seconds than can be written"),
        pytest.param("lifetimes", id="several lives"),
        pytest.param("1 lifetime", id="a counted life"),
        pytest.param("1001 days", id="more than is counted"),
        pytest.param("10000 days", id="far more than is counted"),
        pytest.param("١ month", id="a digit of another script"),
    ],
)
def test_no_duration_is_written(text: str) -> None:
    with pytest.raises(ValueError, match=r"(is not|counts)"):
        Duration.parse(text)


@given(duration=counted | st.just(LIFETIME))
def test_what_is_written_is_read_as_the_same_duration(duration: Duration) -> None:
    assert Duration.read(str(duration)) == duration


@given(duration=sold | st.just(LIFETIME))
def test_what_is_sold_is_written_as_a_catalog_writes_it(duration: Duration) -> None:
    assert Duration.parse(str(duration)) == duration


@pytest.mark.threat(29)
@given(start=any_moments, duration=counted)
def test_any_duration_from_any_moment_ends_and_never_before_it_began(start: datetime, duration: Duration) -> None:
    end = duration.after(start)

    assert end is not None
    assert start <= end <= END_OF_TIME
    assert BEGINNING_OF_TIME <= duration.before(start) <= start


@given(start=moments, duration=sold)
def test_what_is_sold_ends_at_the_time_of_day_at_which_it_began(start: datetime, duration: Duration) -> None:
    end = duration.after(start)

    assert end is not None
    assert end.timetz() == start.timetz()


@given(start=moments, count=st.integers(1, MAX_COUNT))
def test_a_month_is_never_longer_than_31_days_nor_shorter_than_28(start: datetime, count: int) -> None:
    end = Duration(count=count, unit=Unit.MONTH).after(start)

    assert end is not None
    assert timedelta(days=28) * count <= end - start <= timedelta(days=31) * count


@given(start=moments, duration=counted, later=st.timedeltas(timedelta(0), timedelta(days=3650)))
def test_who_begins_later_never_ends_earlier(start: datetime, duration: Duration, later: timedelta) -> None:
    ends = duration.after(start), duration.after(start + later)

    assert ends[0] is not None
    assert ends[1] is not None
    assert ends[0] <= ends[1]
