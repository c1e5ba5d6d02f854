"""Which texts lack a translation: reads the code and the .po files of each room. Run as `python -m tests.messages`."""

import ast
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

from babel.messages.pofile import read_po
from jinja2.ext import babel_extract

ROOT = Path(__file__).parents[1]
ROOMS = ("tenants", "service", "workers")
LANGUAGE = "fr"
TEMPLATES = {".html", ".txt", ".mjml"}
# Functions whose first texts are translated, and how many; a method counts by its last name.
MARKS = {"_": 1, "N_": 1, "gettext": 1, "ngettext": 2}
# Functions that take the language, and the text after it.
SAYS = {"say"}
_PLACEHOLDER = re.compile(r"\{(\w*)\}|%\((\w+)\)[a-z]|%[sd]")


@dataclass
class Findings:
    """What is wrong, in lines that say where."""

    missing: list[str] = field(default_factory=list)
    fuzzy: list[str] = field(default_factory=list)
    placeholders: list[str] = field(default_factory=list)
    orphans: list[str] = field(default_factory=list)

    @property
    def lines(self) -> list[str]:
        """All of it."""
        kinds = (
            ("not translated", self.missing),
            ("fuzzy", self.fuzzy),
            ("placeholders differ", self.placeholders),
            ("nowhere in the code", self.orphans),
        )
        return [f"{kind}: {line}" for kind, lines in kinds for line in lines]


def texts_of_python(path: Path) -> dict[str, int]:
    """Marked texts of a module, with their lines."""
    found: dict[str, int] = {}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.id if isinstance(node.func, ast.Name) else node.func.attr if isinstance(node.func, ast.Attribute) else ""
        given = node.args[:2] if name in SAYS else node.args[: MARKS.get(name, 0)]
        for argument in given:
            if isinstance(argument, ast.Constant) and isinstance(argument.value, str) and argument.value:
                found[argument.value] = node.lineno
    return found


def texts_of_template(path: Path) -> dict[str, int]:
    """Marked texts of a Jinja template, `trans` blocks included."""
    with path.open("rb") as file:
        options = {"extensions": "jinja2.ext.i18n", "trimmed": "true", "silent": "false"}
        entries = list(babel_extract(file, ("_", "gettext", "ngettext", "say"), [], options))
    found: dict[str, int] = {}
    for line, _, message, _ in entries:
        for text in message if isinstance(message, tuple) else (message,):
            if text:
                found[text] = line
    return found


def texts_of(room: str) -> dict[str, str]:
    """Every marked text of a room, with where it stands."""
    found: dict[str, str] = {}
    for path in sorted((ROOT / room).rglob("*")):
        if path.suffix == ".py":
            texts = texts_of_python(path)
        elif path.suffix in TEMPLATES and "static" not in path.parts:
            texts = texts_of_template(path)
        else:
            continue
        found |= {text: f"{path.relative_to(ROOT)}:{line}" for text, line in texts.items()}
    return found


def translations_of(room: str) -> dict[str, tuple[str, bool, str]]:
    """Every translation of a room: text, whether it is fuzzy, and where it stands."""
    found: dict[str, tuple[str, bool, str]] = {}
    for path in sorted((ROOT / room).rglob(f"locale/{LANGUAGE}/*.po")):
        with path.open("rb") as file:
            for message in read_po(file, locale=LANGUAGE):
                if not message.id:
                    continue
                ids = message.id if isinstance(message.id, list | tuple) else (message.id,)
                strings = message.string if isinstance(message.string, list | tuple) else (message.string,) * len(ids)
                for text, translated in zip(ids, strings, strict=False):
                    found[text] = (translated or "", message.fuzzy, f"{path.relative_to(ROOT)}:{message.lineno}")
    return found


def placeholders(text: str) -> set[str]:
    """`{name}` and `%(name)s` of a text."""
    return {match[0] for match in _PLACEHOLDER.finditer(text)}


def look() -> Findings:
    """Compare code and translations, room by room."""
    findings = Findings()
    for room in ROOMS:
        texts, translated = texts_of(room), translations_of(room)
        for text, where in texts.items():
            if text not in translated or not translated[text][0]:
                findings.missing.append(f"{where} {text!r}")
        for text, (string, fuzzy, where) in translated.items():
            if fuzzy:
                findings.fuzzy.append(f"{where} {text!r}")
            if string and placeholders(text) != placeholders(string):
                findings.placeholders.append(f"{where} {text!r} / {string!r}")
            if text not in texts:
                findings.orphans.append(f"{where} {text!r}")
    return findings


def main() -> int:
    """Print what is missing; 1 when something is."""
    lines = look().lines
    sys.stdout.write("".join(f"{line}\n" for line in lines) or "Every text is translated.\n")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
