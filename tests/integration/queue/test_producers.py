"""The producers of docs/producers.md, taken from the page and run against real brokers as they stand there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kit.patience import until
from workers.store import cases, deadletters

PAGE = (Path(__file__).parents[3] / "docs/producers.md").read_text(encoding="utf-8")
EXAMPLES = dict(re.findall(r"^```(?:python|js) (\S+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
PACKAGES = ("amqplib@2.3.1", "ioredis@6.0.0")


@pytest.fixture(scope="session")
def node(tmp_path_factory):
    """A folder with the clients that the page names."""
    if shutil.which("npm") is None:
        pytest.skip("Node is not installed: `make test` installs it where it may")
    folder = tmp_path_factory.mktemp("node")
    told = subprocess.run(
        ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", *PACKAGES],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    if told.returncode:
        pytest.skip(f"npm cannot fetch what the producers in Node need: {told.stderr[-300:]}")
    return folder


def test_the_page_has_an_example_for_each_way_in():
    assert set(EXAMPLES) == {
        "celery_producer.py",
        "kombu_producer.py",
        "rabbitmq_producer.js",
        "redis_producer.js",
    }


@pytest.mark.parametrize("name", ["celery_producer.py", "kombu_producer.py"])
def test_a_producer_in_python(start, far_broker, tmp_path, name):
    comes_in(start(far_broker.url), far_broker, tmp_path, [sys.executable], name)


def test_a_producer_in_node_on_rabbitmq(start, rabbit_broker, node):
    comes_in(start(rabbit_broker.url), rabbit_broker, node, ["node"], "rabbitmq_producer.js")


def test_a_producer_in_node_on_redis(start, redis_broker, node):
    comes_in(start(redis_broker.url), redis_broker, node, ["node"], "redis_producer.js")


def comes_in(engine, broker, folder, program, name):
    """Run the example twice: one case, with what it said, and nothing among the dead letters."""
    broker.wait_until_heard()
    (folder / name).write_text(EXAMPLES[name], encoding="utf-8")
    env = {"PATH": os.environ["PATH"], "BROKER_URL": broker.url}
    for _ in range(2):
        told = subprocess.run(
            [*program, name], cwd=folder, env=env, capture_output=True, text=True, timeout=60, check=False
        )
        assert told.returncode == 0, told.stderr

    def came_in():
        with engine.system.db.read() as tx:
            return cases.listing(tx)

    found = until(came_in)
    assert [case.title for case in found] == ["Torn rain cover"]
    with engine.system.db.read() as tx:
        assert deadletters.listing(tx) == []
