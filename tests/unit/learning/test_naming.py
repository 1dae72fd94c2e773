"""A candidate is what its words say, and nothing else."""

from __future__ import annotations

import pytest

from integrations.models.base import ModelRequest
from tests.kit.engine import POLICY, TinyTriage
from workers.learning.candidate import Candidate, read_prompts
from workers.learning.naming import Words, read
from workers.settings import Settings


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("openai/some-model 10%", Words("openai/some-model", "", 10)),
        ("openai/org/some-model", Words("openai/org/some-model", "", 100)),
        ("prompts:/etc/prompts 25%", Words("", "/etc/prompts", 25)),
        ("openai/m prompts:/etc/prompts 5%", Words("openai/m", "/etc/prompts", 5)),
    ],
)
def test_words(written, words):
    assert read(written) == words
    assert Settings(_env_file=None, shadow=written).shadow == written


@pytest.mark.parametrize("written", ["10%", "some-model", "openai/m 0%", "openai/m 101%", "openai/m please"])
def test_what_is_no_candidate_is_refused(written):
    with pytest.raises(ValueError, match=r"names no model|neither PROVIDER"):
        read(written)


def test_a_share_takes_about_so_many_and_always_the_same():
    words = Words("openai/m", "", 10)
    taken = [n for n in range(2000) if words.takes(f"case_{n}")]

    assert 120 < len(taken) < 280
    assert taken == [n for n in range(2000) if words.takes(f"case_{n}")]


def test_other_instructions_take_the_place_of_the_domains_own(tmp_path):
    (tmp_path / "support.md").write_text("# triage\n\nRead.\n\n# draft\n\nWrite shortly.\n")
    instructions, macros = read_prompts(tmp_path, ["support", "content"])
    changed = Candidate("c", POLICY, None, instructions, macros)

    assert changed.changed(asked("support")).instructions == "Write shortly."
    assert changed.changed(asked("content")).instructions == "As ever."


def test_a_folder_that_changes_nothing_is_an_error(tmp_path):
    with pytest.raises(ValueError, match=r"neither <domain>\.md"):
        read_prompts(tmp_path, ["support"])


def asked(domain):
    return ModelRequest(domain=domain, task="draft", instructions="As ever.", material=(), output=TinyTriage)
