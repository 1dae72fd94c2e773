"""The mail desk of the sample company: takes a message and sends it, each time it is asked.

It takes no key and cannot be asked what it has sent, as mail is: `key` is written into the list of effects and nowhere
else. Whoever sends twice has sent two mails.
"""

from __future__ import annotations

import re

from integrations.base import Receipt
from integrations.errors import Permanent
from integrations.sample_company import desk

_ADDRESS = re.compile(r"[^@\s,;<>\"]+@[^@\s,;<>\"]+\.[^@\s,;<>\".]+")


class MailWrites(desk.Desk):
    """`integrations.base.MailWriter`."""

    @desk.writes
    def send(self, to: str, subject: str, body: str, *, key: str) -> Receipt:
        if not _ADDRESS.fullmatch(to):
            raise Permanent(f"{to!r} is not one mail address")
        desk.line(subject, "the subject")
        desk.text(body, "the body")
        at = self.moment()
        with self.database.writing() as connection:
            mail_id = connection.execute(
                "INSERT INTO mails (recipient, subject, body, at) VALUES (?, ?, ?, ?)", (to, subject, body, at)
            ).lastrowid
            desk.count_effect(connection, "send", key, f"mailto:{to}", at)
        return Receipt(desk.ref("mail", mail_id), data={"at": at})
