"""Rows that travel as one JSON text: a query's into one value, and a value's into rows, on both databases."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar

from sqlalchemy import JSON, Text, bindparam, column
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.selectable import TableValuedAlias


class Packed(FunctionElement[str]):
    """The rows of a query as one JSON text, each a list of these columns; nothing or '[]' when there are none."""

    name = "packed"
    type = Text()
    inherit_cache = True
    forms: ClassVar[Mapping[str, str]] = MappingProxyType(
        {
            "sqlite": "json_group_array(json_array({}))",
            "postgresql": "CAST(json_agg(json_build_array({})) AS TEXT)",
        }
    )


class Unpacked(FunctionElement[Any]):
    """The elements of a JSON array as rows with a column `value`."""

    name = "unpacked"
    inherit_cache = True
    forms: ClassVar[Mapping[str, str]] = MappingProxyType(
        {"sqlite": "json_each({})", "postgresql": "json_array_elements(CAST({} AS json))"}
    )


def unpacked(parameter: str) -> TableValuedAlias:
    """The elements of the JSON array that a parameter is, in a column `value`."""
    return Unpacked(bindparam(parameter)).table_valued(column("value", JSON), name=parameter)


@compiles(Packed)
@compiles(Unpacked)
def _written(element: Packed | Unpacked, compiler: Any, **options: Any) -> str:
    return element.forms[compiler.dialect.name].format(compiler.process(element.clauses, **options))
