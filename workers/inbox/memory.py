"""The form beside a memory on the page of a case: put your words in its place, or take it away.

For those whose case it is, and for what its page shows. Carries the session's CSRF token like every form, and leads back to the
case. What was done stands in the audit log with ids.
"""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from workers.inbox import timeline
from workers.inbox.case_service import may_decide
from workers.inbox.identity import Form, Poster, line_of, system_of
from workers.inbox.pages import SEE_OTHER, case_page
from workers.inbox.remembered import remembered
from workers.inbox.words import NotAllowed
from workers.memory import keeping

MOST_BYTES = 16_384

router = APIRouter(include_in_schema=False)


@router.post("/cases/{case_id}/memory", max_body_size=MOST_BYTES)
def change_memory(request: Request, case_id: str, identity: Poster, form: Form) -> Response:
    system = system_of(request)
    memory_id, word, said = (line_of(form, name) for name in ("memory", "change", "text"))
    by, now = identity.person.actor, system.clock()
    with system.db.read() as tx:
        life = timeline.load(tx, case_id)
    if life is None:
        return case_page(request, identity, case_id)
    if word not in ("correct", "forget"):
        problem = "Choose one of the buttons: correct it, or forget it."
        return case_page(request, identity, case_id, status=422, problem=problem)
    if memory_id not in {memory.id for memory in remembered(system, life)}:
        problem = f"There is no memory {memory_id!r} on this page any more."
        return case_page(request, identity, case_id, status=422, problem=problem)
    try:
        with system.db.write() as tx:
            # Agents are told what stands here as our own word.
            may_decide(tx, system.policy, identity.person, life.case, now)
            if word == "correct":
                keeping.correct(tx, memory_id, said, by=by, now=now)
            else:
                keeping.forget(tx, [memory_id], by=by, now=now)
    except NotAllowed as error:
        return case_page(request, identity, case_id, status=403, problem=str(error))
    except keeping.NotRemembered as error:
        return case_page(request, identity, case_id, status=422, problem=str(error))
    return RedirectResponse(f"/cases/{case_id}#memory", SEE_OTHER)
