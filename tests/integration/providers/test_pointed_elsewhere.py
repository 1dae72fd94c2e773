"""An answer that points elsewhere: the question, which holds what a customer wrote, and the key do not go there."""

from __future__ import annotations

import pytest

from integrations.errors import Permanent
from integrations.models.anthropic.client import AnthropicModel
from integrations.models.openai.client import OpenAIModel
from integrations.models.openai.options import Options
from tests.integration.providers.asking import request
from tests.integration.providers.test_anthropic_shortcut import GIVEN
from tests.servers.raw_http import RawHttp, ok


@pytest.fixture
def elsewhere():
    with RawHttp([GIVEN]) as serving:
        yield serving


@pytest.fixture
def service():
    with RawHttp([GIVEN]) as serving:
        yield serving


def anthropics_first(address):
    return AnthropicModel("key", model="model-x", base_url=address)


def anthropics_later(address):
    made = anthropics_first(address)
    made.answer(request())
    return made


def openais(address):
    return OpenAIModel("key", model="model-x", base_url=address)


def openais_stream(address):
    return OpenAIModel("key", model="model-x", base_url=address, options=Options(stream=True))


@pytest.mark.parametrize("made", [anthropics_first, anthropics_later, openais, openais_stream])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("proxy", [None, "http://127.0.0.1:9"], ids=["", "in an environment with a proxy"])
def test_nothing_goes_there_and_the_error_says_where_it_points(monkeypatch, service, elsewhere, made, status, proxy):
    if proxy is not None:
        monkeypatch.setenv("HTTPS_PROXY", proxy)
    model = made(service.url)
    asked = len(service.requests)
    service.answers[:] = [ok(b"", f"location: {elsewhere.url}/v1/messages?token=x", status=f"{status} Moved")]

    with pytest.raises(Permanent, match=rf"elsewhere \({status}\): check [A-Z_]+URL\. It points to 127\.0\.0\.1\.$"):
        model.answer(request())

    assert elsewhere.requests == []
    assert len(service.requests) == asked + 1


@pytest.mark.parametrize("location", ["", "location: http://[", "location: /v2", "location: \u00e4\u00f6"])
def test_where_it_points_may_be_anything(service, location):
    service.answers[:] = [ok(b"", *filter(None, [location]), status="307 Moved")]

    with pytest.raises(Permanent, match=r"elsewhere \(307\): check ANTHROPIC_BASE_URL\.$"):
        anthropics_first(service.url).answer(request())
