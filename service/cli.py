"""The command line: `portillon COMMAND`."""

import asyncio
import os
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
from sqlalchemy.exc import DBAPIError

from service.terminal import N_, Refusal, Screen, Spoken, SpokenGroup, _, run
from tenants.errors import Invalid, Unavailable
from tenants.settings import Settings, SettingsError, load_settings

# What PostgreSQL says when a table is not there yet, and when a role may not do something.
_NO_TABLE, _NOT_ALLOWED = "42P01", "42501"


@click.group(
    cls=SpokenGroup,
    no_args_is_help=True,
    help=N_("The gate of business web applications. Settings are environment variables PORTILLON_*."),
)
@click.help_option("--help", help=N_("Show this and leave."))
def portillon() -> None:
    """The group itself does nothing."""


def command(name: str, text: str, **kwargs: Any) -> Callable[[Callable[..., None]], click.Command]:
    """A command of the group; `text` is its help. Wrong settings leave with status 2."""

    def add(function: Callable[..., None]) -> click.Command:
        @wraps(function)
        def refusing(*args: Any, **options: Any) -> None:
            try:
                function(*args, **options)
            except SettingsError as error:
                raise Refusal(str(error), code=2) from error

        helped = click.help_option("--help", help=N_("Show this and leave."))(refusing)
        return portillon.command(name, cls=Spoken, help=text, **kwargs)(helped)

    return add


@command("up", N_("Start everything on this machine, with demo data and a mailbox, until Ctrl-C."))
def up() -> None:
    """Embedded servers, tables, demo data, API, worker."""
    try:
        from service.up import up as start_everything  # noqa: PLC0415 - only installed with the extra `embedded`
    except ModuleNotFoundError as error:
        raise _needing_extra(error) from error
    start_everything()


@command("serve", N_("Answer requests: one API process."))
def serve() -> None:
    """Ends within 30 seconds of SIGTERM."""
    from service.serve import serve as answer  # noqa: PLC0415 - the application takes its time to import

    answer(load_settings())


@command("worker", N_("Send the mail that is owed: one worker process."))
def worker() -> None:
    """Becomes `python -m workers`: this room does not know that one."""
    load_settings()
    os.execv(sys.executable, [sys.executable, "-P", "-m", "workers"])  # noqa: S606 - no shell is wanted


@command("migrate", N_("Bring the tables up to date, as their owner (PORTILLON_MIGRATION_DATABASE_URL)."))
def migrate() -> None:
    """Safe to run on several machines at once."""
    from tenants.schema import migrate as run_missing  # noqa: PLC0415 - Alembic takes its time to import

    settings, screen = load_settings(), Screen()
    if settings.migration_database_url is None:
        raise Refusal(
            _("PORTILLON_MIGRATION_DATABASE_URL is not set: tables are changed by their owner, not by the application."), code=2
        )
    url = settings.migration_database_url.get_secret_value()
    done = _carried_out(run_missing(url, tell=lambda name: screen.line(f"- {name}")), url)
    screen.line(_("The tables are up to date.") if done else _("The tables were already up to date."))


@command("create-operator", N_("Make the operator's account, and print a one-time link for its first administrator."))
@click.argument("email")
@click.option("--name", default="Portillon", show_default=True, help=N_("What the operator's account is called."))
def create_operator(email: str, name: str) -> None:
    """Run again: a new link, and the old one is worthless. Needs PostgreSQL alone."""
    settings = load_settings()
    url = settings.database_url.get_secret_value()
    try:
        found = _carried_out(_operator_link(settings, email=email, name=name), url)
    except Invalid as error:
        raise Refusal(_wrong(error, email=email, name=name)) from error
    if isinstance(found, list):
        raise Refusal(
            _("The operator's account is in use already. Its administrators: {emails}. They can invite {email}; a forgotten password is "
              "asked for anew at {url}/forgot.").format(emails=", ".join(found), email=email, url=settings.public_url)
        )  # fmt: skip
    screen = Screen()
    screen.line(
        _("Open this link within 7 days to set the password of {email}. It works once; older links no longer work:").format(
            email=email
        )
    )
    screen.line(f"{settings.public_url}/invitation?token={found}")


@command(
    "verify-activity",
    N_("Check that nobody changed, cut or added to the history. Status 0: all is well, 1: not, 3: could not look."),
)
@click.option("--account", metavar="SLUG", help=N_("Of this account alone."))
@click.option(
    "--heads", type=click.Path(dir_okay=False, path_type=Path), help=N_("What `activity-heads` printed, to check against.")
)
def verify_activity(account: str | None, heads: Path | None) -> None:
    """Reads as the application does; changes nothing."""
    from service.activity_commands import could_not_look, told, verify  # noqa: PLC0415 - the domain takes its time to import

    settings = load_settings()
    with could_not_look():
        report = _carried_out(verify(settings, slug=account, heads=heads), settings.database_url.get_secret_value())
    told(report, Screen())


@command("activity-heads", N_("Print where the history of every account ends, as JSON lines to keep elsewhere."))
@click.option("--account", metavar="SLUG", help=N_("Of this account alone."))
def activity_heads(account: str | None) -> None:
    """For `verify-activity --heads`."""
    from service.activity_commands import could_not_look, heads_of  # noqa: PLC0415 - the domain takes its time to import

    settings = load_settings()
    with could_not_look():
        lines = _carried_out(heads_of(settings, slug=account), settings.database_url.get_secret_value())
    for line in lines:
        click.echo(line)


@command("config", N_("Print the settings in effect, secrets masked."))
def config() -> None:
    """One variable a line."""
    screen = Screen()
    for name, value in load_settings().masked().items():
        screen.line(f"{name}={value}")


@command("down", N_("Stop what `up` runs on this folder, or left there when it was killed."))
def down() -> None:
    """Says how many processes were stopped."""
    installation, folder = _installation()
    stopped = installation.stop(folder)
    Screen().line(_("Processes stopped: {count}.").format(count=stopped) if stopped else _("Nothing was running."))


@command("reset", N_("Wipe the data of `up`: database, seats, mail, passwords, logs."))
@click.option("--yes", is_flag=True, help=N_("Do not ask."))
def reset(yes: bool) -> None:
    """Only what an installation wrote is removed."""
    (installation, folder), screen = _installation(), Screen()
    if not installation.exists(folder):
        screen.line(_("There is nothing in {folder}.").format(folder=folder))
        return
    if not yes:
        if not sys.stdin.isatty():
            raise Refusal(
                _("Nobody is there to answer: `portillon reset --yes` wipes {folder} without asking.").format(folder=folder)
            )
        click.confirm(_("Wipe the database, mail and passwords in {folder}?").format(folder=folder), abort=True)
    installation.wipe(folder)
    screen.line(_("{folder} is wiped.").format(folder=folder))


@command("schema", N_("Print the API's description (OpenAPI 3.1)."), hidden=True)
def schema() -> None:
    """Needs no server."""
    import msgspec  # noqa: PLC0415 - these serve this command alone

    from service.app import build  # noqa: PLC0415
    from service.documentation import described  # noqa: PLC0415
    from tenants.house import open_house  # noqa: PLC0415

    settings = load_settings(
        environment="development", database_url="postgresql://nowhere", redis_url="redis://nowhere:6379", smtp_url="smtp+plain://localhost",
        public_url="http://localhost:8000", secret_key="-" * 32, mailbox_dir=None,
    )  # fmt: skip
    document = described(build(open_house(settings)))
    click.echo(msgspec.json.format(msgspec.json.encode(document), indent=1).decode())


async def _operator_link(settings: Settings, *, email: str, name: str) -> str | list[str]:
    from service.operators import Taken, operator_link  # noqa: PLC0415 - the domain takes its time to import
    from tenants.catalogue import load_catalogue  # noqa: PLC0415
    from tenants.database import Database  # noqa: PLC0415
    from tenants.tokens import Signer  # noqa: PLC0415

    # No outside: nobody is signed in yet, so Redis need not run.
    database = Database(settings.database_url.get_secret_value(), pool_size=1)
    try:
        async with database.transaction() as session:
            found = await operator_link(
                session, load_catalogue(settings.catalogue), Signer(settings.secret_key.get_secret_value()),
                email=email, name=name, language=settings.language,
            )  # fmt: skip
    finally:
        await database.close()
    return found.administrators if isinstance(found, Taken) else found


def _carried_out(work: Any, url: str) -> Any:
    """Run it against PostgreSQL; what the server says becomes a Refusal that says what to do."""
    try:
        return asyncio.run(work)
    except (Unavailable, OSError) as error:
        why = error.__cause__ or error
        raise Refusal(
            _("PostgreSQL does not answer at {address}: {why}").format(address=_address(url), why=_first_line(why))
        ) from error
    except DBAPIError as error:
        state = getattr(error.orig, "sqlstate", None)
        if state == _NO_TABLE:
            raise Refusal(_("The tables are not there yet: run `portillon migrate` first.")) from error
        if state == _NOT_ALLOWED:
            raise Refusal(
                _("The role of this address may not do that: {why}").format(why=_first_line(error.orig or error))
            ) from error
        raise Refusal(
            _("PostgreSQL refused at {address}: {why}").format(address=_address(url), why=_first_line(error.orig or error))
        ) from error


def _address(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port or 5432}{parts.path}"


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _wrong(error: Invalid, *, email: str, name: str) -> str:
    if error.field == "email":
        return _("“{email}” is not an e-mail address that can be used here.").format(email=email)
    return _("“{name}” cannot be the name of an account.").format(name=name)


def _installation() -> tuple[Any, Path]:
    try:
        from service import installation, up  # noqa: PLC0415 - only installed with the extra `embedded`
    except ModuleNotFoundError as error:
        raise _needing_extra(error) from error
    return installation, up.data_folder()


def _needing_extra(error: ImportError) -> Refusal:
    return Refusal(
        _("This command needs the extra `embedded`, which {name} belongs to: pip install 'portillon[embedded]'.").format(
            name=error.name
        )
    )


def main() -> None:
    """The entry point."""
    run(portillon)


if __name__ == "__main__":
    main()
