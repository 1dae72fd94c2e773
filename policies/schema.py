"""The JSON Schema of policy files, for editors: completion, and problems underlined while they are written.

``caseworker policy schema`` prints it. It is made of the models that files are read into, so it cannot differ from them; what
one file alone cannot show (names of other files, conditions, tests) is for ``caseworker policy check``.
"""

from __future__ import annotations

from typing import Any, Final, Literal

from policies.envelope import EVERY_ACTION, BundleEntry, SuiteEntry
from policies.types import Facts

File = Literal["bundle", "test"]

_DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"
_OBLIGATIONS: Final = ("Delay", "Cap", "Mask", "Disclose", "Sample", "Notify")
_TITLES: Final = {"bundle": "A bundle of a Caseworker policy", "test": "Tests of a bundle of a Caseworker policy"}


def schema(file: File) -> dict[str, Any]:
    """The schema of bundles, or of the test files beside them."""
    entry = BundleEntry if file == "bundle" else SuiteEntry
    made = {"$schema": _DRAFT, **entry.model_json_schema(), "title": _TITLES[file]}
    parts = made["$defs"]
    if file == "bundle":
        for name in ("RuleEntry", "LimitEntry"):
            properties = parts[name]["properties"]
            properties["actions"] = _every(properties["actions"])
        for name in _OBLIGATIONS:
            parts[name]["required"] = ["kind", *parts[name].get("required", ())]
    else:
        parts["Facts"] = _facts()
        for holder, name in ((made, "given"), (parts["GroupEntry"], "given"), (parts["CaseEntry"], "facts")):
            holder["properties"][name] = {"$ref": "#/$defs/Facts"}
    return made


def _every(actions: dict[str, Any]) -> dict[str, Any]:
    """A list of kinds, or all of them in one word."""
    about = {"description": actions.pop("description")} if "description" in actions else {}
    return {**about, "anyOf": [{"const": EVERY_ACTION}, actions]}


def _facts() -> dict[str, Any]:
    """Every fact by its type. A test states those that matter, over its group's and its file's."""
    made = Facts.model_json_schema()
    named = {name: {"type": said["type"], **_rest(said)} for name, said in made["properties"].items()}
    return {"type": "object", "additionalProperties": False, "properties": named}


def _rest(said: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in said.items() if key not in {"title", "type"}}
