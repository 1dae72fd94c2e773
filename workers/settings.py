"""Settings: environment variables with the prefix ``CASEWORKER_`` (or a ``.env`` file), each documented here.

Vendors' settings keep the vendors' own names and are read by `integrations.registry` from `vendor_environment`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

from dotenv import dotenv_values
from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from integrations.models.routing import SHIPPED as SHIPPED_ROUTING

#: of `Settings.policy_changes`: whatever lies in the folder is in force from the next start on
FOLDER_WINS = "folder"
#: longer than anybody means, and short enough for every date that is reckoned with it
CENTURY_DAYS = 36_500
CENTURY_HOURS = CENTURY_DAYS * 24
#: no number of a setting is meant to be larger
MOST = 1_000_000_000
#: as many bytes as the door lets wait (`workers.intake.batching`): of a larger body each sender would hear for ever to come again
MOST_BODY_BYTES = 64 * 1024 * 1024
SHIPPED_POLICY = Path(__file__).resolve().parent.parent / "policies" / "bundles"


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="CASEWORKER_", env_file=".env", extra="ignore", frozen=True)

    data: Path = Field(Path("var"), description="Folder for what this machine keeps: database, keys, model cache.")
    database_url: str = Field(
        "",
        description="SQLAlchemy URL. Default: SQLite in the data folder. PostgreSQL: postgresql://user:pw@host/name.",
    )
    broker_url: str = Field(
        "memory://localhost/", description="Celery broker. Default: in this process. Else redis://… or amqp://…"
    )
    public_url: str = Field(
        "http://127.0.0.1:8000", description="The address under which people and vendors reach this installation."
    )
    secret_key: SecretStr | None = Field(
        None, description="Encrypts quarantined requests. Default: a key file made in the data folder."
    )
    policy_dir: Path = Field(SHIPPED_POLICY, description="Folder with the policy bundles (*.yaml).")
    policy_shadow_dir: Path | None = Field(
        None, description="A second policy, judged beside the one in force on every decision; it decides nothing."
    )
    policy_changes: Literal["approved", "folder"] = Field(
        "approved",
        description="approved: people say yes to each change. folder: what lies there at a start is in force.",
    )
    policy_engine: Literal["auto", "google", "rust"] = Field(
        "auto",
        description="Which engine evaluates the policy's conditions. auto: google where it is installed, else rust.",
    )
    sample_company: bool = Field(True, description="Run the sample company beside the real integrations.")
    worker_threads: int = Field(32, ge=1, le=1000, description="Cases and actions worked on at once, per process.")
    database_connections: int = Field(
        20,
        ge=2,
        le=500,
        description="Database connections of each kind, per process: on PostgreSQL N of two kinds and three more, 2N + 3.",
    )
    lease_seconds: int = Field(
        60,
        ge=1,
        le=86_400,
        description="How long a claim lasts unless renewed; a dead worker's claims are freed sooner.",
    )
    stop_seconds: float = Field(
        30.0, ge=0, description="How long a worker that is told to stop lets running work finish."
    )
    sweep_seconds: float = Field(1.0, gt=0, description="How often the sweeper looks for what is due.")
    customer_cap: int = Field(
        8, ge=0, description="Cases of one customer worked on at once, over all processes. 0: no cap."
    )
    source_cap: int = Field(0, ge=0, description="Cases of one source worked on at once. 0: no cap.")
    dead_after_seconds: float = Field(
        4.0, ge=2, description="A worker that gives no sign of life for so long is dead: its cases go on elsewhere."
    )
    vendor_limits: str = Field(
        "",
        pattern=r"^\s*([a-z0-9_]+\s*=\s*\d+(\.\d+)?\s*/\s*(s|min|h)\s*(,\s*|$))*$",
        description="Calls that all workers together make of a vendor, at most: zendesk=10/s,stripe=25/s.",
    )
    max_claims: int = Field(5, ge=1, description="Tries at one step without progress before a person is asked.")
    max_redrafts: int = Field(5, ge=1, description="Rounds of a case beyond its events before a person is asked.")
    max_body_bytes: int = Field(1_048_576, ge=1024, le=MOST_BODY_BYTES, description="Largest inbound request body.")
    door_waiting: int = Field(
        2000, ge=1, description="Requests that may wait to be stored, per process; one more is answered with 503."
    )
    door_wait_seconds: float = Field(
        5.0, gt=0, description="Longest wait of a request to be stored; then 503, below the senders' own time-outs."
    )
    time_zone: str = Field(
        "UTC", description="Where the house is: the zone of hours, weekdays and dates in the policy (Europe/Berlin)."
    )
    decide_within_days: int = Field(
        7, ge=1, le=CENTURY_DAYS, description="Pending actions expire, as refused, after so many days."
    )
    session_hours: int = Field(12, ge=1, le=CENTURY_HOURS, description="How long a sign-in lasts.")
    quarantine_hours: int = Field(
        72, ge=1, le=CENTURY_HOURS, description="How long rejected requests are kept for replay."
    )
    model_timeout_seconds: float = Field(60.0, gt=0, description="Longest wait for one model call.")
    data_classes: str = Field(
        "",
        description="Classes of each source's data, before the shipped ones: zendesk=personal,stripe=personal+payment.",
    )
    privacy_file: Path | None = Field(
        None, description="What each class of data lets leave for a model: a file like privacy.yaml."
    )
    models_file: Path = Field(SHIPPED_ROUTING, description="Which model does what: a file like models.yaml.")
    budget_case_usd: Decimal | None = Field(None, ge=0, description="US dollars that models may cost for one case.")
    budget_domain_usd: str = Field(
        "",
        pattern=r"^\s*(\d+(\.\d+)?|[a-z0-9_]+\s*=\s*\d+(\.\d+)?(\s*,\s*[a-z0-9_]+\s*=\s*\d+(\.\d+)?)*)?\s*$",
        description="The same for each domain and day (UTC): 20, or support=20,content=5.",
    )
    budget_day_usd: Decimal | None = Field(None, ge=0, description="The same for everything and day (UTC).")
    loop_turns: int = Field(
        6, ge=0, le=50, description="Rounds of look-ups that an agent may ask for in one draft. 0: none, and no plan."
    )
    loop_calls: int = Field(8, ge=1, le=32, description="Look-ups in one such round, made at the same time.")
    loop_tokens: int = Field(300_000, ge=1000, description="Tokens that one draft may use before it must conclude.")
    loop_seconds: float = Field(300.0, gt=0, description="Seconds of asking and looking up in one draft, likewise.")
    loop_cost_usd: Decimal = Field(Decimal(1), gt=0, description="US dollars that one draft may cost, likewise.")
    consult_depth: int = Field(2, ge=0, le=5, description="How deep agents may ask each other; 0: not at all.")
    consult_fan_out: int = Field(4, ge=0, le=16, description="Questions that one draft may ask of other agents.")
    consult_seconds: float = Field(180.0, gt=0, description="How long a case waits for answers of other agents.")
    consult_cost_usd: Decimal = Field(Decimal(1), gt=0, description="US dollars that one draft's questions may cost.")
    observation_chars: int = Field(
        12_000, ge=500, description="Characters of a look-up's result given to a model at once; the rest in pages."
    )
    memory: bool = Field(True, description="Learn from closed cases, and tell agents what is remembered.")
    memory_told: int = Field(8, ge=1, le=50, description="Memories that an agent is told in one case, at most.")
    memory_outcome_days: int = Field(
        730, ge=1, le=CENTURY_DAYS, description="How long it is remembered what a case came to."
    )
    memory_decision_days: int = Field(
        365, ge=1, le=CENTURY_DAYS, description="How long a colleague's decision and its reason are."
    )
    memory_preference_days: int = Field(
        365, ge=1, le=CENTURY_DAYS, description="How long what our records say of a customer is."
    )
    memory_claim_days: int = Field(
        90, ge=1, le=CENTURY_DAYS, description="How long what was written to us is remembered, as a claim."
    )
    shadow: str = Field(
        "",
        pattern=r"^\s*((\S+/\S+|prompts:\S+)(\s+(\S+/\S+|prompts:\S+))?(\s+([1-9]\d?|100)%)?)?\s*$",
        description="A second model or prompt folder, run beside the live one on decided cases: openai/MODEL 10%.",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="DEBUG, INFO, WARNING or ERROR."
    )
    log_format: Literal["auto", "json", "console"] = Field(
        "auto", description="json, console, or auto: console on a terminal."
    )
    metrics_port: int = Field(0, ge=0, le=65535, description="Port on which a process shows its metrics; 0: none.")
    metrics_host: str = Field("127.0.0.1", description="Address of that port. It asks nobody for a password.")
    traces: Literal["off", "otlp", "console"] = Field("off", description="Where OpenTelemetry's spans go.")

    @model_validator(mode="before")
    @classmethod
    def _empty_is_unset(cls, given: Any) -> Any:
        """As with vendors' settings: `CASEWORKER_DATA=` in a file is no wish to keep the database in the folder of the moment."""
        return {name: value for name, value in given.items() if value != ""} if isinstance(given, dict) else given

    @field_validator("log_level", mode="before")
    @classmethod
    def _in_capitals(cls, level: Any) -> Any:
        return level.upper() if isinstance(level, str) else level

    @field_validator("*")
    @classmethod
    def _can_be_reckoned_with(cls, value: Any) -> Any:
        if isinstance(value, int | float | Decimal) and value > MOST:
            raise ValueError(f"Input should be at most {MOST}")
        return value

    @field_validator("public_url")
    @classmethod
    def _is_an_address(cls, url: str) -> str:
        if re.fullmatch(r"https?://[^\s/?#]+/?", url) is None:
            raise ValueError("give a whole address with no path behind it, such as https://caseworker.example.com")
        return url.rstrip("/")

    @field_validator("time_zone")
    @classmethod
    def _is_a_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ValueError, LookupError, OSError) as error:
            raise ValueError(f"{name!r} is no time zone: give an IANA name such as Europe/Berlin or UTC") from error
        return name

    @field_validator("vendor_limits", "budget_domain_usd")
    @classmethod
    def _names_each_once(cls, text: str) -> str:
        # Of two the last would hold, and nobody would hear of the other.
        names = [part.partition("=")[0].strip() for part in text.split(",") if "=" in part]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"{', '.join(twice)} stands here twice: only one of them can hold")
        return text

    @property
    def lease(self) -> timedelta:
        return timedelta(seconds=self.lease_seconds)

    @property
    def longest(self) -> timedelta:
        """How long one piece of work may hold its row, however often its lease is renewed: a draft with look-ups may take its own
        time, and the calls before and after it theirs."""
        return max(self.lease * 5, timedelta(seconds=self.model_timeout_seconds * 3 + self.loop_seconds))

    @property
    def database(self) -> str:
        """The database URL in force."""
        return self.database_url or f"sqlite:///{self.data / 'caseworker.db'}"


def vendor_environment() -> Mapping[str, str]:
    """What vendors' settings are read from: the environment over the ``.env`` file; empty values count as unset."""
    merged = {**dotenv_values(".env"), **os.environ}
    return {name: value for name, value in merged.items() if value}
