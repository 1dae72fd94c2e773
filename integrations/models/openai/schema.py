"""An output type as the schema that a service holds its model to: in the strict subset where that can say it, else as it is.

The strict subset has objects with every field required and no others. What it lacks (bounds, lengths, patterns) is told in
words; the answer is validated against the type all the same.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from pydantic import BaseModel

_NOT_IN_A_NAME: Final = re.compile(r"[^a-zA-Z0-9_-]")

#: what is said in words instead
_BOUNDS: Final = (
    *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    *("minLength", "maxLength", "pattern", "format", "minItems", "maxItems"),
)


class NotStrict(ValueError):
    """The strict subset cannot say it."""


@cache
def response_format(output: type[BaseModel]) -> dict[str, Any]:
    """The ``response_format`` of a request."""
    whole = output.model_json_schema()
    name = _NOT_IN_A_NAME.sub("_", output.__name__)[:64]
    try:
        schema, strict = in_strict(whole), True
    except NotStrict:
        schema, strict = whole, False
    return {"type": "json_schema", "json_schema": {"name": name, "schema": schema, "strict": strict}}


def in_strict(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The same in the strict subset. Raise `NotStrict`."""
    made: dict[str, Any] = {}
    if "$defs" in schema:
        made["$defs"] = {name: in_strict(one) for name, one in schema["$defs"].items()}
    if "$ref" in schema:
        return {**made, "$ref": schema["$ref"]}
    variants = schema.get("anyOf") or schema.get("oneOf")
    if variants:
        made["anyOf"] = [in_strict(one) for one in variants]
    elif "enum" in schema or "const" in schema:
        made["enum"] = list(schema["enum"]) if "enum" in schema else [schema["const"]]
        if isinstance(schema.get("type"), str):
            made["type"] = schema["type"]
    else:
        made |= _typed(schema)
    said = [schema["description"]] if schema.get("description") else []
    said += [f"{name}: {schema[name]}" for name in _BOUNDS if name in schema]
    if said:
        made["description"] = "; ".join(map(str, said))
    return made


def _typed(schema: Mapping[str, Any]) -> dict[str, Any]:
    kind = schema.get("type")
    if kind == "object":
        if schema.get("additionalProperties") not in (None, False):
            raise NotStrict("an object with fields of any name")
        fields = {name: in_strict(one) for name, one in schema.get("properties", {}).items()}
        return {"type": kind, "properties": fields, "required": list(fields), "additionalProperties": False}
    if kind == "array":
        if "items" not in schema or "prefixItems" in schema:
            raise NotStrict("an array of anything")
        return {"type": kind, "items": in_strict(schema["items"])}
    if not isinstance(kind, str):
        raise NotStrict("a value of any type")
    return {"type": kind}
