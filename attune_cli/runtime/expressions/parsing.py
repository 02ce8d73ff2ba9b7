"""Reading an expression with Jinja2's parser.

Tokens carry the place of their first character as line number, so that faults and nodes tell where they are.
"""

from __future__ import annotations

import re
from ast import literal_eval
from functools import cache
from typing import TYPE_CHECKING

from attune_cli.runtime.expressions.faults import ParseError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jinja2 import Environment
    from jinja2.lexer import Token
    from jinja2.nodes import Expr

    from attune_cli.runtime.model.actions import Json

MAX_LENGTH = 4096
"""Characters of one expression; nobody reads a longer one."""

_NEWLINE = re.compile(r"\r\n|\r")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", '"': '"', "'": "'"}
_NOT_VALUES = frozenset({"whitespace", "linecomment", "comment"})


@cache
def _environment() -> Environment:
    from jinja2 import Environment

    return Environment(autoescape=False)  # noqa: S701 - it parses, and renders nothing


def parse_expression(text: str) -> Expr:
    """Return the tree of an expression, whose `lineno` are offsets into the text; raises ParseError."""
    from jinja2.exceptions import TemplateSyntaxError
    from jinja2.lexer import TokenStream
    from jinja2.parser import Parser

    if len(text) > MAX_LENGTH:
        raise ParseError(f"longer than {MAX_LENGTH} characters")
    if not text.strip():
        raise ParseError("is empty")
    parser = Parser(_environment(), "", state="variable")
    try:
        parser.stream = TokenStream(_tokens(text), None, None)
        tree = parser.parse_expression()
    except TemplateSyntaxError as error:
        raise ParseError(_in_words(error.message or ""), error.lineno) from None
    except RecursionError:
        raise ParseError("is nested too deeply") from None
    except (ValueError, SyntaxError, OverflowError):
        raise ParseError("holds a number that cannot be read") from None
    if not parser.stream.eos:
        token = parser.stream.current
        raise ParseError(f"unexpected '{_shown(token)}'{_meant(token)}", token.lineno)
    return tree


def _tokens(text: str) -> Iterator[Token]:
    from jinja2.exceptions import TemplateSyntaxError
    from jinja2.lexer import Token, operators

    text = _NEWLINE.sub("\n", text)
    offset = 0
    pieces = _environment().lexer.tokeniter(text, None, None, "variable")
    while True:
        try:
            _, kind, written = next(pieces)
        except StopIteration:
            break
        except TemplateSyntaxError as error:
            raise ParseError(_lexical(error.message or "", text[offset:]), offset) from None
        if kind == "operator":
            yield Token(offset, operators[written], written)
        elif kind == "variable_end":
            raise ParseError(f"unexpected '{written.strip()}'", offset)
        elif kind not in _NOT_VALUES:
            yield Token(offset, kind, _value(kind, written, offset))
        offset += len(written)
    yield Token(offset, "eof", "")


def _value(kind: str, written: str, offset: int) -> Json:
    if kind == "string":
        return _ESCAPE.sub(lambda found: _ESCAPED.get(found[1], found[0]), written[1:-1])
    if kind == "integer":
        return int(written.replace("_", ""), 0)
    if kind == "float":
        return literal_eval(written.replace("_", ""))
    if kind == "name" and not written.isidentifier():
        raise ParseError(f"'{written}' is no name", offset)
    return written


def _lexical(message: str, rest: str) -> str:
    if rest[:1] in {"'", '"'}:
        return "a text in quotes is never closed"
    return f"unexpected {rest[0]!r}" if message.startswith("unexpected char") else message


def _in_words(message: str) -> str:
    """Say the parser's message without its idea of a page around the expression."""
    message = message.rstrip(".")
    if message.startswith(("unexpected 'end of", "Expected an expression, got 'end of")):
        return "ends too early"
    if message.startswith("unexpected end of template"):
        return f"ends too early{message.removeprefix('unexpected end of template')}"
    return message.replace("end of template", "the end").replace("end of print statement", "the end")


def _meant(token: Token) -> str:
    return "; did you mean '=='?" if token.value == "=" else ""


def _shown(token: Token) -> str:
    return str(token.value)
