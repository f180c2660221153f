"""The source of a letter becomes text and HTML by a few marks, read before any value is filled in."""

from __future__ import annotations

import pytest

from notifications.markup import MarkupError, to_html, to_text, web_address


def html(source: str) -> str:
    return to_html(source).replace("\n", "")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("Een\ntwee\n\ndrie", "<p>Een<br>twee</p><p>drie</p>"),
        ("## Kop\n- een\n- twee\nen", "<h2>Kop</h2><ul><li>een</li><li>twee</li></ul><p>en</p>"),
        ("Nog open:\n- een", '<p class="lead">Nog open:</p><ul><li>een</li></ul>'),
        ("Let op: nooit", '<p class="note"><strong>Let op:</strong>nooit</p>'),
        ("Tip: altijd", '<p class="tip"><strong>Tip:</strong>altijd</p>'),
        ("a < b & {{ c }}", "<p>a &lt; b &amp; {{ c }}</p>"),
        ("<a@b.example>", '<p><a href="mailto:a@b.example">a@b.example</a></p>'),
        ("<b.example/c?d&e>", '<p><a href="https://b.example/c?d&amp;e">b.example/c?d&amp;e</a></p>'),
        ("<{{ url }}>", '<p><a href="{{ web_address(url) }}">{{ url }}</a></p>'),
        ("`schakel x --y`", '<p><code>schakel x <span class="word">--y</span></code></p>'),
        ("`x {{ y }}`", '<p><code>x <span class="word">{{ y }}</span></code></p>'),
        ("`{{ y }}`", "<p><code>{{ y }}</code></p>"),  # may be longer than a line
    ],
)
def test_each_mark_has_one_meaning(source, expected):
    assert html(source) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("- a\n{% if x %}\n- b\n{% endif %}\n- c", "<ul><li>a</li>{% if x %}<li>b</li>{% endif %}<li>c</li></ul>"),
        ("{% for x in y %}\n- {{ x }}\n{% endfor %}", "<ul>{% for x in y %}<li>{{ x }}</li>{% endfor %}</ul>"),
        ("- a\n{% if x %}\n\nb\n{% endif %}", "<ul><li>a</li></ul>{% if x %}<p>b</p>{% endif %}"),
        ("{% if x %}\na\n{% else %}\nb\n{% endif %}", "{% if x %}<p>a</p>{% else %}<p>b</p>{% endif %}"),
        ("{% if x %}\na\n{% endif %}\nb", "<p>{% if x %}a<br>{% endif %}b</p>"),
        ("{% if x %}\n{% for y in x %}\n- {{ y }}\n{% endfor %}\n{% endif %}",
         "{% if x %}<ul>{% for y in x %}<li>{{ y }}</li>{% endfor %}</ul>{% endif %}"),
    ],
)  # fmt: skip
def test_a_tag_on_its_own_line_decides_about_lines_or_about_blocks(source, expected):
    assert html(source) == expected


def test_text_is_the_source_without_its_marks_and_a_tag_takes_no_line():
    source = "## Kop\n{% if x %}\n- `a` {% if y %}b{% endif %}\n{% endif %}\n<c@d.example>"

    assert to_text(source) == "Kop\n{% if x %}- a {% if y %}b{% endif %}\n{% endif %}c@d.example\n"


@pytest.mark.parametrize("source", ["{% if x %}\na", "a\n{% endif %}", "{% else %}", "{% for x in y %}\n{% if z %}"])
def test_a_tag_that_is_not_paired_is_an_error(source):
    with pytest.raises(MarkupError, match=r"closes nothing|never closed"):
        to_html(source)


@pytest.mark.parametrize(
    ("shown", "address"),
    [
        ("https://a.example/b", "https://a.example/b"),
        ("a.example/b@c", "https://a.example/b@c"),
        ("a@b.example", "mailto:a@b.example"),
        ("javascript:alert(1)", "https://javascript:alert(1)"),
    ],
)
def test_a_link_goes_to_a_page_or_an_address_and_nowhere_else(shown, address):
    assert web_address(shown) == address
