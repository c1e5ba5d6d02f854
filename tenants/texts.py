"""What people type, made safe to store and to print: one line, no control characters, of bounded length."""

import unicodedata

from tenants.errors import Invalid

# Bidirectional overrides and invisible joiners make one name look like another.
_HIDDEN = frozenset("\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff")


def one_line(field: str, text: str, *, longest: int, shortest: int = 1) -> str:
    """NFC, trimmed; raises Invalid for control or invisible characters and for lengths outside the bounds."""
    clean = unicodedata.normalize("NFC", text).strip()
    _bounded(field, clean, shortest, longest)
    if any(unicodedata.category(c) in {"Cc", "Cs", "Zl", "Zp"} or c in _HIDDEN for c in clean):
        raise Invalid(field, "control_characters")
    return clean


def like_pattern(field: str, text: str) -> str:
    """What LIKE needs to find the text anywhere in a value, taken literally. Raises Invalid as `one_line` does."""
    clean = one_line(field, text, longest=100, shortest=0)
    return f"%{clean.replace(chr(92), chr(92) * 2).replace('%', chr(92) + '%').replace('_', chr(92) + '_')}%"


def paragraph(field: str, text: str, *, longest: int) -> str:
    """As `one_line`, but line breaks are welcome."""
    clean = unicodedata.normalize("NFC", text.replace("\r\n", "\n")).strip()
    _bounded(field, clean, 0, longest)
    if any((unicodedata.category(c) in {"Cc", "Cs"} and c not in "\n\t") or c in _HIDDEN for c in clean):
        raise Invalid(field, "control_characters")
    return clean


def _bounded(field: str, text: str, shortest: int, longest: int) -> None:
    if len(text) < shortest:
        raise Invalid(field, "too_short", min=shortest)
    if len(text) > longest:
        raise Invalid(field, "too_long", max=longest)
