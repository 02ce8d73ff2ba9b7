"""What is wrong with YAML is told in words of people, with what to write."""

from __future__ import annotations

import pytest

from attune_cli.runtime.packs.documents import DocumentError, parse_document

LINED_UP = "this line begins in a column in which none above it does: line it up with what it belongs to"
ENDS_EARLY = "a text in quotes ends before this: use the other kind of quotes within it"


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ("tasks:\n\t- name: a\n", (2, 1), "a tab indents this line: write spaces, two for each level"),
        ("a: 1\n  \tb: 2\n", (2, 3), "a tab indents this line: write spaces, two for each level"),
        (
            "- name: a\n  # why\n\n   action: b\n",
            (4, 4),
            "'action' is indented deeper than line 1, which has its value already: begin it in column 3",
        ),
        ("- name: a\n action: b\n", (2, 2), LINED_UP),
        ("a:\n  - b: 1\n - c: 2\n", (3, 2), LINED_UP),
        ("m: note: hi\n", (1, 8), 'a second \': \' in one line: write m: "note: hi", or begin a new line'),
        ("name\naction: b\n", (1, 1), "'name' has no ':' behind it"),
        ("a: 1\nname\n", (2, 1), "'name' has no ':' behind it"),
        ("m: {{ x }}\n", (1, 4), 'a template needs quotes around it: write "{{ x }}"'),
        ("m: {{ x }} of {{ y }}\n", (1, 4), 'a template needs quotes around it: write "{{ x }} of {{ y }}"'),
        ('a: {m: {{ f("x") }}}\n', (1, 8), "a template needs quotes around it: write '{{ f(\"x\") }}'"),
        ("- {{ x }}\n", (1, 3), 'a template needs quotes around it: write "{{ x }}"'),
        ("a: [{b: 1}, {[c]: 2}]\n", (1, 14), "a key must be a word"),
        ("m: {% if x %}\n", (1, 5), "'{% … %}' has no meaning here: an expression is written \"{{ … }}\", in quotes"),
        ("m: @x y\n", (1, 4), "a text that begins with '@' needs quotes: write \"@x y\""),
        ("m: */5 * * * *\n", (1, 4), "a text that begins with '*' needs quotes: write \"*/5 * * * *\""),
        ("m: *x\n", (1, 4), "the alias *x has no anchor before it; a text that begins with '*' needs quotes"),
        ('m: "abc\nn: d\n', (1, 4), "the quote that opens here is never closed"),
        ("m: 'it's'\n", (1, 8), ENDS_EARLY),
        ('m: {a: "{{ p["n"] }}"}\n', (1, 15), ENDS_EARLY),
        ('m: "a\\d"\n', (1, 6), "'\\d' means nothing in double quotes: write \\\\d, or single quotes"),
        ("m: [a, b\nn: c\n", (1, 4), "the '[' that opens here is never closed with ']'"),
        ("m: {a: 1 b: 2}\n", (1, 11), "a ',' is missing before this"),
        ("m: {a: 1}}\n", (1, 10), "one '}' too many"),
    ],
)  # fmt: skip
def test_a_fault_of_yaml_says_what_to_write(text: str, place: tuple[int, int], said: str) -> None:
    with pytest.raises(DocumentError) as caught:
        parse_document(text.encode())
    assert (caught.value.message, caught.value.position) == (said, place)
