"""Words about roles: what each is, why one cannot be changed, and what a refusal means to whoever stands before the boxes."""

from dataclasses import dataclass
from typing import Any

from service.console.view import View, status_of
from service.problems import detail_of
from service.problems import say as say_problem
from tenants.actors import Actor
from tenants.catalogue import ADMINISTRATOR, CUSTOM_ROLES, FALLBACK
from tenants.errors import DomainError, Invalid
from tenants.roles import Palette


def _(text: str) -> str:
    # Marks a text for the catalogue; it is translated when the reader is known.
    return text


_COMPLAINTS = {
    ("name", "too_short"): _("Write a name for the role."),
    ("rights", "unknown"): _("One of these rights is not there any more. Look through the boxes, and review the change again."),
    ("copy_of", "unknown"): _("The role to copy is not there any more. Choose another one."),
    ("replacement", "unknown"): _("Choose a role for the people who have this one."),
    ("replacement", "not_possible"): _("Choose a role for the people who have this one."),
}
# What is wrong with a field, though the domain does not say so of the field.
_OF_FIELDS = {
    "already_exists": ("name", _("Another role is called like that. Choose another name.")),
    "in_use": ("replacement", _("Choose a role for the people who have this one.")),
}
_NOTICES: dict[str, tuple[str, str]] = {
    "version_conflict": (
        _("Somebody else changed this role meanwhile"),
        _(
            "Nothing of yours is saved yet, and nothing is lost: your boxes stand below as you left them. Review the change once more."
        ),
    ),
    "option_missing": (
        _("The licence does not include roles of your own"),
        _("Nothing was changed. Whoever sells you the licence can add the option."),
    ),
    "beyond_own_rights": (
        _("More than your own rights"),
        _("Nothing was changed. A role can be given no right that you do not have yourself."),
    ),
}


@dataclass(frozen=True, slots=True)
class Guards:
    """What cannot be done with a role, each with the reason in words; None where it can."""

    edit: str | None
    hide: str | None
    delete: str | None


def read_guards(view: View, palette: Palette, actor: Actor, key: str) -> Guards:
    """For somebody with the right `roles.manage`."""
    beyond = _beyond(view, palette, actor, key)
    locked = None if key in palette.own else view.say("Built-in roles are locked. Copy this one, and change the copy.")
    return Guards(
        edit=locked or beyond or frozen(view, palette, key),
        hide=view.say("Nothing can be hidden from an administrator.") if key == ADMINISTRATOR else beyond,
        delete=locked or beyond,
    )


def frozen(view: View, palette: Palette, key: str) -> str | None:
    """What an own role gives while the licence lacks the option for it; None for any other."""
    if key not in palette.own or CUSTOM_ROLES in palette.options:
        return None
    fallback = palette.name_of(FALLBACK, view.language)
    return view.say(
        "The licence no longer includes roles of your own. This one is frozen, not lost: until the option returns, it gives only what"
        " “%(role)s” has too.",
        role=fallback,
    )


def refusal_in_words(view: View, error: DomainError | None) -> dict[str, Any]:
    """What a page shows of a refusal, with its status: `complaints` beside the fields, or a `notice` with what can be done next."""
    if error is None:
        return {"status": 200, "complaints": [], "notice": None}
    if isinstance(error, Invalid):
        own = _COMPLAINTS.get((error.field, error.problem))
        known = {"field": error.field, "text": view.say(own), "advice": []} if own else view.complaint(error)
        return {"status": status_of(error), "complaints": [known], "notice": None}
    if error.code in _OF_FIELDS:
        field, text = _OF_FIELDS[error.code]
        return {"status": status_of(error), "complaints": [{"field": field, "text": view.say(text), "advice": []}], "notice": None}
    words = _NOTICES.get(error.code)
    notice = view.notice(error)
    if words is not None:
        notice = {"title": view.say(words[0]), "text": view.say(words[1])}
    elif "retry_after" not in error.facts:
        notice["text"] = say_problem(view.language, detail_of(error.code, error.facts), **error.facts)
    return {"status": status_of(error), "complaints": [], "notice": notice}


def _beyond(view: View, palette: Palette, actor: Actor, key: str) -> str | None:
    if actor.may_give(palette.reach(key), None):
        return None
    if actor.departments is not None:
        return view.say("A role works in every department, and you are in some: somebody who is in all of them can change it.")
    return view.say("This role has rights that you do not have: somebody who has them can change it.")
