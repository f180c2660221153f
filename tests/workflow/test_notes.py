"""Checkpoints are C2SP signed notes: by the published key and note, and by everything a forger might write instead.

Vectors: key, text and signature of 'PeterNeumann', and the signature of 'EnochRoot', are those of
golang.org/x/mod/sumdb/note (note_test.go), which the C2SP signed-note specification refers to.
What is refused, and with which words, stands in test_verify_parts.py and test_signing.py.
"""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow.ledger.signing import Signer, make_key, read_signer
from workflow.ledger.verify import (
    Checkpoint,
    NoteError,
    Signature,
    checkpoint_text,
    read_checkpoint,
    read_key,
    read_notes,
)

PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PETERS_SECRET = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
PETER_SIGNED = "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
ENOCH = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop"
ENOCH_SIGNED = "rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ="
TEXT = b"If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
AT = "2026-04-20T08:00:00.000000Z"
ROOT = bytes(range(32))


@pytest.fixture
def signer(tmp_path: Path) -> Signer:
    make_key(tmp_path / "key", "schakel/test")
    return read_signer(tmp_path / "key")


def line(name: str, encoded: str) -> Signature:
    raw = base64.b64decode(encoded)
    return Signature(name, raw[:4], raw[4:])


def note_of(text: bytes, *signatures: Signature) -> Checkpoint:
    return Checkpoint("", 0, b"", "", text, signatures)


# -- keys --------------------------------------------------------------------------------------------------------------


def test_the_published_key_is_read() -> None:
    key = read_key(PETER)

    assert (key.name, key.key_id.hex(), str(key)) == ("PeterNeumann", "c74f20a3", PETER)


def test_no_part_of_a_key_is_a_key() -> None:
    for start in range(len(PETER)):
        for end in range(start + 1, len(PETER) + 1):
            if (start, end) != (0, len(PETER)):
                with pytest.raises(NoteError):
                    read_key(PETER[start:end])


@pytest.mark.parametrize("place", range(len(PETER)))
def test_a_key_with_one_wrong_character_is_refused(place: int) -> None:
    with pytest.raises(NoteError):
        read_key(PETER[:place] + chr(ord(PETER[place]) + 1) + PETER[place + 1 :])


# -- signatures --------------------------------------------------------------------------------------------------------


def test_the_published_signatures_hold() -> None:
    note = note_of(TEXT, line("PeterNeumann", PETER_SIGNED), line("EnochRoot", ENOCH_SIGNED))

    assert note.signed_by(read_key(PETER))
    assert note.signed_by(read_key(ENOCH))


def test_we_sign_as_published(tmp_path: Path) -> None:
    """Ed25519 is deterministic: over the same text the same bytes."""
    (tmp_path / "key").write_text(PETERS_SECRET + "\n")

    signer = read_signer(tmp_path / "key")

    assert str(signer.key) == PETER
    assert signer.key.key_id + signer._private.sign(TEXT) == base64.b64decode(PETER_SIGNED)


def test_a_signature_holds_for_its_text_its_key_and_its_name_only() -> None:
    peter, signed = read_key(PETER), line("PeterNeumann", PETER_SIGNED)

    assert not note_of(TEXT.replace(b"answer", b"ANSWER"), signed).signed_by(peter)
    assert not note_of(TEXT, signed._replace(name="EnochRoot")).signed_by(peter)
    assert not note_of(TEXT, signed._replace(key_id=b"\0\0\0\0")).signed_by(peter)
    assert not note_of(TEXT, signed._replace(signature=signed.signature[:-1])).signed_by(peter)
    assert not note_of(TEXT, line("EnochRoot", ENOCH_SIGNED)).signed_by(peter)
    assert not note_of(TEXT).signed_by(peter)


# -- checkpoints -------------------------------------------------------------------------------------------------------


def test_others_may_sign_it_too_and_add_lines(signer: Signer) -> None:
    """C2SP tlog-checkpoint: extension lines follow the root, and witnesses add signatures."""
    text = checkpoint_text(signer.key.name, 7, ROOT, AT) + b"extension\n"
    signed = base64.b64encode(signer.key.key_id + signer._private.sign(text)).decode()
    note = f"{text.decode()}\n— PeterNeumann {PETER_SIGNED}\n— {signer.key.name} {signed}\n"

    found = read_checkpoint(note)

    assert found.signed_by(signer.key)
    assert not found.signed_by(read_key(PETER))


def test_one_changed_character_ends_it(signer: Signer) -> None:
    note = signer.checkpoint(7, ROOT, AT)
    for place in range(len(note)):
        changed = note[:place] + ("x" if note[place] != "x" else "y") + note[place + 1 :]
        try:
            assert not read_checkpoint(changed).signed_by(signer.key)
        except NoteError:
            continue


@given(st.text(max_size=200) | st.text(alphabet="\n— +=A0time", max_size=80))
def test_any_text_is_read_or_refused(text: str) -> None:
    for read in (read_checkpoint, read_key, read_notes):
        try:
            read(text)
        except NoteError:
            continue
