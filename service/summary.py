"""What `portillon up` says when it is ready: who exists, what to try, how to stop, and where to begin."""

from collections.abc import Mapping

from service.demo_people import MOREL, NAMED, NORTHWIND
from service.terminal import Screen, _, language

_FILLING = ("james", "priya")
_REFUSED = "oliver"
_DOMAIN = f"@{NORTHWIND.slug}.example.com"


def show_summary(screen: Screen, *, url: str, people: Mapping[str, str], mailbox: bool, folder: str) -> None:
    """`people` are the demo people's passwords by address; empty where there are none."""
    screen.line()
    screen.line(_("Portillon is ready."), style="bold")
    _addresses(screen, url, mailbox=mailbox)
    if people:
        _people(screen, people)
    if all(f"{name}{_DOMAIN}" in people for name in (*_FILLING, _REFUSED)):
        _to_try(screen, url, people)
    _afterwards(screen, folder)
    _begin(screen, url, people)


def _addresses(screen: Screen, url: str, *, mailbox: bool) -> None:
    rows = [(_("Console"), f"{url}/login"), (_("API documentation"), f"{url}/api/docs")]
    if mailbox:
        rows.append((_("Mailbox"), f"{url}/dev/mail"))
    _rows(screen, rows)


def _people(screen: Screen, people: Mapping[str, str]) -> None:
    # A demo of an earlier release has other people: then all of them, by their addresses alone.
    screen.line()
    screen.line(_("Demo people and their passwords (made for this installation):"), style="bold")
    wide, longest = max(map(len, people)), max(map(len, people.values()))
    named = [
        (account.name, [person for person in account.people if person.says and (person.email in people or not person.accepts)])
        for account in NAMED
    ]
    if not any(person.email in people for _name, persons in named for person in persons):
        named = []
        _rows(screen, list(people.items()))
    for name, persons in named:
        screen.line(f"  {name}")
        for person in persons:
            password = people.get(person.email, "").ljust(longest)
            screen.line(f"    {person.email.ljust(wide)}  {password}  {_(person.says or '')}")


def _to_try(screen: Screen, url: str, people: Mapping[str, str]) -> None:
    filling = " ".join(f"{name}:{people[name + _DOMAIN]}" for name in _FILLING)
    screen.line()
    screen.line(_("Try the cap: two people take the two seats of {company},").format(company=NORTHWIND.name), style="bold")
    screen.line(f"  for p in {filling}; do")
    screen.line(f"    curl -s {url}/api/v1/login -H 'Content-Type: application/json' \\")
    screen.line(f"""      -d '{{"email": "'${{p%%:*}}'{_DOMAIN}", "password": "'${{p#*:}}'"}}'; echo""")
    screen.line("  done")
    screen.line(_("and the third is told who is in (409 seats_full, and a page of the console):"), style="bold")
    screen.line(f"  curl -i {url}/api/v1/login -H 'Content-Type: application/json' -H 'Accept-Language: {language()}' \\")
    screen.line(f"""    -d '{{"email": "{_REFUSED}{_DOMAIN}", "password": "{people[_REFUSED + _DOMAIN]}"}}'""")


def _begin(screen: Screen, url: str, people: Mapping[str, str]) -> None:
    first = MOREL.people[0].email
    screen.line()
    if first in people:
        text = _("Begin in the console: {url} as {person}, password {password}")
        screen.line(text.format(url=f"{url}/login", person=first, password=people[first]), style="bold")
    else:
        screen.line(_("Begin in the console: {url}").format(url=f"{url}/login"), style="bold")


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
