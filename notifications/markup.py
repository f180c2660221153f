"""Turns the one source of a letter, written as plain text, into the Jinja source of its text part or its HTML part.

    ## Wat vragen we je?            a heading
    - Houd je wachtwoord geheim     a line of a list; such lines in a row are one list
    Let op: …                       set apart, as are Handig:, Please note: and Tip:
    <{{ settings.form_url }}>       a link
    `schakel show K-7Q2M-4XZ9`      a command
    {% if reason %}                 alone on its line: decides about whole lines and leaves no trace itself

A blank line ends a paragraph or a list; a line break stays one. Only the source is read this way, before any value is
filled in, so no value can become a heading, a link or a list.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from html import escape
from typing import TypeAlias

SET_APART = {"Let op:": "note", "Please note:": "note", "Handig:": "tip", "Tip:": "tip"}
"""How a paragraph begins that is set apart, and the class it gets."""

_HEADING = "## "
_ITEM = "- "
_CONTROL = re.compile(r"\{%\s*(if|elif|else|endif|for|endfor|set)\b[^%]*%\}")
_INLINE = re.compile(
    r"<(?P<link>\{\{[^{}]*\}\}|[^\s<>{}]+)>|`(?P<code>[^`]+)`|(?P<tag>\{\{.*?\}\}|\{%.*?%\})|(?P<plain>[^<`{]+|.)"
)
_TAG = re.compile(r"\{\{.*?\}\}|\{%.*?%\}")
_WORD = re.compile(rf"(?:{_TAG.pattern}|\S)+")


class MarkupError(ValueError):
    """The source of a letter does not hold together; says which tag."""


class _Kind(Enum):
    TEXT = "text"
    ITEM = "item"
    ALONE = "alone"


@dataclass(frozen=True, slots=True)
class _Line:
    kind: _Kind
    source: str


@dataclass(frozen=True, slots=True)
class _Control:
    """A tag and the lines it decides about, for every branch; `end` closes the last."""

    branches: tuple[tuple[str, tuple[_Node, ...]], ...]
    end: str


_Node: TypeAlias = _Line | _Control
_Write: TypeAlias = Callable[[str, bool], str]
"""How a line of a paragraph or of a list is written, given whether it is the last."""


def to_text(source: str) -> str:
    """The Jinja source of the text part: the same lines without their marks."""
    return _joined(_unmarked(line.strip().removeprefix(_HEADING)) for line in source.splitlines())


def to_html(source: str) -> str:
    """The Jinja source of the HTML part. Raises MarkupError when a tag is not closed."""
    nodes, _ = _read(line.strip() for line in source.splitlines())
    return _joined(_blocks(nodes))


def line_to_html(line: str) -> str:
    """One line: what is written as HTML, and the tags between it untouched."""
    return "".join(_piece(match) for match in _INLINE.finditer(line))


def web_address(shown: object) -> str:
    """Where a link goes that shows this: a mail address, or a page that may be written without its scheme."""
    text = str(shown).strip()
    if "@" in text and "/" not in text:
        return f"mailto:{text}"
    return text if text.lower().startswith(("https://", "http://")) else f"https://{text}"


def _joined(lines: Iterable[str]) -> str:
    """Lines as one text; a tag that has a line to itself takes no line."""
    return "".join(line if _CONTROL.fullmatch(line) else f"{line}\n" for line in lines)


def _unmarked(line: str) -> str:
    return "".join(match["link"] or match["code"] or match[0] for match in _INLINE.finditer(line))


def _piece(match: re.Match[str]) -> str:
    if link := match["link"]:
        if link.startswith("{{"):
            return f'<a href="{{{{ web_address({link[2:-2].strip()}) }}}}">{link}</a>'
        return f'<a href="{escape(web_address(link))}">{escape(link)}</a>'
    if code := match["code"]:
        # one word is no command but a value, such as a hash that is wider than the page
        return f"<code>{line_to_html(code) if _WORD.fullmatch(code) else _WORD.sub(_unbroken, code)}</code>"
    return match["tag"] or escape(match["plain"], quote=False)


def _unbroken(word: re.Match[str]) -> str:
    """A word of a command; browsers would break it at its hyphens."""
    written = line_to_html(word[0])
    return f'<span class="word">{written}</span>' if "-" in written or "{" in written else written


def _read(lines: Iterator[str], opening: str = "") -> tuple[tuple[_Node, ...], str]:
    """The lines up to the tag that closes the branch we are in, as a tree, and that tag."""
    nodes: list[_Node] = []
    for line in lines:
        tag = _CONTROL.fullmatch(line)
        if tag is None or tag[1] == "set":
            nodes.append(_Line(_kind_of(line, tag is not None), line))
        elif tag[1] in {"if", "for"}:
            nodes.append(_read_control(lines, line))
        elif opening:
            return tuple(nodes), line
        else:
            raise MarkupError(f"'{line}' closes nothing")
    if opening:
        raise MarkupError(f"'{opening}' is never closed")
    return tuple(nodes), ""


def _read_control(lines: Iterator[str], opening: str) -> _Control:
    branches, tag = [], opening
    while True:
        nodes, closing = _read(lines, opening)
        branches.append((tag, nodes))
        if closing.lstrip("{% ").startswith("end"):
            return _Control(tuple(branches), closing)
        tag = closing


def _kind_of(line: str, is_tag: bool) -> _Kind:
    if is_tag or not line or line.startswith(_HEADING):
        return _Kind.ALONE
    return _Kind.ITEM if line.startswith(_ITEM) else _Kind.TEXT


def _family(node: _Node) -> _Kind:
    """What all lines of a node are; ALONE when they are not all the same."""
    if isinstance(node, _Line):
        return node.kind
    kinds = {_family(inner) for _, nodes in node.branches for inner in nodes}
    return kinds.pop() if len(kinds) == 1 else _Kind.ALONE


def _blocks(nodes: Sequence[_Node]) -> Iterator[str]:
    """Paragraphs, lists and headings; a tag around whole blocks stays around them."""
    group: list[_Node] = []
    for node in nodes:
        family = _family(node)
        if group and family is not _family(group[0]):
            yield from _group(group)
            group = []
        if family is not _Kind.ALONE:
            group.append(node)
        elif isinstance(node, _Control):
            yield from _branches(node)
        elif node.source:
            heading = node.source.removeprefix(_HEADING)
            yield node.source if heading == node.source else f"<h2>{line_to_html(heading)}</h2>"
    if group:
        yield from _group(group)


def _branches(control: _Control) -> Iterator[str]:
    for tag, inner in control.branches:
        yield tag
        yield from _blocks(inner)
    yield control.end


def _group(nodes: Sequence[_Node]) -> Iterator[str]:
    only = nodes[0]
    if len(nodes) == 1 and isinstance(only, _Control) and only.branches[0][0].startswith("{% if"):
        yield from _branches(only)  # the paragraph or list is there, or not; never an empty one
        return
    if _family(nodes[0]) is _Kind.ITEM:
        yield from ("<ul>", *_lines(nodes, _as_item, last=False), "</ul>")
        return
    first = nodes[0].source if isinstance(nodes[0], _Line) else ""
    words = next((words for words in SET_APART if first.startswith(words)), "")
    if words:
        yield f'<p class="{SET_APART[words]}"><strong>{words}</strong>'
        rest = _Line(_Kind.TEXT, first.removeprefix(words).lstrip())
        yield from (*_lines((rest, *nodes[1:]), _as_text, last=True), "</p>")
    else:
        leads = isinstance(last := nodes[-1], _Line) and _TAG.sub("", last.source).endswith(":")
        opening = '<p class="lead">' if leads else "<p>"
        yield from (opening, *_lines(nodes, _as_text, last=True), "</p>")


def _lines(nodes: Iterable[_Node], write: _Write, *, last: bool) -> Iterator[str]:
    """The lines of one paragraph or list; `last`: nothing follows them in it."""
    rest = [*nodes]
    while rest:
        node = rest.pop(0)
        is_last = last and not rest
        if isinstance(node, _Line):
            yield write(node.source, is_last)
            continue
        for tag, inner in node.branches:
            yield tag
            yield from _lines(inner, write, last=is_last)
        yield node.end


def _as_item(source: str, _: bool) -> str:
    return f"<li>{line_to_html(source.removeprefix(_ITEM))}</li>"


def _as_text(source: str, is_last: bool) -> str:
    return line_to_html(source) + ("" if is_last else "<br>")
