"""The parts of the verifier one by one: what each takes, what it refuses and with which words, and its exact limits."""

from __future__ import annotations

import base64
import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rfc9162 import mth, path, subproof
from specimens import VKEY, key, shown, signer
from telling import FORM, STAMP, Told

from states import VERSION
from workflow.digest import digest_of
from workflow.events import canonical_bytes
from workflow.ledger.outside import keep_copy
from workflow.ledger.verify import (
    EMPTY_ROOT,
    UNREADABLE,
    Chain,
    Checkpoint,
    Finding,
    History,
    Kept,
    Leaf,
    Ledger,
    Legality,
    NoteError,
    Opening,
    Places,
    Report,
    Signature,
    Tree,
    Waiting,
    canonical_json,
    checkpoint_text,
    compare_held,
    is_moment,
    later_than,
    leaf_hash,
    parse_json,
    read_checkpoint,
    read_event,
    read_heads,
    read_key,
    read_notes,
    root_of_inclusion,
    roots_of_consistency,
    split_notes,
)

AT = "2026-04-20T08:00:00.000000Z"
ROOT = bytes(range(32))
NOTE = signer().checkpoint(7, ROOT, AT)
BODY, SIGNED = NOTE.split("\n\n")


def refusal(read: Callable[[Any], Any], value: Any, error: type[ValueError] = ValueError) -> str:
    """Why it is not read."""
    with pytest.raises(error) as raised:
        read(value)
    return str(raised.value)


# -- trees -------------------------------------------------------------------------------------------------------------

LEAVES = [leaf_hash(bytes([number])) for number in range(13)]


def test_a_tree_has_the_roots_of_the_rfc_however_it_grew() -> None:
    for size in range(14):
        root = mth(LEAVES[:size])
        for cut in range(size + 1):
            pieces, mixed = Tree(), Tree()
            pieces.extend(LEAVES[:cut])
            pieces.extend(LEAVES[cut:size])
            for leaf in LEAVES[:cut]:
                mixed.append(leaf)
            mixed.extend(LEAVES[cut:size])
            assert (pieces.root(), pieces.size, mixed.root(), mixed.size) == (root, size, root, size)


@pytest.mark.parametrize("size", range(1, 14))
def test_an_inclusion_proof_holds_for_its_leaf_and_shape_only(size: int) -> None:
    leaves, root = LEAVES[:size], mth(LEAVES[:size])
    for index, leaf in enumerate(leaves):
        steps = path(index, leaves)

        assert root_of_inclusion(leaf, index, size, steps) == root
        assert root_of_inclusion(leaf, index, size, [*steps, root]) is None
        assert not steps or root_of_inclusion(leaf, index, size, steps[:-1]) is None
        assert root_of_inclusion(leaf, -1, size, steps) is None
        assert root_of_inclusion(leaf, size, size, steps) is None


@pytest.mark.parametrize("size", range(1, 14))
def test_a_consistency_proof_holds_for_its_sizes_and_shape_only(size: int) -> None:
    leaves, root = LEAVES[:size], mth(LEAVES[:size])
    for old in range(1, size):
        steps, before = subproof(old, leaves), mth(leaves[:old])

        assert roots_of_consistency(old, size, before, steps) == (before, root)
        assert roots_of_consistency(old, size, before, [*steps, root]) is None
        assert roots_of_consistency(old, size, before, steps[:-1]) is None
        assert roots_of_consistency(old, size, before, []) is None
        assert roots_of_consistency(size, old, before, steps) is None
        assert roots_of_consistency(0, size, EMPTY_ROOT, steps) is None
        assert roots_of_consistency(-1, size, before, steps) is None
    assert roots_of_consistency(size, size, root, []) == (root, root)
    assert roots_of_consistency(size, size, root, [root]) is None


# -- keys --------------------------------------------------------------------------------------------------------------

NO_KEY = "a verifier key reads NAME+ID+KEY and is of type Ed25519"


def spelt(name: str, raw: bytes) -> str:
    """A key with the right ID for whatever its name and bytes are."""
    identity = hashlib.sha256(name.encode("utf-8", "surrogatepass") + b"\n" + raw).hexdigest()[:8]
    return f"{name}+{identity}+{base64.b64encode(raw).decode()}"


def test_a_key_is_read_however_it_was_copied() -> None:
    upper = VKEY.replace("c74f20a3", "C74F20A3")

    assert read_key(f"  {VKEY}\n") == read_key(upper) == key()


def test_a_key_may_have_any_name_that_can_be_written() -> None:
    text = spelt("schakel/é 1", b"\x01" + bytes(32))

    assert str(read_key(text)) == text


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", NO_KEY),
        ("name", NO_KEY),
        ("name+c74f20a3", NO_KEY),
        (spelt("", b"\x01" + bytes(32)), NO_KEY),
        (spelt("a\x00b", b"\x01" + bytes(32)), NO_KEY),
        (spelt("a\ud800", b"\x01" + bytes(32)), NO_KEY),
        (spelt("name", b"\x01" + bytes(31)), NO_KEY),
        (spelt("name", b"\x01" + bytes(33)), NO_KEY),
        (spelt("name", b"\x02" + bytes(32)), NO_KEY),
        (VKEY + "=", "the verifier key is not base64"),
        (VKEY[:-1] + "?", "the verifier key is not base64"),
        (VKEY.replace("Peter", "peter"), "the verifier key was mistyped: its ID does not belong to it"),
    ],
)
def test_what_is_no_key_is_refused_with_a_reason(text: str, why: str) -> None:
    assert refusal(read_key, text, NoteError) == why


# -- checkpoints -------------------------------------------------------------------------------------------------------

NO_NOTE = "this is no signed checkpoint: a text, an empty line and signatures are expected"
NO_SIZE = "this is no signed checkpoint: its second line is no size"
NO_HASH = "this is no signed checkpoint: its third line is no hash"
NOT_OURS = "this is no signed checkpoint of Schakel: root and time are expected"
NO_LINE = "this is no signed note: a signature line reads '— NAME BASE64'"
HASH = base64.b64encode(ROOT).decode()


@pytest.mark.parametrize(
    ("note", "why"),
    [
        ("", NO_NOTE),
        (NOTE.replace("\n\n", "\n"), NO_NOTE),
        (NOTE[:-1], NO_NOTE),
        (NOTE.replace("\n", "\r\n"), NO_NOTE),
        ("\x01" + NOTE, NO_NOTE),
        (NOTE.replace("Peter", "P\x00ter", 1), NO_NOTE),
        (NOTE + "\ud800", NO_NOTE),
        (NOTE.replace("7\n", ""), NO_NOTE),
        (NOTE.replace("\n7\n", "\n07\n"), NO_SIZE),
        (NOTE.replace("\n7\n", "\n-7\n"), NO_SIZE),
        (NOTE.replace("\n7\n", "\n٧\n"), NO_SIZE),
        (NOTE.replace("\n7\n", "\n" + "1" * 17 + "\n"), NO_SIZE),
        (NOTE.replace("\n7\n", "\n\n", 1).replace("\n\n", "\n \n", 1), NO_SIZE),
        (NOTE.removeprefix("PeterNeumann"), NO_SIZE),
        (NOTE.replace(HASH, "?"), NO_HASH),
        (NOTE.replace(HASH, HASH[:-2] + "9="), NO_HASH),
        (NOTE.replace(HASH, base64.b64encode(ROOT[1:]).decode()), NOT_OURS),
        (NOTE.replace(HASH, base64.b64encode(ROOT + b"x").decode()), NOT_OURS),
        (NOTE.replace("time ", "Time "), NOT_OURS),
        (NOTE.replace("— ", "- "), NO_LINE),
        (NOTE.replace("— PeterNeumann ", "— "), NO_LINE),
        (NOTE.replace("— PeterNeumann", "— "), NO_LINE),
        (NOTE[:-2] + "\n", NO_LINE),
        (f"{BODY}\n\n— a {base64.b64encode(bytes(4)).decode()}\n", NO_LINE),
        (NOTE + "\n", NO_NOTE),
        (NOTE + "— a AAAA\n", NO_LINE),
        (NOTE + "one line too many\n", NO_LINE),
    ],
)
def test_what_is_no_checkpoint_is_refused_with_a_reason(note: str, why: str) -> None:
    assert refusal(read_checkpoint, note, NoteError) == why


def test_a_checkpoint_is_read_to_its_last_field() -> None:
    signed = base64.b64decode(SIGNED.split()[2])
    more = f"{NOTE}— other {base64.b64encode(bytes(5)).decode()}\n"

    assert read_checkpoint(more) == Checkpoint(
        origin="PeterNeumann",
        size=7,
        root=ROOT,
        at=AT,
        text=f"{BODY}\n".encode(),
        signatures=(Signature("PeterNeumann", signed[:4], signed[4:]), Signature("other", bytes(4), bytes(1))),
    )
    assert checkpoint_text("PeterNeumann", 7, ROOT, AT) == f"{BODY}\n".encode()


def test_a_checkpoint_names_the_one_before_it_by_what_that_one_says() -> None:
    """Whoever else signs that one, a witness say, does not change its hash."""
    first = read_checkpoint(NOTE)
    digest = base64.b64encode(hashlib.sha256(f"{BODY}\n".encode()).digest()).decode()
    text = checkpoint_text("PeterNeumann", 7, ROOT, AT, NOTE)

    assert text == f"{BODY}\nprev {digest}\n".encode()
    assert text == checkpoint_text(
        "PeterNeumann", 7, ROOT, AT, f"{NOTE}— other {base64.b64encode(bytes(9)).decode()}\n"
    )
    second = read_checkpoint(signer().checkpoint(9, ROOT, AT, NOTE))
    assert (first.prev, first.hash, second.prev) == ("", digest, digest)
    assert second.signed_by(key())
    assert read_checkpoint(NOTE.replace("\n\n", "\nprevious\nprev of another\nprev more\n\n")).prev == "of another"


def test_a_checkpoint_of_sixteen_digits_is_read() -> None:
    assert read_checkpoint(NOTE.replace("\n7\n", "\n" + "9" * 16 + "\n")).size == 10**16 - 1
    assert read_checkpoint(NOTE.replace("\n7\n", "\n0\n")).size == 0


def test_a_note_is_read_up_to_its_limit() -> None:
    """100,000 characters; of a longer one the end is not read, and so it is none."""
    room = 100_000 - len(NOTE)
    fits, more = (NOTE.replace("\n\n", f"\n{'x' * count}\n\n") for count in (room - 1, room))

    assert (len(fits), read_checkpoint(fits).size) == (100_000, 7)
    assert refusal(read_checkpoint, more, NoteError) == NO_NOTE


def test_a_key_that_is_no_point_of_the_curve_signed_nothing() -> None:
    odd = read_key(spelt("PeterNeumann", b"\x01" + b"\x02" + bytes(31)))
    note = NOTE.replace(SIGNED.split()[2], base64.b64encode(odd.key_id + bytes(64)).decode())

    assert not read_checkpoint(note).signed_by(odd)


OTHER = signer().checkpoint(9, ROOT, AT)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (NOTE + OTHER + NOTE, [NOTE, OTHER, NOTE]),
        (f"\n\n{NOTE}\n \n{OTHER}\n\n", [NOTE, OTHER]),
        (f"{NOTE}{OTHER[:-40]}", [NOTE, OTHER[:-40]]),
        (f"{BODY}\n\nsomething else\n{NOTE}", [f"{BODY}\n\n", f"something else\n{NOTE}"]),
        (f"{BODY}\n\n{NOTE}", [f"{BODY}\n\n", NOTE]),
        (f"{BODY}\n{NOTE}", [f"{BODY}\n", NOTE]),
        (f"{NOTE}— other AAAA\n{OTHER}", [f"{NOTE}— other AAAA\n", OTHER]),
        (BODY, [BODY]),
    ],
)
def test_a_file_of_notes_is_parted_where_signatures_end(text: str, expected: list[str]) -> None:
    assert list(split_notes(text)) == expected


def test_a_file_of_checkpoints_is_read_as_others_save_it() -> None:
    text = NOTE + OTHER

    assert [note.size for note in read_notes(text).checkpoints] == [7, 9]
    assert read_notes("\ufeff" + text.replace("\n", "\r\n")) == read_notes(text)
    assert read_notes(f"Dear auditor,\n\n{text[:-1]}".encode()) == read_notes(text)


@pytest.mark.parametrize("others", [(OTHER, OTHER), (OTHER, ""), ("", OTHER)])
@pytest.mark.parametrize("go_on", [False, True])
def test_of_several_checkpoints_one_that_was_cut_off_anywhere_is_left_out_and_counted(
    others: tuple[str, str], go_on: bool, tmp_path: Path
) -> None:
    """At each byte, also inside the dash; the next is appended behind it, or nothing is."""
    path, whole = tmp_path / "notes", NOTE.encode()
    for cut in range(1, len(whole) - 1):  # without its last line break it is whole
        path.write_bytes(others[0].encode() + whole[:cut])
        if go_on and others[1]:
            keep_copy(path, others[1])
        elif others[1]:
            path.write_bytes(path.read_bytes() + b"\n\n" + others[1].encode())

        sizes = [note.size for note in read_notes(path.read_bytes()).checkpoints]

        assert (sizes, read_notes(path.read_bytes()).cut_off) == ([9] * sum(map(bool, others)), 1), cut


def test_a_checkpoint_that_is_cut_off_and_the_only_one_is_refused() -> None:
    for cut in range(1, len(NOTE) - 1):
        assert refusal(read_notes, NOTE[:cut], NoteError) in (
            NO_NOTE, "the checkpoint in it was cut off: its signature is not whole"
        ), cut  # fmt: skip


def test_one_that_was_cut_off_after_a_line_does_not_become_part_of_the_next() -> None:
    """As files are that were written before one began on a line of its own."""
    for lines in range(1, 5):
        beginning = "".join(NOTE.splitlines(keepends=True)[:lines])

        found, cut_off = read_notes(f"{beginning}{NOTE}")

        assert ([note.text for note in found], cut_off) == ([f"{BODY}\n".encode()], 1)


def test_a_file_without_checkpoints_is_refused_with_a_reason() -> None:
    late = signer().checkpoint(7, ROOT, "2026-04-20T08:00:00Z")

    assert refusal(read_notes, "\n", NoteError) == "there is no signed checkpoint in it"
    assert refusal(read_notes, "hello\n", NoteError) == NO_NOTE
    assert refusal(read_notes, NOTE.encode("utf-16"), NoteError) == "this is no text"
    assert refusal(read_notes, OTHER + NOTE.replace("\n7\n", "\nx\n"), NoteError) == (
        "this is no signed checkpoint: its second line is no size"
    )
    assert refusal(read_notes, NOTE + late, NoteError) == (
        "this is no signed checkpoint of Schakel: its time cannot be read"
    )


# -- JSON --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"b": [1, None, True], "a": {"é": "€"}}, '{"a":{"é":"€"},"b":[1,null,true]}'),
        ({"\ufb33": 1, "\U0001f600": 2}, '{"\U0001f600":2,"\ufb33":1}'),
        ([{"\ufb33": [{"\ufb33": 1, "\U0001f600": 2}], "\U0001f600": 2}],
         '[{"\U0001f600":2,"\ufb33":[{"\U0001f600":2,"\ufb33":1}]}]'),
        ({"\ufb33": 1, "é": "\U0010ffff"}, '{"é":"\U0010ffff","\ufb33":1}'),
        ({"\U0001f600": 1, "é": "\u0080\x7f"}, '{"é":"\u0080\x7f","\U0001f600":1}'),
        ("\U00010000", '"\U00010000"'),
    ],
)  # fmt: skip
def test_canonical_json_is_sorted_by_utf_16_at_every_depth(value: Any, expected: str) -> None:
    """RFC 8785, 3.2.3: U+1F600 is written as surrogates, which come before U+FB33."""
    assert canonical_json(value) == expected.encode()


LARGEST = 9007199254740991


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b'{"a":[1,-1,"\xc3\xa9",null,true]}', {"a": [1, -1, "é", None, True]}),
        ('{"a":1}', {"a": 1}),
        (str(LARGEST), LARGEST),
        (str(-LARGEST), -LARGEST),
    ],
)
def test_json_is_read_from_bytes_and_text(text: bytes | str, expected: Any) -> None:
    assert parse_json(text) == expected


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"a":1,"a":1}', "a key stands in it twice"),
        (str(LARGEST + 1), "a number in it is too large"),
        (str(-LARGEST - 1), "a number in it is too large"),
        ("9" * 5000, "a number in it is too large"),
        ("NaN", "NaN has no place in it"),
        ("-Infinity", "-Infinity has no place in it"),
        ("1.5", "1.5 has no place in it"),
        ("1.2345678901234567890", "1.234567890123456789 has no place in it"),
        ("1e3", "1e3 has no place in it"),
        ("[" * 100_000, "it is nested too deeply"),
    ],
)
def test_json_that_history_never_holds_is_refused_with_a_reason(text: str, why: str) -> None:
    assert refusal(parse_json, text) == why


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-04-20T08:00:00.0000000Z",
        "2026-04-20T08:00:00Z",
        "2026-04-20T08:00:00.000000",
        "2026-04-20 08:00:00.000000Z",
        "2026-04-20T24:00:00.000000Z",
        "2026-02-30T08:00:00.000000Z",
        "٢٠٢٦-04-20T08:00:00.000000Z",
        AT + "\n",
    ],
)
def test_what_is_no_moment_is_none(text: str) -> None:
    assert is_moment(text) is False


def test_a_moment_is_one() -> None:
    assert is_moment(AT) is True


# -- events ------------------------------------------------------------------------------------------------------------

CHANGES: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "a field too many": (lambda says: says.update(more=1), "it has not the fields of an event"),
    "a field too few": (lambda says: says.pop("via"), "it has not the fields of an event"),
    "another time": (lambda says: says.update(at="yesterday"), "its time cannot be read"),
    "no definition": (lambda says: says.update(definition={}), "it does not say by which definition it was judged"),
    "a definition of numbers": (
        lambda says: says["definition"].update(version=2),
        "it does not say by which definition it was judged",
    ),
    "a definition with more": (
        lambda says: says["definition"].update(more="x"),
        "it does not say by which definition it was judged",
    ),
    "a commitment that is none": (
        lambda says: says["commitments"].update(reason=7),
        "its commitments are no hashes",
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_is_no_event_is_refused_with_a_reason(name: str) -> None:
    change, why = CHANGES[name]
    says = json.loads(Told().opened().events[0].canonical)
    change(says)

    assert refusal(read_event, canonical_bytes(says)) == why


@pytest.mark.parametrize("canonical", [b"[]", b"7", b"null", b'"x"'])
def test_what_is_no_object_is_no_event(canonical: bytes) -> None:
    assert refusal(read_event, canonical) == "it has not the fields of an event"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(
            (name, 7)
            for name in ("actor", "at", "case", "from", "kind", "os_user", "prev_hash", "to", "trigger", "via")
        ),
        *((name, None) for name in ("actor", "at", "case", "kind", "os_user", "prev_hash", "to", "via")),
        *((name, []) for name in ("body", "commitments", "definition", "from", "trigger")),
        ("seq", True),
        ("seq", "1"),
    ],
)
def test_each_field_of_an_event_is_of_its_type(field: str, value: Any) -> None:
    says = json.loads(Told().opened().events[0].canonical) | {field: value}

    assert refusal(read_event, canonical_bytes(says)) == f"its field '{field}' is of another type"


def test_an_event_is_read_as_it_says() -> None:
    (event,) = Told().opened("policy").events

    assert read_event(event.canonical) == json.loads(event.canonical)
    assert refusal(read_event, event.canonical + b" ") == "its bytes are not in canonical form (RFC 8785)"


def test_a_value_opens_only_its_own_commitment() -> None:
    opening = Opening("text", {"b": 1, "a": "é"}, b"salt")

    assert opening.opens(_commitment(opening)) is True
    assert opening.opens("0" * 64) is False
    assert opening._replace(salt=b"other").opens(_commitment(opening)) is False
    for value in ({"b": 1, "a": "e"}, 1.5, UNREADABLE, "\ud800", {1.5: object()}):
        assert opening._replace(value=value).opens(_commitment(opening)) is False


def _commitment(opening: Opening) -> str:
    """RFC 2104 by hand."""
    inner, outer = (bytes(byte ^ pad for byte in opening.salt.ljust(64, b"\0")) for pad in (0x36, 0x5C))
    said = hashlib.sha256(inner + canonical_bytes(opening.value)).digest()
    return hashlib.sha256(outer + said).hexdigest()


# -- what is found -----------------------------------------------------------------------------------------------------


def test_a_thousand_findings_of_one_code_are_listed_and_the_rest_is_counted() -> None:
    report = Report()
    for number in range(1, 1_001):
        report.add("CHAIN", "broken", "K", number)
    report.add("FORK", "other")
    full = list(report.findings)
    report.add("CHAIN", "broken", "K", 1_001)
    report.add("CHAIN", "broken", "K", 1_002)

    assert full == [*(Finding("CHAIN", "broken", "K", number) for number in range(1, 1_001)), Finding("FORK", "other")]
    assert report.findings == [*full, Finding("CHAIN", "2 more like this are not listed.", "", 0)]


def test_each_definition_at_fault_is_told_once_and_so_many_that_a_history_made_up_fills_no_memory() -> None:
    report = Report()
    history = History(report, Legality({}))
    (says,) = Told().opened().says()

    for number in [*range(1, 1_011), *range(1, 1_011)]:
        history.begin(f"K-{number}")
        history.take(says | {"definition": says["definition"] | {"name": f"d{number}"}}, None)

    found = [(finding.code, finding.case) for finding in report.findings]
    assert found == [*(("DEFINITION_UNKNOWN", f"K-{number}") for number in range(1, 1_001)), ("DEFINITION_UNKNOWN", "")]
    assert report.findings[-1].message == "1 more like this are not listed."


def test_a_report_of_nothing_is_fine() -> None:
    report = Report()

    assert report.ok is True
    assert report.document() == {
        "ok": True, "events": 0, "cases": 0, "leaves": 0, "checkpoints": 0, "unsequenced": 0, "proved": 0,
        "cut_off": 0, "checkpoint": None, "findings": [],
    }  # fmt: skip
    report.add("CHAIN", "broken")
    assert report.ok is False
    assert report.findings == [Finding("CHAIN", "broken", "", 0)]


# -- chains ------------------------------------------------------------------------------------------------------------

HASHED = "EVENT_HASH The stored hash is not that of its bytes: one of them was changed."
CHANGED = "CHAIN It does not follow the event before it: that one was changed, or another put in its place."
NUMBERLESS = "EVENT_UNREADABLE Its bytes do not say which number it has and which event it follows."
NO_BYTES = "EVENT_UNREADABLE It holds no bytes, or no hash."


def links(count: int, personal: str = "x") -> list[tuple[Any, Any]]:
    history = Told().opened()
    for _ in range(count - 1):
        history.tell("noted", personal={"text": personal})
    return [(event.canonical, event.hash) for event in history.events]


ONE, TWO, THREE, FOUR, FIVE = links(5)
FORKED = links(3, "y")
CHAINS: dict[str, tuple[list[tuple[Any, Any]], list[list[str]]]] = {
    # the events, and what is said of each
    "whole": ([ONE, TWO, THREE, FOUR, FIVE], [[], [], [], [], []]),
    "one missing": ([ONE, THREE, FOUR], [[], ["SEQUENCE In the history before it event 2 is missing."], []]),
    "two missing": ([ONE, FOUR, FIVE], [[], ["SEQUENCE In the history before it events 2 to 3 are missing."], []]),
    "the first missing": ([TWO, THREE], [["SEQUENCE In the history before it event 1 is missing."], []]),
    "one twice": (
        [ONE, TWO, TWO, THREE],
        [[], [], ["SEQUENCE It calls itself event 2, where event 3 is expected."], []],
    ),
    "another in its place": ([ONE, FORKED[1], THREE], [[], [], [CHANGED]]),
    "another of another history in its place": ([ONE, TWO, FORKED[2], FOUR], [[], [], [CHANGED], [CHANGED]]),
    "another hash beside it": ([ONE, (TWO[0], "0" * 64), THREE], [[], [HASHED], []]),
    "other bytes beside the hash": ([ONE, (FORKED[1][0], TWO[1]), THREE], [[], [HASHED], []]),
    "other bytes beside the hash, which the next follows": (
        [ONE, (FORKED[1][0], TWO[1]), FORKED[2]],
        [[], [HASHED], []],
    ),
    "no event": ([ONE, (b"{}", TWO[1]), THREE], [[], [HASHED, NUMBERLESS], []]),
    "nothing like an event with its own hash": ([ONE, (b"{}", digest_of(b"{}")), THREE], [[], [NUMBERLESS], [CHANGED]]),
    "no bytes": ([ONE, (None, TWO[1]), THREE], [[], [NO_BYTES], [CHANGED]]),
    "no hash": ([ONE, (TWO[0], None), THREE], [[], [NO_BYTES], [CHANGED]]),
    "text for bytes": ([ONE, (TWO[0].decode(), TWO[1])], [[], [NO_BYTES]]),
    "bytes for a hash": ([ONE, (TWO[0], TWO[1].encode())], [[], [NO_BYTES]]),
    "a number for bytes": ([(7, ONE[1]), TWO], [[NO_BYTES], [CHANGED]]),
    "nothing at all": ([(None, None)], [[NO_BYTES]]),
}  # fmt: skip


@pytest.mark.parametrize("name", CHAINS)
def test_each_break_of_a_chain_is_told_in_full(name: str) -> None:
    events, expected = CHAINS[name]
    chain = Chain()

    said = [[f"{code} {message}" for code, message in chain.take(*event)] for event in events]

    assert said == expected


def test_a_chain_says_whether_all_of_them_follow_and_how_far_it_came() -> None:
    chain = Chain()

    assert chain.follows([]) is True
    assert chain.follows([ONE, TWO]) is True
    assert chain.seq == 2
    assert chain.follows([THREE, FIVE]) is False
    assert chain.follows([THREE, (FOUR[0], FIVE[1])]) is False
    assert chain.follows([THREE, (None, FIVE[1])]) is False
    assert chain.follows([THREE, (7, FIVE[1])]) is False
    assert chain.seq == 2
    assert chain.follows([(*THREE, "more"), FOUR, FIVE]) is True
    assert chain.seq == 5


def test_words_with_a_q_before_the_link_are_followed_at_once() -> None:
    history = Told().opened().tell("noted", {"quality": "quite"}, personal={"question": "quo"})

    assert Chain().follows([(event.canonical, event.hash) for event in history.events]) is True


def test_bytes_that_only_contain_an_event_do_not_follow() -> None:
    chain = Chain()
    says = json.loads(ONE[0])
    hidden = canonical_bytes({**says, "body": {"x": {"a": 0, "prev_hash": "0" * 64, "seq": 1, "to": "z"}}, "seq": 9})

    said = chain.take(hidden, digest_of(hidden))

    assert said == (("SEQUENCE", "In the history before it events 1 to 8 are missing."),)


# -- the history of a case ---------------------------------------------------------------------------------------------


def heard(history: Told, openings: list[list[Opening]] | None) -> list[str]:
    report = Report()
    told = History(report, Legality({STAMP[:2]: FORM}))
    told.begin("K")
    for number, event in enumerate(history.events):
        says = told.read(event.canonical, number + 1)
        assert says is not None
        told.take(says, openings[number] if openings is not None else None)
    told.end()
    return shown(report.findings)


def noted(count: int) -> Told:
    history = Told().opened()
    return history.tell("noted", personal={f"t{number}": number for number in range(count)})


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"{", "its bytes are no JSON"),
        (b"\xff", "its bytes are no JSON"),
        (b"", "its bytes are no JSON"),
        (b"[" * 100_000, "it is nested too deeply"),
        (b"{}", "it has not the fields of an event"),
        (b"1.5", "1.5 has no place in it"),
    ],
)
def test_what_cannot_be_read_is_told_by_its_number(data: bytes, why: str) -> None:
    report = Report()
    history = History(report, Legality({}))
    history.begin("K")

    assert history.read(data, 3) is None
    assert history.read(data) is None
    said = f"It is no event: {why}."
    assert report.findings == [Finding("EVENT_UNREADABLE", said, "K", 3), Finding("EVENT_UNREADABLE", said, "K", 0)]


def test_missing_values_are_named_and_from_the_sixth_on_counted() -> None:
    said = "OPENING_MISSING [K 2] t0, t1, t2, t3, t4%s: the value is gone, though the case was not erased after it."

    assert heard(noted(5), [[], []]) == [said % ""]
    assert heard(noted(6), [[], []]) == [said % " and 1 more"]
    assert heard(noted(5), None) == []


def test_a_missing_value_with_a_long_name_is_cut() -> None:
    history = Told().opened().tell("noted", personal={"x" * 81: 1})

    assert heard(history, [[], []]) == [
        f"OPENING_MISSING [K 2] {'x' * 80}: the value is gone, though the case was not erased after it."
    ]


def test_a_value_with_a_long_name_is_cut() -> None:
    history = Told().opened().tell("noted", personal={"x" * 81: 1})
    other = [Opening("x" * 81, 2, b"x" * 81), Opening("y" * 81, 2, b"")]

    assert heard(history, [[], other]) == [
        f"OPENING_DIFFERS [K 2] {'x' * 80}: the value is not the one recorded.",
        f"OPENING_UNKNOWN [K 2] {'y' * 80}: a value that the event knows nothing of.",
    ]


def test_values_are_gone_up_to_the_erasure_and_there_after_it() -> None:
    history = Told().withdrawn().tell("noted", personal={"text": "x"}).tell("erased", personal={"reason": "y"})
    history.tell("letter_sent", personal={"message": "z"})
    gone = "the value is gone, though the case was not erased after it."
    still = "The case was erased, but values of this event are still there."

    assert heard(history, [[], [], [], history.openings[3], history.openings[4]]) == []
    assert heard(history, [[]] * 5) == [f"OPENING_MISSING [K 5] message: {gone}"]
    assert heard(history, history.openings) == [f"OPENING_UNKNOWN [K 2] {still}", f"OPENING_UNKNOWN [K 3] {still}"]


def test_what_was_said_of_one_case_is_forgotten_before_the_next() -> None:
    report = Report()
    told = History(report, Legality({STAMP[:2]: FORM}))
    for case, history in (("A", noted(1)), ("B", Told().withdrawn().tell("erased")), ("C", noted(1))):
        told.begin(case)
        for says in history.says():
            told.take(says, [])
        told.end()

    gone = "t0: the value is gone, though the case was not erased after it."
    assert report.findings == [Finding("OPENING_MISSING", gone, case, 2) for case in "AC"]


def test_the_same_fault_of_a_definition_is_told_once_and_each_other_one() -> None:
    report = Report()
    told = History(report, Legality({STAMP[:2]: FORM}))
    stamps = [(name, version, digest) for name in "ab" for version in "cd" for digest in "ef"]
    history = Told()
    for stamp in [*stamps, (*STAMP[:2], "x"), (*STAMP[:2], "y")] * 2:
        history.tell("opened" if not history.events else "noted", to="rights_pending", definition=stamp)
    for says in history.says():
        told.take(says, None)

    unknown = [f"It was judged by version '{version}' of '{name}', which is not here or cannot be read."
               for name, version, _ in stamps]  # fmt: skip
    differs = f"It was judged by version '{VERSION}' of 'employer_coupling', but that is not the one kept here."
    assert report.findings == [
        *(Finding("DEFINITION_UNKNOWN", said, "", seq) for seq, said in enumerate(unknown, 1)),
        Finding("DEFINITION_DIFFERS", differs, "", 9),
        Finding("DEFINITION_DIFFERS", differs, "", 10),
    ]


# -- leaves, checkpoints and what waits --------------------------------------------------------------------------------

EVENT = Leaf(3, "K-0000-0000", 1, "a" * 64)


@pytest.mark.parametrize("complete", [True, False])
def test_a_leaf_is_given_to_its_event_once(complete: bool) -> None:
    places = Places(io.BytesIO(), complete=complete)
    leaves = [EVENT._replace(number=number if complete else number + 5, seq=number + 1) for number in range(4)]
    for leaf in leaves:
        places.put(leaf, AT if leaf.seq < 3 else "")

    assert (places.count, places.claimed) == (4, 0)
    assert places.claim(leaves[1]) == ("", AT)
    assert places.claim(leaves[2]) == ("", "")
    assert places.claim(leaves[1]) == ("It names a leaf that another event has named already.", "")
    assert places.claim(leaves[0]._replace(hash="b" * 64)) == ("The leaf it names was made of something else.", "")
    assert places.claim(leaves[0]._replace(number=leaves[-1].number + 1)) == ("It names a leaf that is not there.", "")
    assert (places.count, places.claimed) == (4, 3)
    assert [places.is_claimed(number) for number in range(4)] == [True, True, True, False]


@pytest.mark.parametrize(
    "other",
    [{"case": "K-0000-0001"}, {"seq": 2}, {"hash": "b" * 64}, {"case": "K-0000-0000/1", "seq": 1}, {"case": "\ud800"}],
)
def test_a_leaf_is_that_of_its_case_number_and_hash(other: dict[str, Any]) -> None:
    places = Places(io.BytesIO(), complete=False)
    places.put(EVENT, AT)

    assert places.claim(EVENT._replace(**other)) == ("The leaf it names was made of something else.", "")


def kept(note: str) -> Kept:
    said = read_checkpoint(note)
    return Kept(said.at, said.size, said.root.hex(), note)


def test_a_time_that_no_honest_checkpoint_has_is_cut() -> None:
    report = Report()

    compare_held(report, read_checkpoint(signer().checkpoint(7, ROOT, "x" * 41)), bytes(32))
    compare_held(report, read_checkpoint(NOTE), ROOT)

    assert report.findings == [
        Finding(
            "FORK",
            f"The checkpoint of {'x' * 40} over 7 leaves, which you hold, "
            "was signed over another history than the one that is here now.",
        )
    ]


def test_checkpoints_are_read_in_order_and_those_that_go_back_are_left_out() -> None:
    notes = [signer().checkpoint(size, ROOT, f"2026-04-20T08:0{minute}:00.000000Z")
             for size, minute in ((5, 1), (4, 2), (5, 1), (5, 0), (6, 0))]  # fmt: skip
    report = Report()

    rows = [*map(kept, notes[:2]), Kept(None, 7, None, None), *map(kept, notes[2:])]
    heads = list(read_heads(report, rows, key(), are_all=True))

    def back(at: int, size: int, before: int) -> str:
        return (
            f"CHECKPOINT_ORDER [ 0] The checkpoint of 2026-04-20T08:0{at}:00.000000Z over {size} leaves: "
            f"It stands behind that of 2026-04-20T08:0{before}:00.000000Z, but has an earlier time or fewer leaves."
        )

    assert [(head.size, head.at[15]) for head in heads] == [(5, "1"), (5, "1"), (5, "0"), (6, "0")]
    assert shown(report.findings) == [
        back(2, 4, 1),
        f"CHECKPOINT_UNREADABLE [ 0] Checkpoint 3 cannot be read: {NO_NOTE}.",
        back(0, 5, 1),
    ]
    assert (report.checkpoints, report.last) == (6, heads[-1])


def chain_of(*sizes: int) -> list[str]:
    """Notes over so many leaves, a minute apart, each signed after the one before."""
    notes: list[str] = []
    for minute, size in enumerate(sizes):
        at = f"2026-04-20T08:0{minute}:00.000000Z"
        notes.append(signer().checkpoint(size, ROOT, at, notes[-1] if notes else None))
    return notes


@pytest.mark.parametrize(
    ("numbers", "missed"),
    [
        ((0, 1, 2, 3), ()),
        ((0, 1, 3), (3,)),
        ((0, 2, 3), (2,)),
        ((1, 2, 3), (1,)),
        ((0, 3), (3,)),
        ((0, 1, 1, 2, 3), (1,)),
        ((0, 1, None, 3), ()),
        ((0, 1, 2), ()),
    ],
)
def test_a_checkpoint_stands_behind_the_one_that_it_was_signed_after(
    numbers: tuple[int | None, ...], missed: tuple[int, ...]
) -> None:
    """Behind one that cannot be read, which is told, nothing is known; and only when all are there that there were."""
    notes, report, part = chain_of(5, 5, 6, 7), Report(), Report()
    rows = [Kept(None, None, None, None) if number is None else kept(notes[number]) for number in numbers]

    list(read_heads(report, rows, key(), are_all=True))
    list(read_heads(part, rows, key(), are_all=False))

    gap = "The one that it was signed after does not stand before it: it was removed, or another was put in."
    size = {0: 5, 1: 5, 2: 6, 3: 7}
    assert [finding for finding in report.findings if finding.code != "CHECKPOINT_UNREADABLE"] == [
        Finding(
            "CHECKPOINT_GAP", f"The checkpoint of 2026-04-20T08:0{number}:00.000000Z over {size[number]} leaves: {gap}"
        )
        for number in missed
    ]
    assert not part.has_told("CHECKPOINT_GAP")


@pytest.mark.parametrize(
    ("sizes", "told"),
    [
        ((3,), (1, 3)),
        ((1, 3, 4), (2, 3)),
        ((2, 4), None),
        ((0,), None),
        ((3, 6), "ROLLED_BACK"),
        ((3, -2), "FORK"),
    ],
)
def test_a_ledger_has_the_checkpoints_that_were_copied_from_it(
    sizes: tuple[int, ...], told: tuple[int, int] | str | None
) -> None:
    """But for one over nothing, which anything agrees with; where another history shows, that is told alone."""
    report, entries = Report(), [bytes([number]) * 32 for number in range(5)]
    roots = [*(mth([leaf_hash(entry) for entry in entries[:size]]) for size in range(6)), ROOT]
    notes = [signer().checkpoint(size, roots[size], f"2026-04-20T08:0{size}:00.000000Z") for size in (2, 4)]
    held = [read_checkpoint(signer().checkpoint(abs(size), roots[size], AT)) for size in sizes]
    ledger = Ledger(report, map(kept, notes), key(), held)

    ledger.grow(entries[:4])
    ledger.end()

    if isinstance(told, tuple):
        assert shown(report.findings) == [lacking(*told)]
    else:
        assert [finding.code for finding in report.findings] == ([told] if told else [])


def lacking(count: int, size: int) -> str:
    return (
        f"CHECKPOINT_GAP [ 0] Checkpoints that you hold and that are missing here, though later ones are not: {count}. "
        f"The largest is that of {AT} over {size} leaves. They were removed, or an older copy was put back and signed "
        "since."
    )


def test_a_ledger_says_which_checkpoint_covers_the_next_leaf() -> None:
    report, entries = Report(), [bytes([number]) * 32 for number in range(5)]
    roots = [mth([leaf_hash(entry) for entry in entries[:size]]) for size in range(6)]
    notes = [signer().checkpoint(size, roots[size], f"2026-04-20T08:0{size}:00.000000Z") for size in (0, 2, 4)]
    ledger = Ledger(report, map(kept, notes), key(), [read_checkpoint(signer().checkpoint(3, roots[3], AT))])

    def coming() -> int | None:
        return ledger.next.size if ledger.next else None

    assert coming() == 2
    ledger.grow(entries[:1])
    assert coming() == 2
    ledger.grow(entries[1:3])
    assert (coming(), ledger.tree.size) == (4, 3)
    ledger.grow(entries[3:])
    assert (coming(), ledger.tree.size, ledger.tree.root()) == (None, 5, roots[5])
    ledger.end()
    assert report.leaves == 5
    assert shown(report.findings) == [
        lacking(1, 3),
        "NO_CHECKPOINT [ 0] Leaves that no checkpoint covers: 1. The newest checkpoint was removed, or they were added,"
        " or nothing was signed since, for want of the key.",
    ]
    assert report.verdict == "2 findings: this is not the history as it was."


def test_leaves_beyond_the_last_checkpoint_are_not_judged() -> None:
    report, entries = Report(), [bytes([number]) * 32 for number in range(5)]
    ledger = Ledger(report, [kept(signer().checkpoint(0, EMPTY_ROOT, AT))], key())

    ledger.grow(entries)
    ledger.end()

    assert report.verdict == (
        "1 finding: nothing proves that this is the history as it was beyond its last checkpoint. Either somebody "
        "removed the newest or added leaves, or none was signed since."
    )


def test_that_the_newest_checkpoint_is_gone_is_judged_when_a_later_one_is_held() -> None:
    report, entries = Report(), [bytes([number]) * 32 for number in range(5)]
    roots = [mth([leaf_hash(entry) for entry in entries[:size]]) for size in range(6)]
    note, later = (signer().checkpoint(size, roots[size], AT) for size in (2, 3))
    ledger = Ledger(report, [kept(note)], key(), [read_checkpoint(note), read_checkpoint(later)])

    ledger.grow(entries)
    ledger.end()

    assert shown(report.findings) == [
        "NO_CHECKPOINT [ 0] Leaves that no checkpoint covers: 3. The newest checkpoint was removed: you hold one of "
        "more leaves than the last here names."
    ]
    assert report.verdict == "1 finding: this is not the history as it was."
    assert not report.is_open_ended


def waiting(signed: str | None) -> tuple[Report, Waiting]:
    report = Report()
    if signed is not None:
        report.last = read_checkpoint(signer().checkpoint(7, ROOT, signed))
    return report, Waiting(report)


@pytest.mark.parametrize(
    ("signed", "at", "late"),
    [
        ("2026-04-20T08:15:00.000000Z", AT, False),
        ("2026-04-20T08:15:00.000001Z", AT, True),
        ("0002-01-01T00:10:00.000000Z", "0001-12-31T23:54:59.999999Z", True),
        ("0002-01-01T00:10:00.000000Z", "0001-12-31T23:55:00.000000Z", False),
        ("0001-06-01T00:10:00.000000Z", "0001-01-01T00:00:00.000000Z", False),
        (None, "0001-01-01T00:00:00.000000Z", False),
    ],
)
def test_an_event_may_wait_a_quarter_of_an_hour_for_its_leaf(signed: str | None, at: str, late: bool) -> None:
    report, wait = waiting(signed)

    wait.take("K", 3, at, has_leaf=False)

    said = (
        "It has no leaf, though the last checkpoint was signed long after it: it was put in later, or the sequencer was"
        " made to pass it over."
    )
    assert report.findings == ([Finding("EVENT_NOT_SEQUENCED", said, "K", 3)] if late else [])
    assert (report.unsequenced, wait.passed) == (1, [] if late else [3])


def test_an_event_may_not_wait_while_a_later_one_of_its_case_has_a_leaf() -> None:
    report, wait = waiting(AT)

    for case, seq, has_leaf in (
        ("A", 1, True), ("A", 2, False), ("A", 3, False), ("B", 1, True), ("B", 2, False), ("B", 3, True),
        ("B", 4, True), ("B", 5, False),
    ):  # fmt: skip
        wait.take(case, seq, AT, has_leaf=has_leaf)

    assert report.findings == [Finding("EVENT_NOT_SEQUENCED", "It has no leaf, though a later event has one.", "B", 2)]
    assert (report.unsequenced, wait.passed) == (4, [5])


def test_an_event_happened_at_its_checkpoint_at_the_latest() -> None:
    report = Report()

    later_than(report, AT, AT, "K", 1)
    later_than(report, AT, "2026-04-20T08:00:00.000001Z", "K", 2)
    later_than(report, AT, "x" * 41, "K", 3)

    said = f"but the checkpoint that covers it was signed at {AT} already."
    assert report.findings == [
        Finding("TIME_AFTER_CHECKPOINT", f"It says it happened at 2026-04-20T08:00:00.000001Z, {said}", "K", 2),
        Finding("TIME_AFTER_CHECKPOINT", f"It says it happened at {'x' * 40}, {said}", "K", 3),
    ]
