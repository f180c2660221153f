"""Rows that travel as one JSON text: a query's into one value, and a value's into rows, on both databases."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar

from sqlalchemy import Text
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement


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


@compiles(Packed)
@compiles(Unpacked)
def _written(element: Packed | Unpacked, compiler: Any, **options: Any) -> str:
    return element.forms[compiler.dialect.name].format(compiler.process(element.clauses, **options))
