"""Words about the history: how a line ended, who acted, what its facts are called, and what is wrong with what was looked for."""

from typing import Any

from service.console.view import View, status_of
from service.problems import detail_of
from service.problems import say as say_problem
from tenants.activity_cards import ActorCard
from tenants.activity_exports import State
from tenants.activity_files import Format
from tenants.errors import DomainError, ExportTooLarge, Invalid


def _(text: str) -> str:
    # Marks a text for the catalogue; it is translated when the reader is known.
    return text


#: How what a line tells ended; and the shape that stands for it.
RESULTS: dict[str, tuple[str, str]] = {
    "done": ("active", _("Done")),
    "refused": ("suspended", _("Refused")),
    "failed": ("failed", _("Failed")),
}
#: How far an export is; and the shape that stands for it.
EXPORTS: dict[State, tuple[str, str]] = {
    "waiting": ("none", _("Waiting")),
    "running": ("invited", _("Being written")),
    "ready": ("active", _("Ready")),
    "failed": ("failed", _("Not written")),
    "cancelled": ("none", _("Cancelled")),
    "expired": ("none", _("No longer kept")),
}
FORMATS: dict[Format, str] = {"csv": _("CSV, for a spreadsheet"), "json": _("JSON lines, for a program")}
#: What is told of a line beside its sentence, by the name of the fact. Ids of ours tell nobody anything.
FACTS: dict[str, str] = {
    "above": _("Following the account"),
    "accepted": _("People invited"),
    "asked": _("Asked for"),
    "code": _("Code"),
    "departments": _("Departments"),
    "ends_at": _("Until"),
    "expires_at": _("Good until"),
    "filters": _("Filters"),
    "format": _("Format"),
    "given": _("Given"),
    "held": _("Kept for others"),
    "holders": _("People asked"),
    "how": _("How"),
    "in_use": _("Places in use"),
    "kind": _("Kind of account"),
    "letter": _("Letter"),
    "lines": _("Lines"),
    "message": _("Message"),
    "once": _("Visits"),
    "outcome": _("Decision"),
    "over": _("Too many"),
    "plan": _("Plan"),
    "pool": _("Pool"),
    "refused": _("Not invited"),
    "replacement": _("Role instead"),
    "reply": _("Answer of the mail server"),
    "rights": _("Rights"),
    "role": _("Role"),
    "scope": _("Concerns"),
    "scopes": _("May be used for"),
    "seat": _("Place"),
    "seats": _("Places"),
    "seller": _("Seller"),
    "sessions": _("Sessions"),
    "since": _("From"),
    "starts_at": _("From"),
    "through": _("Month"),
    "until": _("Until"),
    "user": _("Person"),
    "users": _("People"),
    "visits": _("Visits"),
    "weekly": _("Every week"),
    "what": _("Counted"),
    "why": _("Why"),
}
_COMPLAINTS = {
    ("from", "neither_day_nor_moment"): _("Choose a day, or leave it empty."),
    ("to", "neither_day_nor_moment"): _("Choose a day, or leave it empty."),
    ("from", "out_of_range"): _("Choose a day of this century."),
    ("to", "out_of_range"): _("Choose a day of this century."),
    ("to", "before_start"): _("The last day lies before the first one."),
    ("from", "too_much_to_search"): _("This is too much to look through at once: choose a shorter period, or add a filter."),
    ("actor", "not_an_actor"): _("Choose somebody from the list."),
    ("action", "not_an_action"): _("Choose an action from the list."),
    ("ip", "not_an_ip_address"): _("Write a whole network address, such as 192.0.2.17."),
    ("target", "control_characters"): _("Your search contains invisible characters. Type it again."),
    ("text", "control_characters"): _("Your search contains invisible characters. Type it again."),
    ("text", "too_long"): _("Your search is too long: it can have %(max)s characters at most."),
    ("format", "unknown"): _("Choose a format."),
}


def refusal_in_words(view: View, error: DomainError | None) -> dict[str, Any]:
    """What a page shows of a refusal, with its status: `complaints` beside the fields, or a `notice` with what can be done next."""
    if error is None:
        return {"status": 200, "complaints": [], "notice": None}
    if isinstance(error, Invalid):
        own = _COMPLAINTS.get((error.field, error.problem))
        said = {"field": error.field, "text": view.say(own, **error.facts), "advice": []} if own else view.complaint(error)
        return {"status": status_of(error), "complaints": [said], "notice": None}
    return {"status": status_of(error), "complaints": [], "notice": _notice(view, error)}


def _notice(view: View, error: DomainError) -> dict[str, str]:
    notice = view.notice(error)
    if isinstance(error, ExportTooLarge):
        notice["text"] = view.say(
            "At least %(lines)s lines fit, and one download carries %(limit)s. Have a file prepared instead, or choose a shorter period.",
            **error.facts,
        )
    else:
        notice["text"] = say_problem(view.language, detail_of(error.code, error.facts), **error.facts)
    return notice


def actor_in_words(view: View, actor: ActorCard) -> tuple[str, str | None]:
    """Who did something, and what is said of them beside the name: their address, or what they are."""
    match actor.kind:
        case "system":
            return view.say("Portillon"), view.say("by itself")
        case "somebody":
            return view.say("Somebody"), None
        case "api_key":
            return actor.name or view.say("Unknown"), view.say("API key")
    name = actor.name or actor.email or view.say("Unknown")
    if actor.account is not None and actor.account.name:
        return name, view.say("from %(account)s", account=actor.account.name)
    return name, actor.email if actor.email != name else None
