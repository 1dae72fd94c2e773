"""A model with its lessons: each draft is asked for together with what people made of similar ones.

`wiring` puts it around the model. It adds material to a request and nothing else: the habits for every model, examples for
those that can read them. Which case is worked on it learns from the request; what it adds cites no record of the case.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar

from pydantic import BaseModel

from integrations.models.amendments import MATERIAL, situation
from integrations.models.base import Material, Model, ModelAnswer, ModelRequest, ToolUse
from workers.lessons.masking import mask
from workers.lessons.notebook import Notebook
from workers.lessons.recall import material, similar
from workers.store.database import Database

T = TypeVar("T", bound=BaseModel)
LOCAL = "local"


class TaughtModel:
    """Speaks `Model`."""

    def __init__(self, model: Model, notebook: Notebook) -> None:
        self._model = model
        self._notebook = notebook

    @property
    def provider(self) -> str:
        return self._model.provider

    @property
    def name(self) -> str:
        return self._model.name

    @property
    def uses_tools(self) -> bool:
        return self._model.uses_tools

    def answer(self, request: ModelRequest[T]) -> ModelAnswer[T]:
        return self._model.answer(self._taught(request))

    def turn(self, request: ModelRequest[T]) -> ModelAnswer[T] | ToolUse:
        return self._model.turn(self._taught(request))

    def __getattr__(self, name: str) -> Any:
        """What the model can do besides, under its own name."""
        return getattr(self._model, name)

    def _taught(self, request: ModelRequest[T]) -> ModelRequest[T]:
        if request.task != "draft":
            return request
        page = self._notebook.of(request.domain)
        added: list[Material] = []
        if page.habits:
            applied = [habit.as_data() for habit in page.habits]
            added.append(Material(MATERIAL, MATERIAL, trusted=True, data=applied))
        if page.examples and self.provider != LOCAL:
            seen = {piece.name: piece.data for piece in request.material}
            alike = similar(
                page.examples,
                intent=situation(request.material).get("intent", ""),
                text=message_of(seen.get("event") or {}),
                without_case=request.about.case_id,
            )
            added += material(alike)
        return replace(request, material=(*request.material, *added)) if added else request


def teach(model: Model, db: Database) -> TaughtModel:
    """The model with what this installation's people decided, read from its database."""
    return TaughtModel(model, Notebook(db, retrain=getattr(model, "retrain", None)))


def message_of(event: Mapping[str, Any]) -> str:
    """An event's words, as examples keep them: without names and numbers."""
    return str(mask(f"{event.get('title', '')}\n{event.get('text', '')}".strip(), ()))
