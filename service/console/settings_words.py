"""Words about the settings of the account: what each is called, what was saved, and what is wrong with what was typed."""

from collections.abc import Iterable
from typing import Any

from service.console.view import View, status_of
from service.problems import detail_of
from service.problems import say as say_problem
from tenants.actors import Actor
from tenants.errors import DomainError, Invalid


def _(text: str) -> str:
    # Marks a text for the catalogue; it is translated when the reader is known.
    return text


#: What was saved, by the setting's name.
SETTINGS: dict[str, str] = {
    "name": _("name of the account"),
    "language": _("language of the account"),
    "time_zone": _("time zone"),
    "admin_sets_password": _("first passwords"),
    "restrictions": _("hidden sections"),
    "seat_unit": _("what takes a place"),
    "sessions_per_user": _("connections of one person"),
    "idle_timeout": _("minutes until a place comes free"),
    "reclaim_after": _("places of whoever is away"),
    "show_holders": _("who holds the places"),
    "activity_documents": _("what the application reports"),
    "activity_months": _("how long the history is kept"),
}
_WHOLE = _("Write a whole number.")
_RANGE = _("Write a number from %(min)s to %(max)s.")
_COMPLAINTS = {
    ("name", "too_short"): _("Write a name."),
    ("time_zone", "unknown"): _("Choose a time zone from the list."),
    ("language", "unknown"): _("Choose a language."),
    ("visitor", "required"): _("Choose who may visit."),
    ("visitor", "not_possible"): _("Choose who may visit."),
    ("scopes", "too_short"): _("Tick at least one."),
    ("scopes", "unknown"): _("Tick at least one."),
    ("expires_on", "day"): _("Choose a day, or leave it empty."),
    ("activity_months", "forgets"): _(
        "Older months would be gone for good. Tick that you want this, or keep the months as they were."
    ),
    ("activity_documents", "unknown"): _("Choose what becomes of them."),
    ("expires_at", "in_the_past"): _("This day is past. Choose another one, or leave it empty."),
    ("expires_at", "out_of_range"): _("This day is too far away."),
}
_ANYWHERE = {"number": _WHOLE, "out_of_range": _RANGE}
_NOTICES = {
    "beyond_own_rights": (
        _("More than your own rights"),
        _("Nothing was changed. Nobody gives or shows what they do not have in every department themselves."),
    ),
    "option_missing": (_("Not in the licence"), _("Nothing was changed. Whoever sells you the licence can add the option.")),
}


def saved(view: View) -> str | None:
    """What was just saved, if the address names settings; anybody may write an address."""
    words = view.request.query_params.get("done", "")
    if words == "same":
        return view.say("Nothing differs: everything stays as it was.")
    named = [view.say(SETTINGS[word]) for word in words.split(".") if word in SETTINGS]
    return view.say("Saved: %(what)s. It works at everybody’s next click.", what=", ".join(named)) if named else None


def done(changed: Iterable[str]) -> str:
    """The settings that were saved, for the address of the page that says so."""
    return ".".join(changed) or "same"


def tabs(actor: Actor) -> list[tuple[str, str]]:
    """The parts of the settings that this person can open."""
    found = [("/settings", _("Account")), ("/settings/places", _("Places"))]
    if actor.account_kind != "operator":
        found.append(("/settings/visits", _("Visits")))
    if actor.may("integrations.view"):
        found.append(("/settings/keys", _("API keys")))
    return found


def refusal_in_words(view: View, error: DomainError | None) -> dict[str, Any]:
    """What a page shows of a refusal, with its status: `complaints` beside the fields, or a `notice` with what can be done next."""
    if error is None:
        return {"status": 200, "complaints": [], "notice": None}
    if isinstance(error, Invalid):
        own = _COMPLAINTS.get((error.field, error.problem)) or _ANYWHERE.get(error.problem)
        known = {"field": error.field, "text": view.say(own, **error.facts), "advice": []} if own else view.complaint(error)
        return {"status": status_of(error), "complaints": [known], "notice": None}
    words = _NOTICES.get(error.code)
    notice = view.notice(error)
    if words is not None:
        notice = {"title": view.say(words[0]), "text": view.say(words[1])}
    elif "retry_after" not in error.facts:
        notice["text"] = say_problem(view.language, detail_of(error.code, error.facts), **error.facts)
    return {"status": status_of(error), "complaints": [], "notice": notice}
