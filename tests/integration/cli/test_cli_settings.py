"""A file `.env` that cannot be read ends every command in one line."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.mark.parametrize("command", [("case", "list"), ("doctor",)], ids=" ".join)
def test_a_file_of_settings_in_another_encoding_is_named(caseworker, command):
    Path(".env").write_bytes("# für alle\nCASEWORKER_LOG_LEVEL=INFO\n".encode("latin-1"))

    ran = caseworker(*command)

    assert ran.status == 2
    assert ran.err == "caseworker: The file .env in this folder is not in UTF-8: write it anew in that encoding.\n"


def test_a_file_of_settings_that_may_not_be_read_is_named(caseworker, monkeypatch):
    Path(".env").write_text("CASEWORKER_LOG_LEVEL=INFO\n")

    def refused(*_args, **_options):
        raise PermissionError(13, "Permission denied", ".env")

    # Who runs as root may read everything, so the mode of the file would prove nothing.
    monkeypatch.setattr("pydantic_settings.sources.providers.dotenv.dotenv_values", refused)
    ran = caseworker("case", "list")

    assert ran.status == 2
    assert "The file .env in this folder cannot be read: Permission denied. Let this account read it" in ran.err
