"""docs/sample-company.md and docs/sources/sample.md are true: what they show runs."""

from __future__ import annotations

import re
from pathlib import Path

from integrations import sample_company

DOCS = Path(sample_company.__file__).parents[2] / "docs"
SECRET = "whsec_" + "A" * 40


def blocks(page: str) -> list[str]:
    """The page's code, with a secret in the place of the dots."""
    return [
        code.replace("whsec_…", SECRET)
        for code in re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(), re.DOTALL)
    ]


def test_what_the_company_can_be_made_to_do_is_as_shown(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "var").mkdir()
    acting, weather = blocks("sample-company.md")
    shown: dict[str, object] = {}

    # Everything but the thread that sends: nobody listens here.
    exec(acting.replace("sender.start()\n", ""), shown)
    exec(weather, shown)

    company, shop = shown["company"], shown["shop"]
    try:
        assert shop.conversation(shown["ticket"]).title == "Refund, please"
        assert shown["charge"].startswith("ch_")
    finally:
        company.close()


def test_a_request_is_signed_as_shown():
    (signing,) = blocks("sources/sample.md")
    shown: dict[str, object] = {"body": b"{}"}

    exec(signing, shown)

    assert set(shown["headers"]) == {"webhook-id", "webhook-timestamp", "webhook-signature"}
    assert shown["headers"]["webhook-id"] == "msg_42"
