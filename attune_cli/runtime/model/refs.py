"""References: how packs and what they define are named (domain.md 0)."""

from __future__ import annotations

import re

PACK_REF = re.compile(r"[a-z][a-z0-9_-]+")
NAME = re.compile(r"[a-z0-9_][a-z0-9_-]*")
QUEUE_REF = re.compile(r"[a-z][a-z0-9_-]*(\.[a-z0-9_-]+)*")

PACK_REF_RULE = "a lowercase letter, then lowercase letters, digits, '_' or '-'; at least two characters"
REF_RULE = "pack.name in lowercase letters, digits, '_' and '-'"

_FILE_NAME = re.compile(r"[\w@+./-]+\.[A-Za-z]\w{0,9}")


def is_pack_ref(text: str) -> bool:
    return PACK_REF.fullmatch(text) is not None


def is_ref(text: str) -> bool:
    """Tell whether `text` is a full `pack.name`."""
    pack, dot, name = text.partition(".")
    return bool(dot) and is_pack_ref(pack) and NAME.fullmatch(name) is not None


def is_queue_ref(text: str) -> bool:
    return QUEUE_REF.fullmatch(text) is not None


def qualify(ref: str, pack_ref: str) -> str:
    """Put the pack's prefix before a short (dot-less) ref; leave a full one as it is."""
    return ref if "." in ref else f"{pack_ref}.{ref}"


def pack_of(ref: str) -> str:
    return ref.partition(".")[0]


def name_of(ref: str) -> str:
    return ref.partition(".")[2] or ref


def looks_like_file(entry_point: str) -> bool:
    """Tell the name of a script from inline code, which has blanks or no ending."""
    return _FILE_NAME.fullmatch(entry_point) is not None


def label_of(ref: str) -> str:
    """Make a label from a ref: `core.http_request` gives `Http Request` (domain.md 0)."""
    return " ".join(word[:1].upper() + word[1:] for word in name_of(ref).split("_") if word)
