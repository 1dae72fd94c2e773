"""What an installation makes for itself is made once, whoever asks for it at the same moment and whatever was broken off before."""

from __future__ import annotations

import os

import pytest
from cryptography.fernet import Fernet

from integrations import kept_secret as module
from integrations.kept_secret import kept_secret
from integrations.registry import sample_secret
from workers.intake import quarantining


def test_a_secret_is_made_once_whole_and_for_its_owner_alone(tmp_path):
    path = tmp_path / "var" / "key"

    assert kept_secret(path, lambda: "first") == kept_secret(path, lambda: "second") == "first"
    assert path.stat().st_mode & 0o077 == 0
    assert [left.name for left in path.parent.iterdir()] == ["key"]


def test_of_two_that_make_it_at_the_same_moment_both_get_the_first(tmp_path):
    path = tmp_path / "key"

    def make():
        assert kept_secret(path, lambda: "the other's") == "the other's"
        return "ours"

    assert kept_secret(path, make) == "the other's"
    assert [left.name for left in tmp_path.iterdir()] == ["key"]


def test_one_that_could_not_be_written_leaves_nothing_behind(tmp_path):
    def full():
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        kept_secret(tmp_path / "key", full)
    assert list(tmp_path.iterdir()) == []


def test_what_a_process_with_the_same_number_left_behind_is_in_nobodys_way(tmp_path, monkeypatch):
    """In a container each process has the number of the one before it."""
    monkeypatch.setattr(module.os, "getpid", lambda: 1)
    for left in (f"secret_key.{os.getpid()}", f".secret_key.{os.getpid()}"):
        (tmp_path / left).touch()

    assert len(quarantining._key_file(tmp_path)) == len(Fernet.generate_key())


def test_doors_that_refuse_their_first_requests_at_the_same_moment_share_a_key(tmp_path, monkeypatch):
    """Else what one of them keeps could be opened by nobody once it has ended."""
    keys = iter([b"one", b"another"])
    found = []

    def generate():
        key = next(keys)
        if not found:
            found.append(None)
            found.append(quarantining._key_file.__wrapped__(tmp_path))
        return key

    monkeypatch.setattr(quarantining.Fernet, "generate_key", generate)

    assert quarantining._key_file.__wrapped__(tmp_path) == found[1]


def test_processes_that_start_together_share_the_sample_companys_secret(tmp_path, monkeypatch):
    found = []
    rolled = module.secrets.token_bytes

    def roll(size):
        if not found:
            found.append(None)
            found.append(sample_secret(tmp_path))
        return rolled(size)

    monkeypatch.setattr("integrations.registry.secrets.token_bytes", roll)

    assert sample_secret(tmp_path) == found[1] != ""
