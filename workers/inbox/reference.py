"""The API's reference page at ``/docs``, made from the OpenAPI description. Ours, because it loads nothing from anywhere."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from workers.inbox.identity import signed_in
from workers.inbox.pages import GET, pages_of

router = APIRouter(include_in_schema=False)
_MOST_DEPTH = 4


@dataclass(frozen=True, slots=True)
class Parameter:
    name: str
    where: str
    type: str
    required: bool
    description: str


@dataclass(frozen=True, slots=True)
class Operation:
    method: str
    path: str
    tag: str
    summary: str
    description: str
    parameters: tuple[Parameter, ...]
    body: tuple[Parameter, ...]
    example: str
    responses: tuple[tuple[str, str], ...]

    @property
    def anchor(self) -> str:
        return f"{self.method}-{self.path.strip('/').replace('/', '-').replace('{', '').replace('}', '')}".lower()


@router.api_route("/docs", methods=GET)
def show_reference(request: Request) -> Response:
    description: Mapping[str, Any] = request.app.openapi()
    context = {"operations": operations(description), "about": description["info"]}
    return pages_of(request).page(request, "reference.html", context, identity=signed_in(request))


def operations(description: Mapping[str, Any]) -> list[Operation]:
    """Every operation, in the order in which it is declared."""
    schemas = description.get("components", {}).get("schemas", {})
    return [
        _operation(method, path, part, schemas)
        for path, methods in description["paths"].items()
        for method, part in methods.items()
    ]


def _operation(method: str, path: str, part: Mapping[str, Any], schemas: Mapping[str, Any]) -> Operation:
    summary, _, rest = str(part.get("description", "")).partition("\n\n")
    content = part.get("requestBody", {}).get("content", {})
    body = _resolve(content.get("application/json", {}).get("schema", {}), schemas)
    return Operation(
        method=method.upper(),
        path=path,
        tag=(part.get("tags") or ["Other"])[0],
        summary=summary or str(part.get("summary", "")),
        description=rest,
        parameters=tuple(
            Parameter(
                name=item["name"],
                where=item["in"],
                type=_type(item.get("schema", {}), schemas),
                required=item.get("required", False),
                description=str(item.get("description") or item.get("schema", {}).get("description") or ""),
            )
            for item in part.get("parameters", ())
        ),
        body=tuple(
            Parameter(
                name, "body", _type(schema, schemas), name in body.get("required", ()), schema.get("description", "")
            )
            for name, schema in body.get("properties", {}).items()
        ),
        example=_example(part, schemas),
        responses=tuple(
            (code, said.get("description", "")) for code, said in sorted(part.get("responses", {}).items())
        ),
    )


def _resolve(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Mapping[str, Any]:
    ref = schema.get("$ref")
    if ref is None:
        return schema
    found: Mapping[str, Any] = schemas.get(str(ref).rpartition("/")[2], {})
    return found


def _type(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> str:
    schema = _resolve(schema, schemas)
    options = schema.get("anyOf") or schema.get("oneOf")
    if options:
        return " or ".join(dict.fromkeys(_type(option, schemas) for option in options if option.get("type") != "null"))
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    kind = str(schema.get("type", "any"))
    if kind == "array":
        return f"list of {_type(schema.get('items', {}), schemas)}"
    return str(schema.get("format", kind)) if kind == "string" else kind


def _example(part: Mapping[str, Any], schemas: Mapping[str, Any]) -> str:
    """What an answer looks like: every field with a value of its type."""
    content = part.get("responses", {}).get("200", {}).get("content", {})
    schema = content.get("application/json", {}).get("schema")
    return json.dumps(_sample(schema, schemas, 0), indent=2, ensure_ascii=False) if schema else ""


def _sample(schema: Mapping[str, Any], schemas: Mapping[str, Any], depth: int) -> Any:
    schema = _resolve(schema, schemas)
    options = schema.get("anyOf")
    if options:
        return _sample(options[0], schemas, depth)
    if "enum" in schema:
        return schema["enum"][0]
    match schema.get("type"):
        case "object" if depth < _MOST_DEPTH and schema.get("properties"):
            return {name: _sample(item, schemas, depth + 1) for name, item in schema["properties"].items()}
        case "array" if depth < _MOST_DEPTH:
            return [_sample(schema.get("items", {}), schemas, depth + 1)]
        case "object":
            return {}
        case "integer":
            return 1
        case "number":
            return 0.95
        case "boolean":
            return True
        case "string":
            return "2026-11-20T12:00:00Z" if schema.get("format") == "date-time" else "…"
    return None
