"""Rules change only together with their version, since events name the version they were judged by."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import pytest

from states import VERSION

_spec = importlib.util.spec_from_file_location("record_version", Path(__file__).with_name("record_version.py"))
versions = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(versions)


def test_the_sources_of_states_are_those_recorded_for_this_version():
    assert versions.recorded().get(VERSION) == versions.source_digest(), (
        "states/ changed: raise VERSION in states/table.py, then run python tests/states/record_version.py"
    )


def test_a_recorded_version_cannot_be_recorded_again_with_other_sources(tmp_path):
    folder, file = tmp_path / "states", tmp_path / "versions.json"
    shutil.copytree(versions.SOURCES, folder)
    versions.record(folder, file)
    with (folder / "names.py").open("a", encoding="utf-8") as source:
        source.write("\n# changed\n")

    with pytest.raises(SystemExit, match="raise VERSION"):
        versions.record(folder, file)


def test_the_way_a_machine_ends_its_lines_is_no_change(tmp_path):
    folder = tmp_path / "states"
    shutil.copytree(versions.SOURCES, folder)
    names = folder / "names.py"
    names.write_bytes(names.read_bytes().replace(b"\n", b"\r\n"))

    assert versions.source_digest(folder) == versions.source_digest()
