"""Each package of others that we lean on is used in one module, so that replacing it is one module's work."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("workflow", "states", "notifications", "loket", "scripts")


def imported_by(module: Path) -> frozenset[str]:
    """The top names of all that a module imports, wherever in it."""
    nodes = tuple(ast.walk(ast.parse(module.read_bytes())))
    plain = {name.name for node in nodes if isinstance(node, ast.Import) for name in node.names}
    whole = {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom) and not node.level}
    return frozenset(name.split(".")[0] for name in plain | whole)


@pytest.mark.parametrize("package", ["transitions", "apscheduler", "jinja2", "aiosmtplib", "httpx", "starlette"])
def test_a_package_has_one_home_at_most(package: str) -> None:
    modules = (module for folder in PACKAGES for module in sorted((ROOT / folder).rglob("*.py")))

    homes = [str(module.relative_to(ROOT)) for module in modules if package in imported_by(module)]

    assert len(homes) <= 1, homes
