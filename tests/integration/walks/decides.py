"""What people may do in a walk: look, decide, change drafts, go away, leave the firm."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from workers import renewal
from workers.inbox import absence, case_service, service
from workers.inbox.words import Choice, Word
from workers.store import cases, people
from workers.store.records import ActionState

STAFF = {
    "sam": ("support",),
    "sue": ("support",),
    "lee": ("lead",),
    "fin": ("finance",),
    "pat": ("support", "finance"),
    "max": ("support", "lead", "finance"),
    "out": (),
}


class Decides:
    """A part of `World`."""

    def _look(self) -> None:
        """Somebody opens a card, and may decide on it much later."""
        found = [a for a in self.all_actions() if a.settled_at is None]
        if found:
            one = self.dice.choice(found)
            if self.dice.random() < 0.5:
                renewal.renew(self.engine.system, one.id)
            self.seen.append(one)

    def _decide(self) -> None:
        late = self.seen and self.dice.random() < 0.3
        if late:
            action = self.seen.pop(self.dice.randrange(len(self.seen)))
        else:
            found = [a for a in self.all_actions() if a.settled_at is None]
            if not found:
                self.event()
                return
            pending = [a for a in found if a.state == ActionState.PENDING]
            action = self.dice.choice(pending if pending and self.dice.random() < 0.8 else found)
        words = (
            {Word.STOP: 1, Word.APPROVE: 5}
            if action.state == ActionState.APPROVED
            else {
                Word.APPROVE: 30,
                Word.REJECT: 2,
                Word.REQUEST_CHANGES: 1,
                Word.TAKE_OVER: 1,
                Word.SNOOZE: 1,
                Word.ESCALATE: 1,
                Word.STOP: 2,
            }
        )
        if action.state == ActionState.UNCERTAIN:
            happened = any(key == action.id for key, *_ in self.effects)
            words = {Word.CONFIRM: 1} if happened else {Word.REJECT: 1, Word.APPROVE: 1}
        word = self.dice.choices(list(words), list(words.values()))[0]
        person = self.dice.choice([*self.staff.values(), *[self.staff["max"], self.staff["lee"]] * 3])
        more: dict[str, Any] = {}
        if word is Word.SNOOZE:
            more["until"] = self.engine.clock() + timedelta(minutes=self.dice.choice((1, 30, 600)))
        if word is Word.ESCALATE:
            more["group"] = self.dice.choice(("lead", "finance", "support"))
        if word is Word.APPROVE and action.state == ActionState.PENDING and self.dice.random() < 0.2:
            made = dict(action.arguments)
            if "amount_minor" in made:
                made["amount_minor"] = self.dice.choice((400, 2_100, 4_100, 5_500, 9_900))
            elif "body" in made:
                made["body"] = f"Edited {self.turn}"
            more["arguments"] = made
        self.note(f"{person.name} {word} {action.kind} {action.id[-6:]} r{action.revision} {action.state} {more}")
        with self.engine.system.db.read() as tx:
            person = people.get(tx, person.id)
        choice = Choice(
            word,
            revision=action.revision,
            digest=action.digest,
            state=ActionState(action.state),
            reason="because",
            **more,
        )
        service.decide(self.engine.system, person, action.id, choice)

    def _decide_case(self) -> None:
        with self.engine.system.db.read() as tx:
            found = [c for c in cases.listing(tx, limit=200) if c.closed_at is None]
        if found:
            one, word = self.dice.choice(found), self.dice.choice(("retry", "take_over", "close"))
            person = self.dice.choice(list(self.staff.values()))
            self.note(f"{person.name} {word} {one.id[-6:]} {one.state}")
            case_service.decide_case(self.engine.system, person, one.id, word, "because")

    def _away(self) -> None:
        one, other = self.dice.sample(list(self.staff.values()), 2)
        now = self.engine.clock()
        with self.engine.system.db.write() as tx:
            absence.arrange(
                tx,
                one.id,
                other.id,
                absence.Absence(now, now + timedelta(days=self.dice.choice((1, 3)))),
                by=one,
                reason="away",
                actor="test",
                now=now,
            )

    def _leave(self) -> None:
        name = self.dice.choice(("sam", "fin", "pat"))
        with self.engine.system.db.write() as tx:
            one = people.by_email(tx, f"{name}@firm.example")
            people.change(tx, one.id, {"active": not one.active})
