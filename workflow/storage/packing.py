"""Rows that travel as one JSON text: a query's into one value, and a value's into rows, on both databases."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Text
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement


class Packed(FunctionElement[str]):
    """The rows of a query as one JSON text, each a list of these columns; nothing or '[]' when there are none."""

    name = "packed"
    type = Text()
    inherit_cache = True


class Unpacked(FunctionElement[Any]):
    """The elements of a JSON array as rows with a column `value`."""

    name = "unpacked"
    inherit_cache = True


@compiles(Packed, "sqlite")
def _pack_on_sqlite(element: Packed, compiler: Any, **options: Any) -> str:
    return f"json_group_array(json_array({compiler.process(element.clauses, **options)}))"


@compiles(Packed, "postgresql")
def _pack_on_postgresql(element: Packed, compiler: Any, **options: Any) -> str:
    return f"CAST(json_agg(json_build_array({compiler.process(element.clauses, **options)})) AS TEXT)"


@compiles(Unpacked, "sqlite")
def _unpack_on_sqlite(element: Unpacked, compiler: Any, **options: Any) -> str:
    return f"json_each({compiler.process(element.clauses, **options)})"


@compiles(Unpacked, "postgresql")
def _unpack_on_postgresql(element: Unpacked, compiler: Any, **options: Any) -> str:
    return f"json_array_elements(CAST({compiler.process(element.clauses, **options)} AS json))"
