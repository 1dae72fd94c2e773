"""The compose file and the image say what is so: real commands, real settings, little rights, secrets in one place."""

from __future__ import annotations

import ipaddress
import re

import pytest

from tests.architecture.source import ROOT
from tests.integration.ops.deployment import (
    COMPOSE,
    OURS,
    SERVICES,
    SETTINGS,
    check_command,
    connections,
    given,
    variables,
)
from workers.queue import QUEUES, make_app

TEXT = (ROOT / "docker-compose.yml").read_text()
DOCKERFILE = (ROOT / "Dockerfile").read_text()
OPERATING = (ROOT / "docs/operating.md").read_text()
ENV = ROOT / "deploy/env"
COMMON = "deploy/env/common.env"
THINKING = "deploy/env/thinking.env"
#: what each service of ours reads, in this order
FILES = {name: [file["path"] for file in service["env_file"]] for name, service in OURS.items()}


def seconds(text):
    return int(re.fullmatch(r"(\d+)s", text)[1])


def test_the_parts_of_a_fleet_are_there():
    commands = {name: service["command"][0] for name, service in OURS.items()}

    assert set(commands.values()) == {"migrate", "web", "worker", "sweep"}
    assert {"postgres", "redis", "rabbitmq"} == set(SERVICES) - set(OURS)


@pytest.mark.parametrize("name", OURS)
def test_every_command_is_one_with_options_that_it_has(name):
    check_command(OURS[name]["command"])


def test_every_queue_has_exactly_one_group_of_workers():
    served = [
        queue
        for service in OURS.values()
        if service["command"][0] == "worker"
        for queue in check_command(service["command"])["queues"]
    ]

    assert sorted(served) == sorted(QUEUES)


@pytest.mark.parametrize("name", OURS)
def test_every_variable_is_a_setting(name):
    ours = {variable for variable in OURS[name]["environment"] if variable.startswith("CASEWORKER_")}

    assert ours <= SETTINGS
    assert {variable for variable in OURS[name]["environment"] if variable not in ours} <= {"FORWARDED_ALLOW_IPS"}


def test_a_setting_for_all_is_read_by_all_and_before_what_is_for_one():
    assert {name: files[0] for name, files in FILES.items()} == dict.fromkeys(OURS, COMMON)
    assert not any(file["required"] for service in OURS.values() for file in service["env_file"])


def test_the_common_example_holds_settings_that_nothing_else_says_and_no_credentials():
    named = variables(ROOT / f"{COMMON}.example")
    said = {variable for service in OURS.values() for variable in service["environment"]}

    assert {name for name in named if not name.startswith("OTEL_")} <= SETTINGS
    assert {"CASEWORKER_TIME_ZONE", "CASEWORKER_CUSTOMER_CAP", "CASEWORKER_VENDOR_LIMITS", "CASEWORKER_TRACES"} <= named
    assert not named & said, "what the compose file says would come before the file"
    assert not [name for name in named if re.search("KEY|SECRET|PASSWORD|TOKEN|HEADERS|_URL$", name)]


def test_what_may_stand_in_the_file_of_compose_is_told():
    """Anything else there would be ignored without a word."""
    named = set(re.findall(r"\$\{(\w+)", TEXT))
    paragraph = re.search(r"`\.env` holds what the compose file names.*?\n\n", OPERATING, re.DOTALL)[0]

    assert named == set(re.findall(r"`([A-Z_]+)`", paragraph))


def test_the_image_sets_only_what_is_a_setting():
    assert set(re.findall(r"(CASEWORKER_\w+)=", DOCKERFILE)) <= SETTINGS


@pytest.mark.parametrize("name", OURS)
def test_each_part_may_do_little(name):
    service = OURS[name]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["user"] == "10001:10001"
    assert service["tmpfs"]
    assert [volume.split(":")[1] for volume in service["volumes"]] == ["/data"]


@pytest.mark.parametrize("name", SERVICES)
def test_each_service_has_limits_and_comes_back(name):
    service = SERVICES[name]

    assert {"cpus", "memory"} <= set(service["deploy"]["resources"]["limits"])
    assert service["restart"] == ("on-failure" if name == "migrate" else "unless-stopped")
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["user"] not in ("root", "0", "0:0")
    assert "privileged" not in service


@pytest.mark.parametrize("name", sorted(set(SERVICES) - set(OURS)))
def test_databases_and_brokers_are_watched_keep_their_data_and_are_not_reachable_from_outside(name):
    service = SERVICES[name]

    assert service["healthcheck"]["test"]
    assert [volume.split(":")[0] in COMPOSE["volumes"] for volume in service["volumes"]] == [True]
    assert service["networks"] == ["inside"]
    assert "ports" not in service
    assert COMPOSE["networks"]["inside"] == {"internal": True}


def test_redis_neither_evicts_nor_forgets():
    words = SERVICES["redis"]["command"]
    given = dict(zip(words[1::2], words[2::2], strict=True))

    assert given["--maxmemory-policy"] == "noeviction"
    assert given["--appendonly"] == "yes"


def test_postgresql_is_as_durable_as_it_is_shipped():
    text = " ".join(SERVICES["postgres"]["command"])

    assert not re.search(r"fsync|synchronous_commit|full_page_writes", text)


def test_there_are_connections_enough():
    """For all that run, with as many workers as the page starts; a quarter is left for commands and backups."""
    most = int(re.search(r"max_connections=(\d+)", " ".join(SERVICES["postgres"]["command"]))[1])
    scaled = {name: int(to) for name, to in re.findall(r"--scale ([a-z-]+)=(\d+)", OPERATING)}
    used = sum(
        connections(int(service["environment"]["CASEWORKER_DATABASE_CONNECTIONS"]))
        * scaled.get(name, service["deploy"].get("replicas", 1))
        for name, service in OURS.items()
        if name != "migrate"
    )

    assert scaled == {"worker-thinking": 4}
    assert used < most * 0.75
    assert f"{used} with four workers for thinking, of the {most} that" in OPERATING


def test_the_rule_by_which_connections_are_counted_is_told():
    assert [connections(each) for each in (2, 20)] == [2 * 2 + 3, 2 * 20 + 3]
    assert OPERATING.count("2N + 3") == 2
    assert "2N + 3" in (ROOT / "docs/settings.md").read_text()


def test_a_worker_has_longer_to_stop_than_it_takes():
    soft = make_app("redis://localhost/").conf.worker_soft_shutdown_timeout

    assert all(seconds(service["stop_grace_period"]) > soft for service in OURS.values())


def test_everything_waits_for_the_migration():
    assert all(
        service["depends_on"]["migrate"]["condition"] == "service_completed_successfully"
        for name, service in OURS.items()
        if name != "migrate"
    )


def test_one_service_builds_the_image_and_all_use_it_from_here():
    """Two builds that export one tag at once fail; an image of this name in a registry is a stranger's."""
    assert [name for name, service in SERVICES.items() if "build" in service] == ["migrate"]
    assert {service["pull_policy"] for service in OURS.values()} == {"never"}
    assert len({service["image"] for service in OURS.values()}) == 1


def test_an_update_builds_by_name_of_no_service_that_does_not_build():
    """`up --no-deps --build` of another service would go on with the old image, without a word."""
    words = [line for line in re.findall(r"docker compose [^`\n]+", OPERATING + TEXT) if "--build" in line]

    assert words
    assert not [line for line in words if "--no-deps" in line]
    assert "`docker compose build`" in OPERATING


def test_only_the_worker_of_the_actions_gets_what_can_write():
    assert [name for name, of in FILES.items() if "deploy/env/actions.env" in of] == ["worker-actions"]
    assert check_command(OURS["worker-actions"]["command"])["queues"] == ["actions"]
    assert OURS["worker-actions"]["volumes"] == ["actions-data:/data"]
    assert sum(service["volumes"] == ["actions-data:/data"] for service in OURS.values()) == 1


def test_no_secret_is_given_to_who_needs_none():
    keys = {name for name, service in OURS.items() if "CASEWORKER_SECRET_KEY" in service["environment"]}

    assert keys == {"web"}
    assert FILES["worker-events"] == FILES["migrate"] == [COMMON]
    assert not {name for name in variables(ENV / "thinking.env.example") if name.endswith("_WEBHOOK_SECRET")}
    assert {name for name in variables(ENV / "web.env.example") if not name.endswith("_WEBHOOK_SECRET")} == set()


def test_who_asks_models_has_the_key_and_a_way_to_them():
    """The sweepers too: shadows and vectors of what is remembered are theirs."""
    asking = [name for name, files in FILES.items() if THINKING in files]

    assert asking == ["worker-thinking", "sweeper"]
    assert all("outside" in OURS[name]["networks"] for name in asking)
    assert {"ANTHROPIC_API_KEY", "OPENAI_API_KEY", "OPENAI_EMBEDDING_MODEL"} <= variables(ROOT / f"{THINKING}.example")
    assert re.search(r"^\| `sweep` \| [^|]*the model's key", OPERATING, re.MULTILINE)


def test_who_has_no_way_out_is_told_where_spans_are_sent():
    shut_in = {name for name, service in OURS.items() if service["networks"] == ["inside"]} - {"migrate"}

    assert shut_in == {"worker-events"}
    assert f"`{COMPOSE['name']}_inside`" in OPERATING


def test_the_files_with_credentials_are_kept_out_of_the_repository():
    assert {".env", "deploy/env/*.env"} <= set((ROOT / ".gitignore").read_text().splitlines())


def test_what_the_compose_file_names_is_there():
    named = {file for files in FILES.values() for file in files}

    assert {f"{path}.example" for path in named} == {str(p.relative_to(ROOT)) for p in ENV.glob("*.example")}


def test_only_the_web_process_is_reachable_and_on_loopback_only():
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}

    assert list(published) == ["web"]
    assert all(port.startswith("127.0.0.1:") for port in published["web"])
    assert str(check_command(OURS["web"]["command"])["port"]) == published["web"][0].rpartition(":")[2]


def test_the_proxy_before_the_web_process_is_believed_and_nobody_else():
    (pool,) = COMPOSE["networks"]["outside"]["ipam"]["config"]
    trusted = OURS["web"]["environment"]["FORWARDED_ALLOW_IPS"]
    gateway = given(pool["gateway"])

    assert "outside" in OURS["web"]["networks"]
    assert ipaddress.ip_address(gateway) in ipaddress.ip_network(given(pool["subnet"]))
    assert given(trusted) == gateway
    assert given(trusted, OUTSIDE_GATEWAY="10.9.8.1") == given(pool["gateway"], OUTSIDE_GATEWAY="10.9.8.1")
    assert given(trusted, FORWARDED_ALLOW_IPS="10.1.1.1", OUTSIDE_GATEWAY="10.9.8.1") == "10.1.1.1"
    assert [name for name, service in OURS.items() if "FORWARDED_ALLOW_IPS" in service["environment"]] == ["web"]
    assert all(value in OPERATING for value in (gateway, given(pool["subnet"])))


def test_whom_the_web_process_believes_is_documented():
    default = re.search(r'environ\.get\("FORWARDED_ALLOW_IPS", "([^"]+)"\)', (ROOT / "workers/web.py").read_text())[1]

    assert f"| `FORWARDED_ALLOW_IPS` | `{default}` |" in (ROOT / "docs/settings.md").read_text()


def test_the_image_has_what_every_provider_of_models_needs():
    """The package itself is installed without its dependencies: only the lock brings them."""
    pins = [
        dict(re.findall(r"^([a-z0-9._-]+)==(\S+)", (ROOT / lock).read_text(), re.MULTILINE))
        for lock in ("requirements.lock", "requirements-dev.lock")
    ]

    assert {"anthropic", "openai"} <= pins[0].keys()
    assert pins[0].items() <= pins[1].items(), "tests run with what the image has"
    assert "://" not in (ROOT / "requirements.lock").read_text()


def test_the_image_is_built_from_the_lock_with_hashes_and_without_what_tests_need():
    assert "--require-hashes -r requirements.lock" in DOCKERFILE
    assert "requirements-dev" not in DOCKERFILE
    assert re.search(r"^USER 10001:10001$", DOCKERFILE, re.MULTILINE)
    assert DOCKERFILE.count("\nFROM ") == 2
    assert "HEALTHCHECK" in DOCKERFILE


def test_what_the_image_copies_is_let_through_and_nothing_else():
    copied = {
        word for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE) for word in line.split()[:-1]
    }
    let_through = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}

    assert copied == let_through
    assert all((ROOT / path).exists() for path in copied)
    assert "*" in (ROOT / ".dockerignore").read_text().splitlines()
