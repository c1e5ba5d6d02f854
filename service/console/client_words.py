"""What the seller's pages say: why a client needs attention, how things stand, and what is wrong with what was typed."""

from collections.abc import Mapping
from typing import Any

from service.console.view import View
from service.overview_words import STATUSES
from service.problems import detail_of
from service.problems import say as say_problem
from tenants.catalogue import OPTIONS, Catalogue
from tenants.errors import DomainError, Invalid


def _(text: str) -> str:
    # Marks a text for the catalogue; it is translated when the reader is known.
    return text


#: The shape that stands before the status of an account, as the stylesheet names it.
SHAPES = {"active": "active", "suspended": "suspended", "closed": "struck_off"}
FIELD_LABELS = {
    "plan": _("Plan"),
    "users": _("Users"),
    "departments": _("Departments"),
    "seats": _("Places"),
    "accountant_seats": _("Places for accountants"),
    "pool_seats": _("Pool of places"),
    "pool_users": _("Pool of users"),
    "overselling": _("Sales beyond the pool"),
    "options": _("Options"),
    "starts_on": _("First day"),
    "ends_on": _("Last day"),
}
OPTION_LABELS = {
    "custom_roles": _("Own roles"),
    "activity_documents": _("History of documents"),
    "api": _("API and webhooks"),
    "branding": _("Own brand"),
}
OVERSELLING_LABELS = {
    "refuse": _("Not possible"),
    "warn": _("Allowed, with a warning by mail"),
    "allow": _("Allowed, and written into the history"),
}
PHASES = {
    "not_started": _("Not begun"),
    "running": _("Running"),
    "grace": _("Ended: read-only for a week"),
    "over": _("Over: administrators alone can sign in"),
}
_NUMBER = _("Write a whole number.")
_RANGE = _("From %(min)s to %(max)s.")
_DAY = _("Choose a day.")
_INVISIBLE = _("This contains invisible characters. Type it again.")
_LONG = _("This is too long: %(max)s characters at most.")
_COMPLAINTS: dict[tuple[str, str], str] = {
    ("name", "too_short"): _("Write a name."),
    ("person", "too_long"): _LONG,
    ("person", "control_characters"): _INVISIBLE,
    ("slug", "malformed"): _("Small letters, digits and hyphens inside, such as atelier-morel."),
    ("slug", "reserved"): _("This short name is kept for the product itself. Choose another one."),
    ("slug", "taken"): _("This short name is taken. %(proposed)s is free."),
    ("plan", "unknown"): _("Choose a plan."),
    ("kind", "too_deep"): _("This reseller would stand too far down: there are at most %(max)s levels below the operator."),
    ("seats", "required"): _("Write how many places."),
    ("ends_at", "required"): _("Choose the last day: only a weekly boost can go on until you end it."),
    ("ends_at", "in_the_past"): _("This day is past."),
    ("ends_on", "in_the_past"): _("This day is past."),
    ("ends_on", "before_start"): _("The last day comes before the first one."),
    ("starts_at", "in_the_past"): _("This day is past."),
    ("starts_at", "out_of_range"): _("A boost begins within three years."),
    ("ends_at", "before_start"): _("The last day comes before the first one."),
    ("weekly.days", "required"): _("Choose at least one day of the week."),
    ("weekly.to", "before_start"): _("The hours end before they begin."),
    ("weekly", "never_happens"): _("These days and hours never come between the first and the last day."),
    ("reason", "too_short"): _("Write why: the client reads it."),
    ("minutes", "out_of_range"): _("Choose how long."),
    ("pool_seats", "children_without_limit"): _("Clients of this reseller have no limit of their own. They need one first."),
    ("pool_users", "children_without_limit"): _("Clients of this reseller have no limit of their own. They need one first."),
    ("users", "required"): _("Your pool of users is limited: give this client a limit, too."),
    ("pool_users", "required"): _("Your pool of users is limited: give this reseller a limit, too."),
    ("pool_seats", "required"): _("Your pool of places is limited: give this reseller a limit, too."),
    ("name", "like_an_address"): _("A brand’s name must not read like an e-mail address."),
    ("colour", "malformed"): _("Write the colour as # and six digits or letters a to f, such as #7a3e00."),
    ("sender", "malformed"): _("Write the whole e-mail address, such as claire@example.com."),
    ("reply_to", "malformed"): _("Write the whole e-mail address, such as claire@example.com."),
    ("support", "malformed"): _("Write an e-mail address, a telephone number or an https:// address."),
    ("sender", "domain_unproven"): _("Mail can come from the domain of an active administrator’s address only: %(domains)s."),
    ("logo", "required"): _("Choose a picture first."),
    ("logo", "too_long"): _("This picture is too heavy: at most 200 kB."),
    ("logo", "not_an_image"): _("This is not one whole picture as PNG, JPEG or WebP."),
    ("logo", "wrong_size"): _("This picture is too small or too large: each side has from %(min)s to %(max)s pixels."),
    ("logo", "not_still"): _("This picture moves. A logo stands still."),
}
_ANYWHERE = {
    "malformed": _("This is not well-formed."),
    "number": _NUMBER,
    "day": _DAY,
    "far": _("This day is too far away."),
    "out_of_range": _RANGE,
    "too_long": _LONG,
    "control_characters": _INVISIBLE,
}
# The API speaks to programs here.
_NOTICES: dict[str, tuple[str, str]] = {
    "version_conflict": (
        _("Somebody changed this licence meanwhile"),
        _("Nothing was changed. What you typed still stands below; compare it with the history, and save again if it is right."),
    ),
    "visit_not_allowed": (
        _("No visit is allowed"),
        _("The administrators of %(account)s have not allowed a visit, or the one that they allowed was made. Ask them."),
    ),
}


def wrong(view: View, error: DomainError) -> dict[str, Any]:
    """What a page shows above its form, which stands as it was sent: the field that is wrong, or why the whole cannot be."""
    if isinstance(error, Invalid):
        return {"complaints": [complaint(view, error)], "notice": None}
    own = _NOTICES.get(error.code)
    if own is not None:
        return {"complaints": [], "notice": {"title": view.say(own[0]), "text": view.say(own[1], **error.facts)}}
    notice = view.notice(error)
    if "retry_after" not in error.facts:
        notice["text"] = say_problem(view.language, detail_of(error.code, error.facts), **error.facts)
    return {"complaints": [], "notice": notice}


def complaint(view: View, error: Invalid) -> dict[str, Any]:
    """What is wrong with one field, in a sentence."""
    text = _COMPLAINTS.get((error.field, error.problem)) or (
        None if error.field in {"email", "message"} else _ANYWHERE.get(error.problem)
    )
    if text is None:
        return view.complaint(error)
    return {"field": error.field.replace(".", "-"), "text": view.say(text, **error.facts), "advice": []}


def status_words(view: View) -> dict[str, str]:
    """What each status is called."""
    return {status: say_problem(view.language, text) for status, text in STATUSES.items()}


def labels(view: View, words: Mapping[str, str]) -> dict[str, str]:
    """A table of words in the reader's language."""
    return {name: view.say(text) for name, text in words.items()}


def plan_name(catalogue: Catalogue, plan: str, language: str) -> str:
    """What a plan is called; one that the catalogue lost keeps its key."""
    known = catalogue.plans.get(plan)
    return known.label[language] if known else plan


def written_terms(view: View, catalogue: Catalogue, name: str, value: Any) -> Any:
    """One term of a licence as people read it; days stay days, which templates write."""
    if value is None:
        return view.say("no end") if name == "ends_on" else view.say("no limit")
    if name == "plan":
        return plan_name(catalogue, value, view.language)
    if name == "overselling":
        return view.say(OVERSELLING_LABELS[value])
    if name == "options":
        named = [view.say(OPTION_LABELS[option]) for option in OPTIONS if option in value]
        return ", ".join(named) or view.say("none")
    return value
