"""Every text of the console is in French too, and none is left over."""

from pathlib import Path

from babel.messages.catalog import Message
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

import service.console
from service.console.words import COMPLAINTS, ENDED, LOCALE, ago, lasting, say

ROOM = Path(service.console.__file__).parent


def texts_used() -> set[str]:
    """Every text that a template or a module of the room says."""
    found = extract_from_dir(
        ROOM,
        method_map=[("**.py", "python"), ("templates/**.html", "jinja2")],
        keywords={"_": None, "say": None, "ngettext": (1, 2)},
        strip_comment_tags=False,
    )
    return {str(message) for _, _, message, _, _ in found}


def in_french() -> list[Message]:
    """Every message of every topic."""
    found: list[Message] = []
    for path in sorted((LOCALE / "fr").glob("*.po")):
        with path.open("rb") as file:
            found += [message for message in read_po(file, locale="fr") if message.id]
    return found


def test_every_text_has_its_french_and_no_french_is_left_over() -> None:
    french = {str(message.id): message for message in in_french()}
    assert set(french) == texts_used()
    assert [m.id for m in french.values() if m.fuzzy or not m.string] == []


def test_french_keeps_every_fact() -> None:
    for message in in_french():
        assert [str(error) for error in message.check()] == []


def test_tables_of_texts_are_translated_when_said() -> None:
    for text in (*ENDED.values(), *COMPLAINTS.values()):
        facts = {"by": "Ada", "when": "hier", "min": 12, "max": 128}
        assert say("fr", text, **facts) != say("en", text, **facts)


def test_times_are_said_as_people_say_them() -> None:
    from datetime import UTC, datetime, timedelta

    now = datetime.now(UTC)
    assert ago("en", now) == "just now"
    assert ago("fr", now - timedelta(minutes=3, seconds=5)) == "il y a 3 minutes"
    assert ago("en", now + timedelta(hours=11, minutes=59)) == "in 12 hours"
    assert lasting("en", 2) == "2 seconds"
    assert lasting("en", 900) == "15 minutes"
