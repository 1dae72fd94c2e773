"""The dashboard and the alerts ask only for numbers that there are, and each alert says what to do."""

from __future__ import annotations

import json
import re
import urllib.request
from datetime import UTC, datetime

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.architecture.source import ROOT
from tests.integration.ops.deployment import OURS
from tests.kit.installation import Installation
from tests.servers.ports import free_port
from workers import exposition
from workers.actions.catalogue import CATALOGUE
from workers.store.figures import Figures
from workers.telemetry import metrics, serving

DASHBOARD = json.loads((ROOT / "deploy/grafana/caseworker.json").read_text())
CONFIG = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())
ALERTS = [
    rule
    for group in yaml.safe_load((ROOT / "deploy/prometheus/caseworker.rules.yml").read_text())["groups"]
    for rule in group["rules"]
]
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


def there_are():
    """Every metric by name."""
    nothing = Figures([], [], [], 0, 0, [], [], [], [])
    asked = [*exposition.of(nothing, datetime.now(UTC)), exposition._up(1)]
    families = text_string_to_metric_families(serving.render(lambda: asked).decode())
    return {family.name for family in families} | {found.name for found in metrics.REGISTRY.collect()}


MADE = there_are()
KNOWN = {name + end for name in MADE for end in ("", "_total", "_bucket", "_sum", "_count")}


def asked_for(expression):
    return set(re.findall(r"\b(?:caseworker|process)_\w+", expression))


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_each_panel_asks_for_numbers_that_there_are(panel):
    asked = {name for target in panel["targets"] for name in asked_for(target["expr"])}

    assert asked
    assert asked <= KNOWN


def test_every_number_of_ours_is_on_the_dashboard_or_in_an_alert():
    """But for those of the last five minutes, which are there for who has no Prometheus to remember."""
    shown = asked_for(json.dumps(DASHBOARD) + json.dumps(ALERTS))
    ours = {name for name in MADE if name.startswith("caseworker_") and not name.startswith("caseworker_recent_")}

    assert len(ours) > 15
    assert {name for name in ours if not any(seen.startswith(name) for seen in shown)} == set()


def test_panels_have_numbers_of_their_own_and_do_not_overlap():
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    cells = [
        (x, y)
        for panel in DASHBOARD["panels"]
        for place in [panel["gridPos"]]
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]

    assert len(ids) == len(set(ids))
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) == 23


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_each_alert_asks_for_what_there_is_and_says_what_to_do(rule):
    assert asked_for(rule["expr"])
    assert asked_for(rule["expr"]) <= KNOWN
    assert rule["labels"]["severity"] in {"page", "look"}
    assert rule["annotations"]["summary"].strip()
    assert rule["annotations"]["action"].strip()


def test_what_nobody_can_know_without_the_database_is_no_alert():
    """Where numbers that are missing count as none, a database that is away would call people to processes that are well."""
    filled = [rule["expr"] for rule in ALERTS if "vector(" in rule["expr"]]

    assert len(filled) == 2
    assert all(expression.endswith(" and max(caseworker_database_up) == 1") for expression in filled)


def test_prometheus_looks_at_every_process_of_the_compose_file():
    (job,) = CONFIG["scrape_configs"]
    (found,) = job["dns_sd_configs"]

    assert set(found["names"]) == set(OURS) - {"migrate"}
    assert {str(found["port"])} == {service["environment"]["CASEWORKER_METRICS_PORT"] for service in OURS.values()}
    assert CONFIG["rule_files"] == ["caseworker.rules.yml"]


def test_what_alerts_look_for_a_rise_in_is_shown_before_the_first_one(tmp_path):
    """Of a series that begins with a hundred failures Prometheus says that none were added, and nobody is told."""
    port = free_port()
    installation = Installation(tmp_path, CASEWORKER_METRICS_PORT=str(port))
    try:
        installation.start()
        installation.ready()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
            shown = set(answer.read().decode().splitlines())
    finally:
        installation.close()

    assert {f'caseworker_actions_total{{kind="{kind}",outcome="failed"}} 0.0' for kind in CATALOGUE} <= shown
    assert {
        f'caseworker_request_seconds_count{{door="{door}",status="{status}"}} 0.0'
        for door in ("hooks", "events")
        for status in (500, 503)
    } <= shown
    assert {f'caseworker_hints_total{{result="{result}"}} 0.0' for result in ("failed", "dropped")} <= shown
