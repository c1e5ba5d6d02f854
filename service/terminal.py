"""What the command line says: in the language of the terminal, and as plain lines where nobody watches."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import NoReturn

import click
from rich.console import Console

from tenants.languages import SOURCE_LANGUAGE, translations

LOCALE = Path(__file__).with_name("locale")

#: Marks a text that is translated later, when it is shown.
N_ = str


class Refusal(Exception):
    """The command cannot be carried out; the text says why and what to do. `code` is the exit status: 2 for wrong settings."""

    def __init__(self, text: str, *, code: int = 1) -> None:
        """Keep the sentence and the status."""
        super().__init__(text)
        self.code = code


def language() -> str:
    """`fr` where the locale is French, the language of the texts themselves everywhere else (POSIX order of variables)."""
    chosen = next((value for name in ("LC_ALL", "LC_MESSAGES", "LANG") if (value := os.environ.get(name))), "")
    return "fr" if chosen.lower().startswith("fr") else SOURCE_LANGUAGE


def _(text: str) -> str:
    return translations(LOCALE, language()).gettext(text) if text else text


class Screen:
    """Standard output; steps have a turning wheel on a terminal and one line each elsewhere."""

    def __init__(self) -> None:
        """Write to whatever standard output is now."""
        self._console = Console(highlight=False, markup=False, soft_wrap=True)

    def line(self, text: str = "", *, style: str | None = None) -> None:
        """One line, never folded: addresses and commands stay whole."""
        self._console.print(text, style=style)

    @contextmanager
    def step(self, text: str) -> Iterator[None]:
        """Show that this is being done, and on a terminal how long it took."""
        if not self._console.is_terminal:
            self.line(f"- {text}")
            yield
            return
        started = monotonic()
        with self._console.status(text):
            yield
        self.line(f"✓ {text} ({monotonic() - started:.1f} s)", style="green")


def complain(text: str) -> None:
    """One or more sentences on standard error."""
    click.echo(text, err=True)


class _Spoken(click.Command):
    """A command whose help is in the language of the terminal."""

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The first line."""
        formatter.write_usage(ctx.command_path, " ".join(self.collect_usage_pieces(ctx)), prefix=_("Usage: "))

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """What it does."""
        formatter.write_paragraph()
        with formatter.indentation():
            formatter.write_text(_(self.help or ""))

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """What can be said to it."""
        options = [option for option in self.get_params(ctx) if isinstance(option, click.Option)]
        with formatter.section(_("Options")):
            formatter.write_dl([_record(option, ctx) for option in options])


def _record(option: click.Option, ctx: click.Context) -> tuple[str, str]:
    names, text = option.get_help_record(ctx) or ("", "")
    said = option.help or ""
    # Click adds the default value behind the help.
    return names, text.replace(said, _(said), 1)


class Spoken(_Spoken):
    """One command."""


class SpokenGroup(_Spoken, click.Group):
    """All of them."""

    command_class = Spoken

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Options, then the commands in the order in which they were written."""
        super().format_options(ctx, formatter)
        shown = [(name, command) for name, command in self.commands.items() if not command.hidden]
        with formatter.section(_("Commands")):
            formatter.write_dl([(name, _(command.help or "")) for name, command in shown])

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order in which they were written."""
        return list(self.commands)


def run(group: click.Group, arguments: list[str] | None = None) -> NoReturn:
    """Run a command and leave: 0 done, 1 refused, 2 wrong use or settings, 130 interrupted. Never a traceback for a refusal."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            # A terminal that cannot show a letter gets a question mark, not the end of the program.
            stream.reconfigure(errors="replace")
    try:
        code = group.main(arguments, prog_name="portillon", standalone_mode=False)
    except click.UsageError as error:
        complain(_usage(error))
        sys.exit(2)
    except Refusal as refusal:
        complain(str(refusal))
        sys.exit(refusal.code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    sys.exit(code if isinstance(code, int) else 0)


def _usage(error: click.UsageError) -> str:
    help_line = _("`{command} --help` tells more.").format(command=error.ctx.command_path if error.ctx else "portillon")
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        return error.format_message()
    if isinstance(error, click.exceptions.NoSuchCommand):
        return " ".join((_("There is no command {name}.").format(name=error.command_name), help_line))
    if isinstance(error, click.NoSuchOption):
        return " ".join((_("There is no option {name}.").format(name=error.option_name), help_line))
    if isinstance(error, click.MissingParameter) and error.param is not None:
        return " ".join((_("{name} is missing.").format(name=error.param.human_readable_name), help_line))
    return " ".join((error.format_message(), help_line))
