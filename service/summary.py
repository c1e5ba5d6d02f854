"""What `portillon up` says when it is ready: where to go, who exists, what to try, and how to stop."""

from collections.abc import Mapping

from service import demo
from service.terminal import Screen, _, language

_FILLING = ("alice", "benoit", "chloe")
_REFUSED = "david"


def show_summary(screen: Screen, *, url: str, people: Mapping[str, str], mailbox: bool, folder: str) -> None:
    """`people` are the demo people's passwords by address; empty where there are none."""
    screen.line()
    screen.line(_("Portillon is ready."), style="bold")
    _addresses(screen, url, mailbox=mailbox)
    if people:
        _people(screen, people)
        _to_try(screen, url, people)
    _afterwards(screen, folder)


def _addresses(screen: Screen, url: str, *, mailbox: bool) -> None:
    rows = [(_("Sign in"), f"{url}/login"), (_("API documentation"), f"{url}/api/docs")]
    if mailbox:
        rows.append((_("Mailbox"), f"{url}/dev/mail"))
    _rows(screen, rows)


def _people(screen: Screen, people: Mapping[str, str]) -> None:
    screen.line()
    screen.line(_("Demo people and their passwords (made for this installation):"), style="bold")
    accounts = [(account, [person for person in account.people if person.accepts]) for account in demo.ACCOUNTS]
    wide = max(len(email) for email in people)
    for account, persons in accounts:
        screen.line(f"  {account.name}")
        for person in persons:
            screen.line(f"    {person.email.ljust(wide)}  {people[person.email]}  {_(person.says)}")


def _to_try(screen: Screen, url: str, people: Mapping[str, str]) -> None:
    domain = f"@{demo.SMALL.slug}.example.com"
    filling = " ".join(f"{name}:{people[name + domain]}" for name in _FILLING)
    screen.line()
    screen.line(_("Try the cap: three people take the three seats of {company},").format(company=demo.SMALL.name), style="bold")
    screen.line(f"  for p in {filling}; do")
    screen.line(f"    curl -s {url}/api/v1/login -H 'Content-Type: application/json' \\")
    screen.line(f"""      -d '{{"email": "'${{p%%:*}}'{domain}", "password": "'${{p#*:}}'"}}'; echo""")
    screen.line("  done")
    screen.line(_("and the fourth is told who is in (409 seats_full):"), style="bold")
    screen.line(f"  curl -i {url}/api/v1/login -H 'Content-Type: application/json' -H 'Accept-Language: {language()}' \\")
    screen.line(f"""    -d '{{"email": "{_REFUSED}{domain}", "password": "{people[_REFUSED + domain]}"}}'""")


def _afterwards(screen: Screen, folder: str) -> None:
    screen.line()
    rows = [
        (_("Stop"), "Ctrl-C"),
        (_("Wipe everything"), _("`make reset` (or `portillon reset`); data and logs are in {folder}").format(folder=folder)),
        (
            _("Use real servers"),
            "PORTILLON_DATABASE_URL, PORTILLON_MIGRATION_DATABASE_URL, PORTILLON_REDIS_URL, PORTILLON_SMTP_URL",
        ),
    ]
    _rows(screen, rows)


def _rows(screen: Screen, rows: list[tuple[str, str]]) -> None:
    wide = max(len(name) for name, _value in rows)
    for name, value in rows:
        screen.line(f"  {name.ljust(wide)}  {value}")
