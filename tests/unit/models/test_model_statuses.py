"""How long a service asks us to wait, in whichever way it says so."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from integrations.models.statuses import Names, consequence

NOW = "Fri, 20 Nov 2026 12:00:00 GMT"


def asked(said, *, status=429, **headers):
    return consequence(status, "", {"retry-after": said, **headers}, Names("KEY", "MODEL", "URL")).retry_after


@pytest.mark.parametrize("status", [429, 503, 529])
@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("30", 30),
        (" 1.5 ", 1.5),
        ("0", 0),
        ("Fri, 20 Nov 2026 12:05:00 GMT", 300),
        ("Friday, 20-Nov-26 12:05:00 GMT", 300),
        ("Fri Nov 20 12:05:00 2026", 300),
        ("Fri, 20 Nov 2026 14:05:00 +0200", 300),
        ("Fri, 20 Nov 2026 11:00:00 GMT", 0),
    ],
)
def test_seconds_and_dates_are_read(status, said, seconds):
    assert asked(said, status=status, date=NOW) == seconds


def test_a_date_of_a_service_that_does_not_tell_the_time_is_taken_by_our_clock():
    in_a_minute = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)

    assert asked(in_a_minute) == pytest.approx(60, abs=30)
    assert asked(in_a_minute, date="noon") == pytest.approx(60, abs=30)


@pytest.mark.parametrize("said", ["", "soon", "-1", "nan", "inf", "1e999", "Fri, 99 Nov 2026 12:00:00 GMT", "\x00"])
def test_what_says_nothing_is_no_wait(said):
    assert asked(said, date=NOW) is None


@pytest.mark.parametrize(("exact", "seconds"), [("1500", 1.5), ("0", 0), ("soon", 30), ("-1", None), ("inf", None)])
def test_thousandths_of_a_second_go_before_whole_ones(exact, seconds):
    assert asked("30", **{"retry-after-ms": exact}) == seconds
