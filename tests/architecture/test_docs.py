"""Undocumented means failing: settings, sources, commands, decisions, and every path and link that a page names."""

import re
import shlex
from importlib import import_module
from pathlib import Path

import pytest
import typer

from integrations import registry
from tests.architecture.source import ROOT, python_files
from workers.cli import COMMANDS
from workers.settings import Settings

SETTINGS = (ROOT / "docs/settings.md").read_text()
EXAMPLE = (ROOT / ".env.example").read_text()
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
DECISIONS = sorted((ROOT / "docs/decisions").glob("*"))


@pytest.mark.parametrize("field", Settings.model_fields)
def test_every_setting_is_documented(field):
    variable = f"CASEWORKER_{field.upper()}"

    assert Settings.model_fields[field].description
    assert re.search(rf"^\| `{variable}` \| .+ \| .+ \|$", SETTINGS, re.MULTILINE)
    assert re.search(rf"^# {variable}=", EXAMPLE, re.MULTILINE)


@pytest.mark.parametrize("field", [f for f, i in Settings.model_fields.items() if isinstance(i.default, int | float)])
def test_the_documented_default_is_the_real_one(field):
    default = str(Settings.model_fields[field].default)
    shown = default.lower() if default in ("True", "False") else default

    assert re.search(rf"^\| `CASEWORKER_{field.upper()}` \| `{re.escape(shown)}` \|", SETTINGS, re.MULTILINE)
    assert f"# CASEWORKER_{field.upper()}={shown}\n" in EXAMPLE


def test_the_example_and_the_page_name_no_setting_that_is_not_there():
    known = {f"CASEWORKER_{field.upper()}" for field in Settings.model_fields}

    assert set(re.findall(r"CASEWORKER_\w+", SETTINGS + EXAMPLE)) <= known


def test_every_setting_of_a_vendor_is_documented():
    named = {
        setting
        for path in python_files("integrations")
        for setting in re.findall(
            r'"([A-Z][A-Z0-9]+(?:_[A-Z0-9]+)*_(?:API_KEY|BASE_URL|SECRET|MODEL|STREAM|STRUCTURED|THINKING))"',
            path.read_text(),
        )
    }

    assert named
    assert {setting for setting in named if f"`{setting}`" not in SETTINGS} == set()
    assert {setting for setting in named if f"# {setting}=" not in EXAMPLE} == set()


@pytest.mark.parametrize("source", registry.sources())
def test_every_source_has_a_page_and_recorded_events(source):
    assert (ROOT / f"docs/sources/{source}.md").is_file()
    assert list((ROOT / f"tests/fixtures/{source}").glob("*.json"))


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_shown_in_use(command):
    assert any(f"caseworker {command}" in page.read_text() for page in PAGES)


def written_out(page):
    """The commands of a page that are there to be copied: lines of code, and those in a sentence that have an option."""
    text = page.read_text()
    code = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)
    lines = "\n".join([*code.findall(text), *re.findall(r"^    \S.*", text, re.MULTILINE)]).replace("\\\n", " ")
    yield from re.findall(r"^ *(?:\$ )?(?:\S+/)?caseworker ([a-z].*)$", lines, re.MULTILINE)
    yield from re.findall(r"`caseworker ([a-z][^`]* --[a-z-]+ [^`]+)`", code.sub("", text))


def read_command(words):
    """As the command line would, without running it. What it does not know, or misses, raises."""
    name, rest = words[0], words[1:]
    command = typer.main.get_command(import_module(COMMANDS[name].module).app)
    while hasattr(command, "resolve_command"):
        context = command.make_context(name, rest)
        rest = [*context._protected_args, *context.args]
        if not rest:
            return
        name, command, rest = command.resolve_command(context, rest)
    command.make_context(name, rest)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_that_are_there_to_be_copied_have_all_that_they_need(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for written in written_out(page):
        words = shlex.split(re.sub(r"\b(\w+)\|[\w|]+", r"\1", written), comments=True)
        for file in (word for word in words if word.endswith(".jsonl.gz")):
            (tmp_path / file).touch()
        read_command([word for word in words if word != ">"])


@pytest.mark.parametrize("path", DECISIONS, ids=lambda path: path.name)
def test_a_decision_has_a_number_a_title_and_its_alternatives(path):
    number = f"{DECISIONS.index(path) + 1:04}"
    text = path.read_text()

    assert re.fullmatch(rf"{number}(-[a-z0-9]+)+\.md", path.name)
    assert text.startswith(f"# {number} ")
    assert "## Alternatives considered" in text
    assert len(text.splitlines()) <= 60


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page):
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text())

    assert [link for link in links if "://" not in link and not (page.parent / link).exists()] == []


def headings(page: Path) -> set[str]:
    """What a link may name of a page, made as GitHub makes it."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    titles = [re.sub(r"\[([^]]+)\]\([^)]*\)", r"\1", title) for title in re.findall(r"^#+ (.+)$", text, re.MULTILINE)]
    return {re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-") for title in titles}


def test_links_into_a_page_name_a_heading_of_it():
    links = [
        (page.name, (page.parent / to) if to else page, heading)
        for page in PAGES
        for to, heading in re.findall(r"\]\(([^)#\s:]*)#([^)]+)\)", page.read_text())
    ]

    assert len(links) > 10
    assert [(on, to.name, heading) for on, to, heading in links if heading not in headings(to)] == []


def test_the_map_in_the_readme_names_what_is_there():
    text = (ROOT / "README.md").read_text()
    named = re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE)

    assert len(named) > 5
    assert [path for path in named if not (ROOT / path).exists()] == []


def on_the_map():
    text = (ROOT / "docs/architecture.md").read_text().split("```")[1]
    folder = Path()
    for line in text.strip().splitlines():
        words = re.match(r"(\S+/)?\s+((?:[\w.]+/? )+)\s", line)
        folder = Path(words[1]) if words[1] else folder
        yield from (ROOT / folder / name for name in words[2].split())


def test_the_map_of_the_architecture_names_what_is_there():
    assert [path for path in on_the_map() if not path.exists()] == []


def test_all_that_is_in_workers_is_on_the_map_of_the_architecture():
    there = {path for path in (ROOT / "workers").iterdir() if not path.name.startswith("__")}

    assert sorted(path.name for path in there - set(on_the_map())) == []
