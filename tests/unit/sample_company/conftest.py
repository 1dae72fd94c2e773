"""A sample company of one's own for each test: made once, copied as a file, with a clock that the test moves."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from integrations.sample_company.company import SampleCompany, SampleWriters
from integrations.sample_company.shopfront import Shopfront

TODAY = date(2026, 11, 20)


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def pass_(self, **span: float) -> None:
        self.now += timedelta(**span)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("made") / "company.db"
    SampleCompany(path, today=TODAY).close()
    return path


@pytest.fixture
def file(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(made, tmp_path / "company.db"))


@pytest.fixture
def company(file: Path, clock: Clock) -> Iterator[SampleCompany]:
    with SampleCompany(file, clock=clock, patience=0.2) as opened:
        yield opened


@pytest.fixture
def writers(company: SampleCompany) -> SampleWriters:
    return SampleWriters(company)


@pytest.fixture
def shop(company: SampleCompany) -> Shopfront:
    return Shopfront(company)
