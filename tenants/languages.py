"""Languages on offer, and the words of a room in each: gettext catalogues read from their .po files, so none can be stale."""

import gettext
from datetime import date
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Literal

from babel.core import negotiate_locale
from babel.dates import format_date
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from tenants.catalogue import LANGUAGES

#: The language of every message id: what is said where a translation is missing.
SOURCE_LANGUAGE = "en"
# English as Europe reads it: day before month, 24 hours.
_CUSTOMS = {"en": "en_GB"}


@cache
def translations(folder: Path, language: str) -> gettext.NullTranslations:
    """The words of `folder`/`language`/*.po. The source language needs none; an unknown one gets the source."""
    merged = Catalog(locale=language if language in LANGUAGES else SOURCE_LANGUAGE)
    for path in sorted((folder / language).glob("*.po")) if language in LANGUAGES else []:
        with path.open("rb") as file:
            for message in read_po(file, locale=language):
                if message.id and not message.fuzzy:
                    merged[message.id] = message
    compiled = BytesIO()
    write_mo(compiled, merged)
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


def customs(language: str) -> str:
    """The locale by whose customs dates, hours and lists are written in a language."""
    return _CUSTOMS.get(language, language)


def written_day(day: date, language: str, *, width: Literal["long", "full"] = "long") -> str:
    """A day by the customs of a language, with the name of the weekday if it is `full`. In French the first of a month is its `1er`."""
    written = format_date(day, width, locale=customs(language))
    # CLDR has no pattern for it.
    return written.replace("1 ", "1er ", 1) if day.day == 1 and language == "fr" else written


def chosen_language(accept_language: str | None, *, default: str) -> str:
    """The best of our languages for an `Accept-Language` header (RFC 9110, 12.5.4); the default where none fits."""
    if not accept_language:
        return default
    weighed: list[tuple[float, int, str]] = []
    for position, part in enumerate(accept_language[:200].split(",")):
        tag, _, parameters = part.strip().partition(";")
        try:
            quality = float(parameters.strip().removeprefix("q=")) if parameters else 1.0
        except ValueError:
            continue
        if quality > 0:
            weighed.append((-quality, position, tag.strip().lower().replace("-", "_")))
    return negotiate_locale([tag for _, _, tag in sorted(weighed)], LANGUAGES) or default
