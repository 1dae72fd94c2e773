"""The two objects speak every protocol, with the very signatures, and the reading one cannot write."""

from __future__ import annotations

import inspect

import pytest

from integrations import base
from integrations.sample_company.company import SampleCompany, SampleWriters

READERS = [
    base.HelpdeskReader,
    base.CrmReader,
    base.ShopReader,
    base.PaymentsReader,
    base.WatchListReader,
    base.SiteReader,
    base.VersionReader,
]
WRITERS = [
    base.HelpdeskWriter,
    base.PaymentsWriter,
    base.RiskDeskWriter,
    base.MailWriter,
    base.PublisherWriter,
]


def methods(protocol: type) -> list[str]:
    return [name for name, value in vars(protocol).items() if inspect.isfunction(value) and not name.startswith("_")]


@pytest.mark.parametrize("protocol", READERS)
def test_the_company_speaks_every_reader(protocol: type, company: SampleCompany) -> None:
    assert isinstance(company, protocol)


@pytest.mark.parametrize("protocol", WRITERS)
def test_the_writers_speak_every_writer(protocol: type, writers: SampleWriters) -> None:
    assert isinstance(writers, protocol)


@pytest.mark.parametrize("protocol", WRITERS)
def test_whoever_may_read_cannot_write(protocol: type, company: SampleCompany) -> None:
    assert [name for name in methods(protocol) if hasattr(company, name)] == []


@pytest.mark.parametrize(
    ("speaker", "protocol", "name"),
    [
        (speaker, protocol, name)
        for speaker, protocols in ((SampleCompany, READERS), (SampleWriters, WRITERS))
        for protocol in protocols
        for name in methods(protocol)
        if name != "_is_protocol"
    ],
    ids=lambda value: value if isinstance(value, str) else getattr(value, "__name__", ""),
)
def test_each_method_has_the_protocols_signature(speaker: type, protocol: type, name: str) -> None:
    assert inspect.signature(getattr(speaker, name)) == inspect.signature(getattr(protocol, name))
