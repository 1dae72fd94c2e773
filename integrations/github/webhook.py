"""GitHub's webhooks: an issue is a ticket, a comment by an outsider is news on it.

Called by the webhook door with raw deliveries; `verify` first, always. GitHub signs the body and nothing else, so the
type comes from the body's shape, never from `X-GitHub-Event`: else one captured body could be sent again as another
event. The delivery id is an unsigned hint too, which is why `signs_body_only` asks for the body's hash as second key.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

from pydantic import BeforeValidator, StringConstraints

from integrations.base import Delivery, EventType, InboundEvent
from integrations.errors import Malformed, UnknownEvent
from integrations.webhooks import Secret, secrets_from_env, verify
from integrations.webhooks.payload import Id, Instant, Line, Quantity, Shape, read_object, shape, words
from integrations.webhooks.schemes import GITHUB

SETTING = "GITHUB_WEBHOOK_SECRET"

_DELIVERY_ID = re.compile(rb"[0-9A-Za-z-]{1,64}")
_TEAM = frozenset({"OWNER", "MEMBER", "COLLABORATOR"})


class _User(Shape):
    # The number stays with a person; a login that was given up may become another's.
    id: Id | None = None
    login: Line
    type: str = "User"


# GitHub's schema lets it be null, where an account is gone: nobody whom we know, and neither bot nor team.
_Author = Annotated[_User, BeforeValidator(lambda user: {"login": "ghost"} if user is None else user)]


class _Repository(Shape):
    full_name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+$", max_length=200)]


class _Issue(Shape):
    number: Quantity
    title: Line
    body: str | None = None
    user: _Author
    created_at: Instant


class _Comment(Shape):
    body: str
    user: _Author
    author_association: str
    created_at: Instant


class _IssueEvent(Shape):
    issue: _Issue
    repository: _Repository


class _CommentEvent(_IssueEvent):
    comment: _Comment


def _issue_opened(body: Mapping[str, Any], delivery_id: str, kind: str) -> InboundEvent:
    event = shape(_IssueEvent, body, kind)
    if event.issue.user.type == "Bot":
        raise UnknownEvent("an issue opened by a bot: only people's issues are work")
    return _about(event, EventType.TICKET_CREATED, event.issue, delivery_id, kind)


def _comment_created(body: Mapping[str, Any], delivery_id: str, kind: str) -> InboundEvent:
    event = shape(_CommentEvent, body, kind)
    # Our own replies, and those of colleagues, would come back as new work.
    if event.comment.user.type == "Bot" or event.comment.author_association in _TEAM:
        raise UnknownEvent("a comment by a bot or by the team: only outsiders' comments are work")
    return _about(event, EventType.TICKET_COMMENTED, event.comment, delivery_id, kind)


def _about(event: _IssueEvent, type_: EventType, said: _Issue | _Comment, delivery_id: str, kind: str) -> InboundEvent:
    number = f"{event.repository.full_name}#{event.issue.number}"
    return InboundEvent(
        source=GithubWebhook.name,
        delivery_id=delivery_id,
        type=type_,
        vendor_type=kind,
        subject=f"github:issue:{number}",
        occurred_at=said.created_at,
        data={
            **words(event.issue.title, said.body),
            "ticket_id": number,
            "requester": f"{GithubWebhook.name}:{said.user.id}" if said.user.id else "",
            "requester_email": "",
            "requester_name": said.user.login,
            "channel": "github",
        },
    )


EVENTS: dict[str, Callable[[Mapping[str, Any], str, str], InboundEvent]] = {
    "issues.opened": _issue_opened,
    "issue_comment.created": _comment_created,
}


class GithubWebhook:
    name = "github"
    signs_body_only = GITHUB.signs_body_only

    def __init__(self, secrets: tuple[Secret, ...]) -> None:
        self._secrets = secrets

    def verify(self, delivery: Delivery) -> str:
        return verify(GITHUB, self._secrets, delivery)

    def parse(self, delivery: Delivery) -> Sequence[InboundEvent]:
        if delivery.body.startswith(b"payload="):
            raise Malformed("a form; set the webhook's content type in GitHub to application/json")
        body = read_object(delivery.body)
        kind = _kind(body)
        if kind not in EVENTS:
            raise UnknownEvent(f"GitHub event {kind!r} is not handled")
        return [EVENTS[kind](body, _delivery_id(delivery), kind)]


def from_env(env: Mapping[str, str]) -> GithubWebhook | None:
    """The source, or None while its setting is empty. Raise `ValueError` for a secret that cannot be right."""
    secrets = secrets_from_env(GITHUB, env, SETTING)
    return GithubWebhook(secrets) if secrets else None


def _kind(body: Mapping[str, Any]) -> str:
    """The event's name as GitHub would give it, from what only that event holds."""
    match body:
        case {"zen": _, "hook": _}:
            return "ping"
        case {"pull_request": _}:
            return "pull_request"
        case {"issue": {"pull_request": dict()}}:
            return "pull_request comment"
        case {"issue": dict(), "comment": dict(), "action": str(action)}:
            return f"issue_comment.{action[:40]}"
        case {"issue": dict(), "action": str(action)}:
            return f"issues.{action[:40]}"
    return "of another shape"


def _delivery_id(delivery: Delivery) -> str:
    ids = [value for key, value in delivery.headers if key == b"x-github-delivery"]
    if len(ids) != 1 or not _DELIVERY_ID.fullmatch(ids[0]):
        raise Malformed("needs exactly one X-GitHub-Delivery header; is something in between dropping headers?")
    return ids[0].decode("ascii")
