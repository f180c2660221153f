"""The signing key: a file for its owner only, read back whole or refused, and the note that is signed with it."""

from __future__ import annotations

import base64
import os
import re
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from workflow import UsageError
from workflow.ledger.outside import keep_copy, last_kept
from workflow.ledger.signing import make_key, read_signer
from workflow.ledger.verify import ED25519, VerifierKey, read_checkpoint

AT = "2026-04-20T08:00:00.000000Z"
FORM = r"PRIVATE\+KEY\+schakel/test\+([0-9a-f]{8})\+([A-Za-z0-9+/]{44})\n"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_key_is_written_for_its_owner_only_and_read_back(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "signing.key"

    key = make_key(path, "schakel/test")

    found = re.fullmatch(FORM, path.read_text("ascii"))
    assert found is not None
    assert found[1] == key.key_id.hex()
    assert (mode(path), mode(path.parent)) == (0o600, 0o700)
    assert read_signer(path).key == key
    assert key.name == "schakel/test"


def test_a_key_is_never_written_over_another(tmp_path: Path) -> None:
    first = make_key(tmp_path / "signing.key", "schakel/test")

    with pytest.raises(FileExistsError):
        make_key(tmp_path / "signing.key", "schakel/test")

    assert read_signer(tmp_path / "signing.key").key == first
    assert make_key(tmp_path / "other.key", "schakel/test") != first


def test_a_checkpoint_says_what_it_covers_and_its_signature_fits(tmp_path: Path) -> None:
    key = make_key(tmp_path / "signing.key", "schakel/test")

    note = read_signer(tmp_path / "signing.key").checkpoint(7, bytes(range(32)), AT)

    head = read_checkpoint(note)
    assert note.startswith(
        f"schakel/test\n7\n{base64.b64encode(bytes(range(32))).decode()}\ntime {AT}\n\n— schakel/test "
    )
    assert note.endswith("\n")
    assert (head.origin, head.size, head.root, head.at) == ("schakel/test", 7, bytes(range(32)), AT)
    assert [(sign.name, sign.key_id) for sign in head.signatures] == [("schakel/test", key.key_id)]
    assert head.signed_by(key)


def test_a_key_is_refused_whatever_part_of_it_was_changed(tmp_path: Path) -> None:
    path = tmp_path / "signing.key"
    make_key(path, "schakel/test")
    whole = path.read_text("ascii")
    *parts, secret = whole.strip().split("+", 4)
    head = "+".join(parts)
    raw = base64.b64decode(secret)
    spoilt = {
        "another kind": whole.replace("PRIVATE", "PUBLIC"),
        "another name": whole.replace("schakel/test", "schakel/tset"),
        "too short": f"{head}+{base64.b64encode(raw[:-1]).decode()}",
        "too long": f"{head}+{base64.b64encode(raw + b'x').decode()}",
        "another algorithm": f"{head}+{base64.b64encode(b'x' + raw[1:]).decode()}",
        "another secret": f"{head}+{base64.b64encode(raw[:-1] + bytes([raw[-1] ^ 1])).decode()}",
        "a blank within": f"{head}+{secret[:8]} {secret[8:]}",
        "no base64": f"{head}+?",
        "too few parts": "PRIVATE+KEY+schakel/test",
        "no ASCII": "é" * 40,
        "nothing": "",
        "far too long": " " * 2_000 + whole,
    }

    for text in spoilt.values():
        path.write_text(text)
        with pytest.raises(UsageError) as refusal:
            read_signer(path)
        assert str(refusal.value) == f"{path} is not a signing key of Schakel."

    path.write_text(f"\n {whole} \n")
    assert read_signer(path).key.name == "schakel/test"


def test_a_key_may_have_any_base64_in_it(tmp_path: Path) -> None:
    path, raw = tmp_path / "signing.key", bytes(2) + b"\xfb\xef\xbe" * 10
    key = VerifierKey("schakel/test", Ed25519PrivateKey.from_private_bytes(raw).public_key().public_bytes_raw())
    secret = base64.b64encode(ED25519 + raw).decode()
    path.write_text(f"PRIVATE+KEY+{key.name}+{key.key_id.hex()}+{secret}\n")

    assert secret.count("+") > 5
    assert read_signer(path).key == key


def test_a_copy_outside_grows_by_each_head_that_is_new_and_anyone_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "heads.txt"
    first, second = "first\n\n— a b\n", "second é\n\n— a b\n"

    done = [keep_copy(path, note) for note in (first, first, second, second, first)]

    assert done == [True, False, True, False, True]
    assert path.read_text() == first + second + first
    assert mode(path) == 0o644


def test_a_copy_outside_that_was_cut_off_goes_on_behind_an_empty_line(tmp_path: Path) -> None:
    path = tmp_path / "heads.txt"
    for cut in ("a note that was cut o", "a note that was cut off\n", "a note\n\n— that was c"):
        path.write_text(cut)

        keep_copy(path, "second\n")

        assert path.read_text() == f"{cut}\n\nsecond\n"


def test_what_is_no_file_is_an_error_nobody_waits_for_it_and_nothing_stays_open(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    before = len(os.listdir("/proc/self/fd"))

    with pytest.raises(OSError, match="seek"):
        last_kept(tmp_path / "pipe")
    with pytest.raises(IsADirectoryError):
        last_kept(tmp_path)

    assert len(os.listdir("/proc/self/fd")) == before


def test_of_a_long_copy_outside_only_the_end_is_read(tmp_path: Path) -> None:
    path = tmp_path / "heads.txt"
    path.write_bytes(b"x" * 20_000 + b"\n" + "— a b\n".encode())

    assert keep_copy(path, "last\n\n— a b\n")
    assert not keep_copy(path, "last\n\n— a b\n")
    assert path.stat().st_size == 20_023
