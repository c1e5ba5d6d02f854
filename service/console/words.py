"""The console's words in the reader's language, and its templates with them."""

from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from babel.dates import format_time, format_timedelta, get_day_names
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from service.console.static_files import address_of
from tenants.languages import customs, translations, written_day

LOCALE = Path(__file__).with_name("locale")
TEMPLATES = Path(__file__).with_name("templates")


def _(text: str) -> str:
    # Marks a text for the catalogue; it is translated when the reader is known.
    return text


_JUST_NOW = _("just now")
_AT = _("%(day)s at %(time)s (%(zone)s)")

#: Why a session ended, for the person who finds it gone. Anything not listed, such as being struck off, is told as ended, and no more.
ENDED: dict[str, str] = {
    "ended_by_self": _("You ended this session from another one, %(when)s."),
    "ended_by_administrator": _("%(by)s ended your session, %(when)s."),
    "ended_for_room": _("%(by)s needed a place and ended your session, %(when)s."),
    "signed_out": _("You signed out, %(when)s."),
    "switched": _("You went on to work in another account, %(when)s."),
    "replaced": _("A newer sign-in took the place of this session, %(when)s."),
    "password_changed": _("Your password was changed, %(when)s. Every session opened before has ended."),
    "email_change_revoked": _("The change of your address was revoked, %(when)s. Every session opened before has ended."),
    "expired": _("Your session had lasted its full time, and ended %(when)s."),
    "suspended": _("Your access was suspended, %(when)s."),
    "account_suspended": _("Your account was suspended, %(when)s. Every session in it has ended."),
    "account_closed": _("Your account was closed, %(when)s. Every session in it has ended."),
    "visitor_left": _("You may no longer visit this account from where you came. The visit ended %(when)s."),
    "visit_revoked": _("%(by)s took back the permission for this visit, %(when)s."),
    "licence_ended": _("The licence of your account has ended, and so has your session, %(when)s. Nothing is lost."),
    "licence_not_started": _("The licence of your account begins later. Until then its administrators alone can sign in."),
}
ENDED_OTHERWISE = _("Your session ended, %(when)s.")
RETURN_FIRST = _("For two minutes from then, the next place that comes free is kept for you. Sign in again.")

#: What became of the place of somebody who is still signed in.
LOST: dict[str, str] = {
    "handed_over": _("You gave your place to %(who)s, %(when)s."),
    "not_answered": _("%(who)s asked for your place while you were away, and it was given, %(when)s."),
    "lost": _("Your browser gave no sign of life, as when a computer sleeps, and a colleague needed a place, %(when)s."),
    "lingering": _("You had closed your last page, and a colleague needed a place, %(when)s."),
    "idle": _("You had been away for a while, and a colleague needed a place, %(when)s."),
}
LOST_OTHERWISE = _("Your place became free while you were away, and a colleague has taken it.")
#: What is wrong with one field of a form, by field and problem.
COMPLAINTS: dict[tuple[str, str], str] = {
    ("email", "malformed"): _("Write the whole e-mail address, such as claire@example.com."),
    ("email", "too_long"): _("This e-mail address is too long."),
    ("email", "look_alike"): _("This e-mail address mixes alphabets that look alike. Type it again."),
    ("email", "not_possible"): _("This is your address already."),
    ("password", "required"): _("Write your password."),
    ("password", "too_short"): _("This password is too short: it needs at least %(min)s characters."),
    ("password", "too_long"): _("This password is too long: it can have %(max)s characters at most."),
    ("password", "not_possible"): _(
        "Administrators of this account do not choose first passwords. It can be allowed in its settings."
    ),
    ("password", "guessable"): _("This password is too easy to guess."),
    ("password", "first_password"): _("This is the first password that you were given. Choose one that nobody else knows."),
    ("seats", "required"): _("Write how many places."),
    ("seats", "malformed"): _("Write how many places as a whole number."),
    ("seats", "out_of_range"): _("The number of places must be from %(min)s to %(max)s."),
    ("ends_at", "malformed"): _("Choose a day, or leave it empty."),
    ("ends_at", "out_of_range"): _("This day is too far away."),
    ("ends_at", "in_the_past"): _("This day is past. Choose another one, or leave it empty."),
    ("until", "malformed"): _("Choose a day, or leave it empty."),
    ("until", "out_of_range"): _("This day is too far away."),
    ("until", "in_the_past"): _("This day is past. Choose another one, or leave it empty."),
    ("message", "control_characters"): _("This message contains invisible characters. Type it again."),
    ("message", "too_long"): _("This message is too long: it can have %(max)s characters at most."),
    ("reason", "control_characters"): _("This reason contains invisible characters. Type it again."),
    ("reason", "too_long"): _("This reason is too long: it can have %(max)s characters at most."),
    ("suspended_from", "malformed"): _("Choose a day, or leave it empty."),
    ("suspended_from", "out_of_range"): _("This day is too far away."),
    ("suspended_until", "malformed"): _("Choose a day, or leave it empty."),
    ("suspended_until", "out_of_range"): _("This day is too far away."),
    ("suspended_until", "in_the_past"): _("This day is past. Choose another one, or leave it empty."),
    ("suspended_until", "before_start"): _("The last day lies before the first one."),
    ("role", "required"): _("Choose a role."),
    ("role", "unknown"): _("Choose one of these roles."),
    ("departments", "required"): _("Tick at least one department, or choose all of them."),
    ("departments", "unknown"): _("One of these departments is no longer in use. Choose again."),
    ("departments", "too_long"): _("%(max)s departments at most can be ticked. Choose all of them instead."),
    ("restrictions", "unknown"): _("One of these sections is not there any more. Choose again."),
    ("valid_days", "malformed"): _("Write a number of days from 1 to 30."),
    ("valid_days", "out_of_range"): _("Write a number of days from 1 to 30."),
    ("q", "control_characters"): _("Your search contains invisible characters. Type it again."),
    ("q", "too_long"): _("Your search is too long: it can have %(max)s characters at most."),
    ("name", "too_short"): _("Write your name."),
    ("name", "too_long"): _("This name is too long: it can have %(max)s characters at most."),
    ("name", "control_characters"): _("This name contains invisible characters. Type it again."),
}


def say(language: str, text: str, **facts: Any) -> str:
    """A text of the console in the reader's language, with its facts."""
    translated = translations(LOCALE, language).gettext(text)
    return translated % facts if facts else translated


@cache
def templates(language: str) -> Environment:
    """The templates with the words of one language: a missing fact is an error, every value is escaped."""
    pages = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    pages.install_gettext_translations(translations(LOCALE, language), newstyle=True)  # type: ignore[attr-defined]  # the extension's
    pages.globals["file"] = address_of
    pages.filters["ago"] = lambda at: ago(language, at)
    pages.filters["moment"] = lambda at, zone: moment(language, at, zone)
    pages.filters["clock"] = lambda at, zone: clock(language, at, zone)
    pages.filters["day"] = lambda day: written_day(day, language)
    pages.filters["weekday"] = lambda day: str(get_day_names("abbreviated", locale=customs(language))[day.weekday()])
    pages.filters["iso"] = lambda at: at.astimezone(UTC).isoformat(timespec="seconds")
    return pages


def ago(language: str, at: datetime) -> str:
    """How far from now, in the past or to come: `3 minutes ago`, `in 11 hours`."""
    distance = at - datetime.now(UTC)
    if abs(distance) < timedelta(minutes=1):
        return say(language, _JUST_NOW)
    return format_timedelta(distance, granularity="minute", threshold=1.5, add_direction=True, locale=customs(language))


def lasting(language: str, seconds: int) -> str:
    """A length of time: `2 seconds`, `15 minutes`."""
    return format_timedelta(timedelta(seconds=seconds), threshold=1.5, locale=customs(language))


def clock(language: str, at: datetime, zone: str) -> str:
    """The time to the second, and its time zone: `10:32:10 (Europe/Paris)`."""
    return f"{format_time(at.astimezone(ZoneInfo(zone)), 'medium', locale=customs(language))} ({zone.replace('_', ' ')})"


def moment(language: str, at: datetime, zone: str) -> str:
    """Day, time and time zone."""
    there = at.astimezone(ZoneInfo(zone))
    return say(
        language,
        _AT,
        day=written_day(there, language),
        time=format_time(there, "short", locale=customs(language)),
        zone=zone.replace("_", " "),
    )
