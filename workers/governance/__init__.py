"""The policy's own life: how another one is proposed, decided on and put in force, and what was in force before.

`propose` is the way in for every caller; `book` gives earlier policies back.
"""

from workers.governance.proposing import NotProposed, propose, withdraw

__all__ = ["NotProposed", "propose", "withdraw"]
