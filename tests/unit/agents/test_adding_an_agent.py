"""docs/adding-an-agent.md, walked word for word on a copy of the project."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "adding-an-agent.md"
BLOCK = re.compile(r"^`(?P<path>[\w./-]+)`\n\n```(?P<kind>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)

WALK = """
import json, sys
from shop_in_memory import Event, Shop, gather
from integrations.base import EventType
from integrations.models.local import LocalModel
from workers.agents.roster import AGENTS
from workers.intake.receive import DOMAINS

agent, model, answers = AGENTS["returns"], LocalModel(), []
for text, email in json.loads(sys.argv[1]):
    data = {"title": "Return", "text": text, "requester_email": email}
    event = Event(EventType.RETURN_ANNOUNCED.value, "shop:ticket:7", data)
    triage = model.answer(agent.ask_triage([event])).output.model_dump(mode="json") | {"primary_field": agent.primary}
    found = gather(agent, Shop(), [event], triage)
    draft = model.answer(agent.ask_draft([event], triage, found.facts, None, [])).output.model_dump(mode="json")
    answers.append({"reason": triage["reason"], "missing": found.missing, "actions": draft["actions"]})
print(json.dumps({"domain": DOMAINS[EventType.RETURN_ANNOUNCED], "answers": answers}))
"""


def blocks() -> list[tuple[str, str, str]]:
    return [(match["path"], match["kind"], match["text"]) for match in BLOCK.finditer(PAGE.read_text(encoding="utf-8"))]


def change(file: Path, diff: str) -> None:
    """Replace each run of `-` lines by the `+` lines after it. Every one must be there, once."""
    text = file.read_text(encoding="utf-8")
    for old, new in re.findall(r"((?:^-.*\n)+)((?:^\+.*\n)+)", diff, re.MULTILINE):
        before, after = (re.sub(r"^[-+]", "", part, flags=re.MULTILINE) for part in (old, new))
        assert text.count(before) == 1, f"{file.name} has no longer exactly one {before!r}"
        text = text.replace(before, after)
    file.write_text(text, encoding="utf-8")


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the three packages with every block of the page put where the page says."""
    copy = tmp_path_factory.mktemp("project")
    for package in ("workers", "integrations", "policies"):
        shutil.copytree(ROOT / package, copy / package, ignore=shutil.ignore_patterns("__pycache__"))
    for path, kind, text in blocks():
        file = copy / path
        assert file.exists() is (kind == "diff"), f"the page treats {path} as {'changed' if kind == 'diff' else 'new'}"
        if kind == "diff":
            change(file, text)
        else:
            file.write_text(text, encoding="utf-8")
    return copy


def run(copy: Path, *command: str) -> str:
    paths = os.pathsep.join([str(copy), str(Path(__file__).parent)])
    done = subprocess.run(
        [sys.executable, *command],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return done.stdout


def test_the_page_has_all_its_files() -> None:
    """Agent, prompt, macros, roster, event type, routing and examples: seven files, four of them new."""
    assert [(Path(path).name, kind) for path, kind, _ in blocks()] == [
        ("returns.py", "python"),
        ("returns.md", "markdown"),
        ("returns.yaml", "yaml"),
        ("roster.py", "diff"),
        ("base.py", "diff"),
        ("receive.py", "diff"),
        ("returns.jsonl", "json"),
    ]


def test_the_new_agent_works(walked: Path) -> None:
    """It classifies, looks up, drafts a letter from records, and hands over what it does not know."""
    written = [["The boots are too small", "ana@example.com"], ["The boots are too small", "nobody@example.com"]]

    said: dict[str, Any] = json.loads(run(walked, "-c", WALK, json.dumps(written)))

    known, unknown = said["answers"]
    assert said["domain"] == "returns"
    assert (known["reason"], known["missing"]) == ("too_small", [])
    assert [action["kind"] for action in known["actions"]] == ["reply_to_customer"]
    assert known["actions"][0]["arguments"]["body"].splitlines()[0] == "Hello Ana,"
    assert known["actions"][0]["citations"] == ["shop:customer:cu_1"]
    assert unknown["missing"] == ["customer"]
    assert [action["kind"] for action in unknown["actions"]] == ["escalate_ticket"]


def test_the_agent_on_the_page_is_typed(walked: Path) -> None:
    """What people copy from the page passes the checks that their own code must pass."""
    rules, agent = str(ROOT / "pyproject.toml"), "workers/agents/returns.py"

    run(walked, "-m", "mypy", "--config-file", rules, "--cache-dir", os.devnull, "--follow-imports=silent", agent)
    run(walked, "-m", "ruff", "check", "--no-cache", "--config", rules, agent)
    run(walked, "-m", "ruff", "format", "--no-cache", "--check", "--config", rules, agent)
