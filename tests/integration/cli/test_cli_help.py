"""Help is quick, whole, and says the same in both places."""

import subprocess
import sys
import tomllib
from importlib import import_module

import pytest
import typer

from tests.architecture.source import ROOT
from workers import cli

LOADED = (
    "import sys; from workers.cli import main\ntry: main(['--help'])\nfinally: print(*sys.modules, file=sys.stderr)"
)


def test_help_loads_nothing_that_is_slow():
    ran = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True, cwd=ROOT)

    assert not {"sqlalchemy", "celery", "sklearn", "fastapi", "pydantic"} & set(ran.stderr.split())
    assert all(f" {name} " in ran.stdout for name in cli.COMMANDS)


def test_it_says_which_version_it_is(caseworker):
    ran = caseworker("--version")

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert (ran.status, ran.out) == (0, f"{project['version']}\n")


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_has_help_that_begins_as_it_is_listed(caseworker, name):
    ran = caseworker(name, "--help")

    assert ran.status == 0
    assert f"Usage: caseworker {name}" in ran.out
    assert cli.COMMANDS[name].help in " ".join(ran.out.split())


def every_command():
    """Name and command, groups opened."""
    for name, entry in cli.COMMANDS.items():
        command = typer.main.get_command(import_module(entry.module).app)
        yield name, command
        for part in getattr(command, "commands", {}).values():
            yield f"{name} {part.name}", part


def test_every_command_and_option_explains_itself():
    silent = [name for name, command in every_command() if not command.help]
    silent += [
        f"{name} --{option.name}"
        for name, command in every_command()
        for option in command.params
        if option.param_type_name == "option" and not getattr(option, "help", None)
    ]

    assert silent == []


def test_every_listing_can_be_read_by_programs():
    listings = {
        name: [flag for option in command.params for flag in option.opts]
        for name, command in every_command()
        if name.endswith((" list", " show", " timeline", " verify")) or name in ("demo", "doctor", "send")
    }

    assert len(listings) > 10
    assert [name for name, flags in listings.items() if "--json" not in flags] == []


def test_a_misspelt_command_is_answered_with_the_right_one(caseworker):
    ran = caseworker("inbix")

    assert ran.status == 2
    assert "Did you mean 'inbox'?" in ran.err
