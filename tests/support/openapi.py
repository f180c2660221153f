"""Whether a document is as a schema of OpenAPI 3.0 says, for the words that Loket.nl's description uses."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime
from typing import Any
from uuid import UUID

_KINDS = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
}
_READERS = {"uuid": UUID, "date": date.fromisoformat, "date-time": datetime.fromisoformat}
PATHS = (
    "/providers/employers",
    "/providers/employers/{employerId}/users",
    "/providers/employers/users/{userId}",
    "/providers/employers/users/{userId}/integrations",
    "/providers/employers/{employerId}/users/{userId}/authorizations",
    "/providers/employers/{employerId}/payrolladministrations",
)
"""The calls that we make; all of them GET."""


def only_ours(description: dict[str, Any]) -> dict[str, Any]:
    """The description of our calls, which is a hundredth of the whole."""
    paths = {path: {"get": description["paths"][path]["get"]} for path in PATHS}
    info = {"title": description["info"]["title"], "version": description["info"]["version"]}
    return {"openapi": description["openapi"], "servers": description["servers"], "info": info, "paths": paths}


def schema_of(description: dict[str, Any], path: str, status: str = "200") -> dict[str, Any]:
    """The schema of an answer, whatever version its media type names."""
    (content,) = description["paths"][path]["get"]["responses"][status]["content"].values()
    schema: dict[str, Any] = content["schema"]
    return schema


def violations(value: Any, schema: dict[str, Any], where: str = "$") -> Iterator[str]:
    """Everything that is not as the schema says."""
    for part in schema.get("allOf", ()):
        yield from violations(value, part, where)
    if value is None:
        if "type" in schema and not schema.get("nullable"):
            yield f"{where} may not be null"
        return
    kind = schema.get("type")
    if kind and (not isinstance(value, _KINDS[kind]) or (isinstance(value, bool) and kind != "boolean")):
        yield f"{where} is no {kind}"
        return
    if isinstance(value, dict):
        yield from (f"{where}.{name} is missing" for name in schema.get("required", ()) if name not in value)
        for name, inner in schema.get("properties", {}).items():
            if name in value:
                yield from violations(value[name], inner, f"{where}.{name}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from violations(item, schema.get("items", {}), f"{where}[{index}]")
    elif isinstance(value, str):
        yield from _violations_of_text(value, schema, where)
    if "enum" in schema and value not in schema["enum"]:
        yield f"{where} is none of {schema['enum']}"


def _violations_of_text(value: str, schema: dict[str, Any], where: str) -> Iterator[str]:
    if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)):
        yield f"{where} has {len(value)} characters"
    pattern = schema.get("pattern", "")
    if len(pattern) < 200 and not re.search(pattern, value):  # the longest one is that of an address
        yield f"{where} is not like {pattern}"
    if reader := _READERS.get(schema.get("format", "")):
        try:
            reader(value)
        except ValueError:
            yield f"{where} is no {schema['format']}"
