"""What the pages count and list is what there is: alerts, changes that an earlier version cannot run beside, the length of a run."""

from __future__ import annotations

import re

import yaml

from tests.architecture.source import ROOT

NUMBERS = {12: "twelve", 13: "thirteen", 14: "fourteen", 15: "fifteen", 16: "sixteen"}
OPERATING = (ROOT / "docs/operating.md").read_text()


def test_the_alerts_are_counted():
    groups = yaml.safe_load((ROOT / "deploy/prometheus/caseworker.rules.yml").read_text())["groups"]
    alerts = [rule for group in groups for rule in group["rules"] if "alert" in rule]

    assert f" {NUMBERS[len(alerts)]} alerts" in OPERATING


def test_each_decision_that_an_earlier_version_cannot_run_beside_is_listed():
    raising = {
        path.name
        for path in (ROOT / "docs/decisions").glob("*.md")
        if re.search(r"schema_floor|floor of the schema", path.read_text())
    }

    assert raising
    assert {name for name in raising if f"(decisions/{name})" not in (ROOT / "docs/growth.md").read_text()} == set()


def test_a_new_version_may_ask_for_a_stop_and_the_page_says_so():
    assert "Stop processes of an earlier version" in (ROOT / "CHANGELOG.md").read_text()
    assert "unless the [changelog](../CHANGELOG.md) says to stop" in OPERATING


def test_a_long_run_of_the_faults_is_as_long_everywhere():
    told = [(ROOT / "Makefile").read_text(), (ROOT / "docs/faults.md").read_text()]

    assert all(re.search(r"LONG=1.* a quarter of an hour", text) for text in told)


def test_every_provider_of_models_is_named():
    assert re.search(
        r"^- \*\*Models\*\*: Anthropic's, OpenAI's .* local one", (ROOT / "README.md").read_text(), re.MULTILINE
    )


def test_the_doctor_is_asked_where_the_settings_are():
    assert "docker compose run --rm worker-thinking doctor" in OPERATING


def test_the_example_says_where_its_lines_belong_with_compose():
    assert "deploy/env" in "".join((ROOT / ".env.example").read_text().splitlines()[:4])
