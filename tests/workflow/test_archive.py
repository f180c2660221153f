"""A zip in the making: refused in words before anything is written, and no more than its owner can read."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import socket
import stat
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from workflow import SchakelError, UsageError
from workflow.ledger.archive import Archive, Note, new_archive, sha256_of, writing_to

MADE_AT = datetime(2026, 4, 20, 22, 30, 4, tzinfo=UTC)


def write(out: Path, *, force: bool = False) -> list[tuple[str, int]]:
    """Write a zip of two files; what the watch was told."""
    told: list[tuple[str, int]] = []
    with new_archive(out, MADE_AT, force=force, watch=lambda name, size: told.append((name, size))) as archive:
        fill(archive)
    return told


def fill(archive: Archive) -> None:
    archive.add("a.txt", b"first")
    with archive.text("b.txt") as file:
        file.write("één\r\n\ud800\n")
    assert archive.files == {
        "a.txt": Note(hashlib.sha256(b"first").hexdigest(), 5),
        "b.txt": Note(hashlib.sha256(b"\xc3\xa9\xc3\xa9n\r\n\\ud800\n").hexdigest(), 14),
    }


def test_an_archive_holds_its_files_as_of_now_in_amsterdam_compressed_and_for_its_owner(tmp_path: Path) -> None:
    out = tmp_path / "all.zip"

    told = write(out)

    with zipfile.ZipFile(out) as zipped:
        assert {name: zipped.read(name) for name in zipped.namelist()} == {
            "a.txt": b"first",
            "b.txt": b"\xc3\xa9\xc3\xa9n\r\n\\ud800\n",
        }
        for about in zipped.infolist():
            assert about.date_time == (2026, 4, 21, 0, 30, 4)
            assert about.compress_type == zipfile.ZIP_DEFLATED
            assert about.external_attr >> 16 == 0o600
    assert told == [("a.txt", 5), ("b.txt", 14)]
    assert sha256_of(out) == hashlib.sha256(out.read_bytes()).hexdigest()
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [out]


def test_a_file_may_be_as_large_as_it_gets(tmp_path: Path) -> None:
    """Pieces are counted together, not only the last."""
    with new_archive(tmp_path / "all.zip", MADE_AT, force=False, watch=lambda *_: None) as archive:
        with archive.file("a") as file:
            for _ in range(3):
                file.write(bytes(1 << 19))

        assert archive.files["a"] == Note(hashlib.sha256(bytes(3 << 19)).hexdigest(), 3 << 19)


@pytest.mark.parametrize("umask", [0o000, 0o277])
def test_while_it_is_written_only_its_owner_can_read_it(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        with new_archive(tmp_path / "all.zip", MADE_AT, force=False, watch=lambda *_: None):
            (part,) = tmp_path.iterdir()
            mode = stat.S_IMODE(part.stat().st_mode)
    finally:
        os.umask(before)

    assert part.name == ".all.zip.part"
    assert mode == 0o600


def test_a_part_is_never_open_to_others_not_even_before_its_mode_is_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    modes = []
    monkeypatch.setattr(fcntl, "flock", lambda number, _: modes.append(stat.S_IMODE(os.fstat(number).st_mode)))
    before = os.umask(0)
    try:
        write(tmp_path / "all.zip")
    finally:
        os.umask(before)

    assert modes == [0o600]


def test_what_is_there_already_is_kept_until_the_new_one_is_whole(tmp_path: Path) -> None:
    out = tmp_path / "all.zip"
    out.write_text("mine")

    with new_archive(out, MADE_AT, force=True, watch=lambda *_: None) as archive:
        fill(archive)
        assert out.read_text() == "mine"

    assert zipfile.is_zipfile(out)


@pytest.mark.parametrize("force", [False, True])
def test_a_place_where_it_may_not_be_written_is_refused_in_words(tmp_path: Path, *, force: bool) -> None:
    there, link, long = tmp_path / "there.zip", tmp_path / ".link.zip.part", tmp_path / ("x" * 300)
    there.write_text("mine")
    link.symlink_to(there)
    said = {
        tmp_path: f"{tmp_path} is a folder; give the name of a file in it, such as {tmp_path}/export.zip.",
        tmp_path / "no" / "a.zip": f"There is no folder {tmp_path}/no; make it first, or choose another place.",
        tmp_path
        / "link.zip": f"{tmp_path}/link.zip cannot be written: {os.strerror(errno.ELOOP)}; choose another place.",
        long: f"{long} cannot be written: {os.strerror(errno.ENAMETOOLONG)}; choose another place.",
    }
    if not force:
        said[there] = f"{there} exists; choose another name, or overwrite it with --force."

    for out, words in said.items():
        with pytest.raises(UsageError) as refusal:
            write(out, force=force)
        assert str(refusal.value) == words

    assert there.read_text() == "mine"
    assert sorted(tmp_path.iterdir()) == [link, there]


@pytest.mark.parametrize("force", [False, True])
def test_what_is_no_file_is_never_replaced(tmp_path: Path, *, force: bool) -> None:
    pipe, link, lost, kept = (tmp_path / name for name in ("pipe", "link", "lost", "kept"))
    os.mkfifo(pipe)
    kept.write_text("mine")
    link.symlink_to(kept)
    lost.symlink_to(tmp_path / "nowhere")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))

    for out, kind in {
        pipe: "a pipe",
        link: "a symbolic link",
        lost: "a symbolic link",
        tmp_path / "socket": "a socket",
    }.items():
        with pytest.raises(UsageError) as refusal:
            write(out, force=force)
        assert str(refusal.value) == f"{out} is {kind}, not a file; choose another name for the export."

    assert (pipe.is_fifo(), kept.read_text(), link.readlink()) == (True, "mine", kept)
    assert len(list(tmp_path.iterdir())) == 5


def test_an_export_does_not_go_to_standard_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    with pytest.raises(UsageError, match=r"cannot go to standard output; give its name, such as export\.zip"):
        write(Path("-"))

    assert list(tmp_path.iterdir()) == []


def test_a_second_one_to_the_same_place_is_refused_and_keeps_nothing_open(tmp_path: Path) -> None:
    out = tmp_path / "all.zip"
    with new_archive(out, MADE_AT, force=False, watch=lambda *_: None) as archive:
        before = os.listdir("/dev/fd")
        with pytest.raises(UsageError) as refusal:
            write(out)
        after = os.listdir("/dev/fd")
        fill(archive)

    assert str(refusal.value) == f"{out} is being written by another export; choose another name, or wait for it."
    assert after == before
    assert zipfile.is_zipfile(out)


@pytest.mark.parametrize("becomes", ["gone", "another"])
def test_a_part_that_was_moved_to_its_place_just_now_is_not_written_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, becomes: str
) -> None:
    """The other export finished between opening the file and locking it."""
    out, part = tmp_path / "all.zip", tmp_path / ".all.zip.part"

    def finish(_number: int, _how: int) -> None:
        part.rename(out)
        out.write_text("theirs")
        if becomes == "another":
            part.write_text("a third one's")

    monkeypatch.setattr(fcntl, "flock", finish)

    with pytest.raises(UsageError, match="is being written by another export"):
        write(out)

    assert out.read_text() == "theirs"


@pytest.mark.parametrize(
    ("error", "why"), [(OSError(28, "No space left on device"), "No space left on device"), (OSError("torn"), "torn")]
)
def test_what_could_not_be_written_is_said_with_its_reason(error: OSError, why: str) -> None:
    with pytest.raises(SchakelError) as failure, writing_to(Path("all.zip")):
        raise error

    assert str(failure.value) == f"all.zip could not be written: {why}; nothing was left behind."
