"""What the forms that invite offer and hold: roles, departments, languages, the room that the licence leaves, what was typed."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from sqlalchemy.ext.asyncio import AsyncSession

from service.batch_words import reason_of
from service.console.forms import Fields
from service.console.user_guards import RoleOffer, roles_to_give
from service.console.view import View, status_of
from tenants import brands
from tenants.accounts import get_account
from tenants.actors import Actor
from tenants.batches import MOST_LINES, Refusal
from tenants.errors import AlreadyExists, DomainError, Invalid
from tenants.house import House
from tenants.licences import get_licence
from tenants.roles import read_palette
from tenants.users import count_users

LANGUAGES = [("fr", "Français"), ("en", "English")]
#: What a form that nobody has touched proposes, where the reader may give it.
_USUAL_ROLE = "user"


def _(text: str) -> str:
    # Marks a text for the catalogue; it is translated when the reader is known.
    return text


# By field and problem: what a form says where the sentence of the API, or of another page, would say less.
_COMPLAINTS: dict[tuple[str, str], str] = {
    ("name", "too_long"): _("This name is too long: it can have %(max)s characters at most."),
    ("list", "no_lines"): _("Paste at least one address, or choose a file."),
    ("list", "too_many_lines"): _("This list has more than %(max)s lines. Invite these people in several lists."),
    ("list", "too_large"): _("This list is larger than 1 MB. Invite these people in several lists."),
    ("list", "unbalanced_quotes"): _("A quotation mark is missing or misplaced, from line %(line)s on."),
    ("list", "unknown_column"): _("The column “%(given)s” is not known. Name columns as in the explanation below."),
    ("list", "column_twice"): _("The column “%(given)s” is there twice."),
    ("list", "column_missing"): _("The first line names columns, but none for the address."),
    ("list", "not_text"): _("This file is not a text. Save it as CSV in your spreadsheet, and choose it again."),
    ("list", "both"): _("There are a list and a file. Empty the list, or send it without the file."),
}


@dataclass(frozen=True, slots=True)
class Room:
    """Places for users: how many the licence counts now, of how many; None is no limit."""

    used: int
    limit: int | None

    @property
    def free(self) -> int | None:
        """How many more may be invited."""
        return None if self.limit is None else max(0, self.limit - self.used)


async def read_room(session: AsyncSession) -> Room:
    """Of the account entered."""
    return Room(await count_users(session), (await get_licence(session)).users)


async def offers(view: View, session: AsyncSession, house: House, actor: Actor, fields: Fields | None) -> dict[str, Any]:
    """What both forms show: with what was typed, else with what is usual."""
    account = await get_account(session, actor.account_id)
    palette = await read_palette(session, house.catalogue, actor.account_kind)
    roles = roles_to_give(actor, palette, view.language)
    return {
        "brand": await brands.find_brand(session),
        "room": await read_room(session),
        "once": str(uuid4()),
        "roles": roles,
        "fewer_roles": not actor.may_give(palette.catalogue.rights_of(actor.account_kind), ()),
        "departments": list(palette.departments.values()),
        "anywhere": actor.departments is None,
        "mine": actor.departments,
        "languages": LANGUAGES,
        "first_password": account.admin_sets_password,
        "typed": _untouched(roles, account.language) if fields is None else typed(fields),
    }


def typed(fields: Fields) -> dict[str, Any]:
    """What a form holds, as it was sent; never a password."""
    names = ("email", "name", "list", "role", "where", "language", "message", "valid_days")
    return {name: fields.text(name) for name in names} | {"department": fields.several("department")}


def _untouched(roles: Iterable[RoleOffer], language: str) -> dict[str, Any]:
    role = _USUAL_ROLE if any(offer.key == _USUAL_ROLE for offer in roles) else ""
    empty = dict.fromkeys(("email", "name", "list", "message"), "")
    return {**empty, "role": role, "where": "all", "department": [], "language": language, "valid_days": "7"}


def refusal(view: View, error: DomainError | None) -> dict[str, Any]:
    """What a form shows of a refusal; `known` is the user whom the address belongs to already."""
    nothing: dict[str, Any] = {"status": 200, "complaints": [], "notice": None, "known": None}
    if error is None:
        return nothing
    found = {**nothing, "status": status_of(error)}
    if isinstance(error, Invalid):
        return found | {"complaints": [_complaint(view, error)]}
    if isinstance(error, AlreadyExists):
        told = Refusal(0, "", "already_exists", "email", {"status": error.facts["status"]})
        complaint = {"field": "email", "text": reason_of(view.language, told), "advice": []}
        return found | {"complaints": [complaint], "known": error.facts["id"]}
    return found | {"notice": view.notice(error)}


def _complaint(view: View, error: Invalid) -> dict[str, Any]:
    # Whatever is wrong with a list as a whole stands beside it.
    field = "list" if error.field in {"users", "body"} else error.field
    text = _COMPLAINTS.get((field, error.problem))
    if text is None:
        return view.complaint(error)
    return {"field": field, "text": view.say(text, **{"max": MOST_LINES, **error.facts}), "advice": []}
