"""The demo's scene with Loket.nl plays to its end, and each look shows something else."""

from __future__ import annotations

import shlex
from pathlib import Path

from scripts.loket_scene import LoketScene
from tests.loket.conftest import Window


def test_the_scene_leads_from_a_user_that_is_missing_to_a_registered_case(
    sqlite_window: Window, tmp_path: Path
) -> None:
    window, scene = sqlite_window, LoketScene(tmp_path)
    window.environ |= scene.environ
    window.manners = scene.manners

    said = [window.run(shlex.join(words)).stdout for words, _ in scene.acts()]

    looks = [
        "fails: user_exists",
        "fails: active, rights",
        "'Raadplegen loonoutput', which is not the same",
        "nothing fails",
    ]
    assert all(look in " ".join(text.split()) for look, text in zip(looks, said[1:5], strict=True))
    assert window.ask("show E90")["state"] == "registered"
    assert all(len(line) <= 80 for text in said for line in text.splitlines())
