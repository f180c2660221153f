"""Letters put into words: a template and a frozen context become a subject, a text and a page of HTML.

A letter is one source, `templates/<language>/<letter>.j2`, that both parts are made of (see `markup`), so they cannot
drift. Its CSS is inlined when it is compiled, while every tag is a single character that cannot occur in a letter; so
that costs nothing per mail, and no value passes through an HTML parser.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from css_inline import CSSInliner
from jinja2 import StrictUndefined, Template, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from notifications.desk import Desk
from notifications.markup import MarkupError, line_to_html, to_html, to_text, web_address
from workflow.errors import SchakelError
from workflow.text import cut

TEMPLATES = Path(__file__).parents[1] / "templates"
SUBJECT = "Subject: "
"""How the first line of a letter begins."""
LONGEST_SUBJECT = 78
"""Characters; of a longer one many a list of mails shows no end, and there the reference stands."""
_SHORTEST_NAME = 20
"""Of a name at least so much stays: who knows it by less?"""
CHARSET = '<meta charset="utf-8">'

_REFERENCE = "{% if reference %} [{{ reference }}]{% endif %}"
_PARTS = re.compile(r"\{\{ (title|body|signature) \}\}")
_TAG = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
_FIRST_STAND_IN = 0xE000
_PRIVATE = re.compile(r"[\ue000-\uf8ff]")
_BREAKING = r"\x00-\x1f\x7f-\x9f\u2028\u2029"
_INVISIBLE = r"\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff"
_LONE = r"\ud800-\udfff"
_UNSAFE = re.compile(f"[{_BREAKING}{_INVISIBLE}{_LONE}]")
_UNSEEN = re.compile(f"[{_INVISIBLE}]")
_BREAKS = re.compile(f" *[{_BREAKING}]+ *")
_UNPAIRED = re.compile(f"[{_LONE}]")
_EMPTY_LINES = re.compile(r"\n{3,}")


class CannotRender(SchakelError):
    """A letter has no template, or its template and its context do not fit; says which letter and why."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """A letter in words; `text` and `html` say the same, lines end with a newline."""

    subject: str
    text: str
    html: str


@dataclass(frozen=True, slots=True)
class _Compiled:
    subject: Template
    text: Template
    html: Template


class Renderer:
    """Renders letters for a desk; each template is read and compiled once."""

    def __init__(self, desk: Desk, folder: Path = TEMPLATES) -> None:
        self._folder = folder
        self._known = templates(folder)
        self._settings = {"team_name": desk.team_name, "team_phone": desk.team_phone, "form_url": desk.form_url}
        self._compiled: dict[tuple[str, str], _Compiled] = {}
        self._plain, self._safe = _environment(autoescape=False), _environment(autoescape=True)

    def render(self, letter: str, language: str, context: Mapping[str, Any]) -> Rendered:
        """Put a letter into words. Raises CannotRender with one sentence that says why not."""
        try:
            template = self._compiled.get((letter, language)) or self._compile(letter, language)
            words = {**context, "language": language, "settings": self._settings}
            text = _EMPTY_LINES.sub("\n\n", template.text.render(words)).strip()
            return Rendered(_subject(template.subject, words), f"{text}\n", template.html.render(words))
        except (TemplateError, MarkupError, TypeError, ValueError, LookupError, ArithmeticError, OSError) as error:
            raise CannotRender(f"letter '{letter}' in language '{language}' cannot be rendered: {error}") from error

    def _compile(self, letter: str, language: str) -> _Compiled:
        if (letter, language) not in self._known:
            raise CannotRender(f"there is no letter '{letter}' in language '{language}'")
        source = _read(self._folder / language / f"{letter}.j2")
        signature = _read(self._folder / f"signature.{language}.j2")
        first, _, body = source.partition("\n")
        if not first.startswith(SUBJECT):
            raise MarkupError(f"its first line does not begin with '{SUBJECT.strip()}'")
        title = first.removeprefix(SUBJECT)
        parts = {"title": line_to_html(title), "body": to_html(body), "signature": to_html(signature)}
        page = _PARTS.sub(lambda part: parts[part[1]], _read(self._folder / "layout.html.j2"))
        made = _Compiled(
            subject=self._plain.from_string(title + _REFERENCE),
            text=self._plain.from_string("\n\n".join((title, to_text(body), to_text(signature)))),
            html=self._safe.from_string(_inline_css(page)),
        )
        self._compiled[letter, language] = made
        return made


def _subject(template: Template, words: Mapping[str, Any]) -> str:
    """A subject on one line; the company's name gives way when it is too long."""
    subject = " ".join(template.render(words).split())
    name, excess = str(words.get("company_short", "")), len(subject) - LONGEST_SUBJECT
    shorter = cut(name, max(_SHORTEST_NAME + len("..."), len(name) - excess))
    if excess <= 0 or len(shorter) >= len(name):
        return subject
    return " ".join(template.render({**words, "company_short": shorter}).split())


def templates(folder: Path = TEMPLATES) -> frozenset[tuple[str, str]]:
    """Every letter there is a template for, with its language; links are no templates."""
    return frozenset(
        (file.stem, language.name)
        for language in folder.iterdir()
        if language.is_dir() and not language.is_symlink()
        for file in language.glob("*.j2")
        if file.is_file() and not file.is_symlink()
    )


def page(file: Path) -> Template:
    """A page of HTML that is no letter: its file as it stands, values escaped; `generate` gives it piece by piece."""
    return _environment(autoescape=True).from_string(file.read_text(encoding="utf-8"))


def cleaned(value: object) -> object:
    """A value as a letter may show it: on one line, nothing invisible, nothing that turns the writing direction."""
    if value is None:
        raise ValueError("a value that is shown is empty (None)")
    if not isinstance(value, str) or not _UNSAFE.search(value):
        return value
    return _UNPAIRED.sub("\ufffd", _BREAKS.sub(" ", _UNSEEN.sub("", value)))


def ended(value: object) -> str:
    """A name or a label as it ends a sentence: 'B.V.' has its full stop already."""
    text = str(cleaned(value)).rstrip()
    return text if text.endswith(".") else f"{text}."


def _environment(*, autoescape: bool) -> ImmutableSandboxedEnvironment:
    """Jinja without a loader, so that no template can name a file; every value that is shown is cleaned first."""
    environment = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined,
        autoescape=autoescape,
        finalize=cleaned,
    )
    environment.globals = {"web_address": web_address}
    environment.filters["ended"] = ended
    return environment


def _read(path: Path) -> str:
    """The text of a template; its letters may be anything but the characters that stand in for tags."""
    source = path.read_text(encoding="utf-8")
    if found := _PRIVATE.search(source):
        raise MarkupError(f"{path.name} holds U+{ord(found[0]):04X}, a private character")
    return source


def _inline_css(page: str) -> str:
    """Inline the CSS of a page that still has its tags; what the media queries say stays in its style."""
    tags = list(dict.fromkeys(_TAG.findall(page)))
    stand_ins = {tag: chr(_FIRST_STAND_IN + number) for number, tag in enumerate(tags)}
    inliner = CSSInliner(keep_at_rules=True, load_remote_stylesheets=False)
    inlined = inliner.inline(_TAG.sub(lambda tag: stand_ins[tag[0]], page))
    # the inliner puts the media queries first, and browsers look for the charset in the first kilobyte only
    inlined = inlined.replace("<head>", f"<head>\n{CHARSET}", 1)
    return _PRIVATE.sub(lambda stand_in: tags[ord(stand_in[0]) - _FIRST_STAND_IN], inlined)
