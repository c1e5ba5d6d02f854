"""The users of the account: searched, filtered, in the order that the reader wants, and ticked for what is done to several at once."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from service.console.routes import page
from service.console.user_fields import last_day
from service.console.user_words import INVITATION, STATUSES
from service.console.users_together import offered
from service.console.view import Answer, View, ViewOf
from service.dependencies import Actor, House, Session
from service.user_lists import UserFilters, read_users
from tenants import brands, invitations
from tenants.accounts import get_account
from tenants.errors import Invalid
from tenants.presence import find_at_work
from tenants.roles import Palette, read_palette

_ROWS = 50
_SORTS = ("name", "-name", "last_login_at", "-last_login_at", "created_at", "-created_at")
#: Columns with an order, and the one that a first click gives: names from A, moments from the newest.
_FIRST = {"name": "name", "last_login_at": "-last_login_at", "created_at": "-created_at"}
_CONNECTED = {"yes": True, "no": False}


def _(text: str) -> str:
    # Marks a text for the catalogue; it is translated when the reader is known.
    return text


SAID = {"deleted": _("The user is deleted.")}
_NOT_DONE = {
    "nobody": _("Tick at least one person first."),
    "no-action": _("Choose what to do with the people ticked."),
}


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the address asks for. Words that mean nothing are as if they were not there: anybody may write an address."""

    q: str
    status: str
    role: str
    department: str
    connected: str
    sort: str
    cursor: str | None

    @classmethod
    def in_address(cls, given: Mapping[str, str]) -> "_Asked":
        status, sort, connected = given.get("status", ""), given.get("sort", ""), given.get("connected", "")
        return cls(
            q=given.get("q", "").strip(),
            status=status if status in STATUSES else "",
            role=given.get("role", ""),
            department=given.get("department", "") if _uuid(given.get("department", "")) else "",
            connected=connected if connected in _CONNECTED else "",
            sort=sort if sort in _SORTS else "name",
            cursor=given.get("cursor") or None,
        )

    @property
    def filters(self) -> UserFilters:
        """For the query."""
        status: Any = self.status or None
        return UserFilters(
            q=self.q or None,
            status=status,
            role=self.role or None,
            department=_uuid(self.department),
            connected=_CONNECTED.get(self.connected),
        )

    @property
    def narrows(self) -> bool:
        """Whether somebody may be left out."""
        return any((self.q, self.status, self.role, self.department, self.connected))

    def address(self, **other: str | None) -> str:
        """Of the same list, but for what is said otherwise; its first page."""
        fields = ("q", "status", "role", "department", "connected", "sort")
        wanted: dict[str, str | None] = {name: getattr(self, name) for name in fields}
        wanted = {name: value for name, value in (wanted | other).items() if value and (name, value) != ("sort", "name")}
        return f"/users?{urlencode(wanted)}" if wanted else "/users"

    def sorts(self) -> dict[str, tuple[str, str | None]]:
        """For each column with an order: where its head leads, and how the list is sorted by it now, in ARIA's words."""
        found = {}
        for column, first in _FIRST.items():
            here = self.sort.removeprefix("-") == column
            turned = self.sort[1:] if self.sort.startswith("-") else f"-{self.sort}"
            now = ("descending" if self.sort.startswith("-") else "ascending") if here else None
            found[column] = (self.address(sort=turned if here else first), now)
        return found


@page("/users", right="users.view")
async def list_users(view: ViewOf, session: Session, actor: Actor, house: House) -> Answer:
    """Fifty users to a page; each filter alone works without scripts."""
    asked = _Asked.in_address(view.request.query_params)
    account = await get_account(session, actor.account_id)
    palette = await read_palette(session, house.catalogue, actor.account_kind)
    at_work = await find_at_work(session, await house.seats.presence(actor.account_id))
    rows: list[Any] = []
    more, complaints = None, []
    try:
        rows, more = await read_users(
            session, house, actor.account_id, asked.filters, sort=asked.sort, limit=_ROWS, cursor=asked.cursor, at_work=at_work
        )
    except Invalid as error:
        if error.field != "q":
            raise
        complaints = [view.complaint(error)]
    return view.show(
        "users.html",
        status=422 if complaints else 200,
        brand=await brands.find_brand(session),
        said=view.said(SAID),
        asked=asked,
        complaints=complaints,
        notice=_not_done(view),
        people=await _people(view, session, rows, palette, set(at_work), zone=account.time_zone),
        more=asked.address(cursor=more) if more else None,
        alone=not asked.narrows and not more and not asked.cursor and len(rows) <= 1,
        zone=account.time_zone,
        actions=offered(view, actor),
        **_choices(view, palette),
    )


def _not_done(view: View) -> dict[str, str] | None:
    text = view.said(_NOT_DONE)
    return None if text is None else {"title": view.say("Nothing was changed"), "text": text}


def _choices(view: View, palette: Palette) -> dict[str, Any]:
    roles = [key for key in palette.catalogue.roles if palette.rights(key)] + list(palette.own)
    return {
        "statuses": [("", view.say("All")), *((key, view.say(text)) for key, text in STATUSES.items())],
        "roles": [("", view.say("All")), *((key, palette.name_of(key, view.language)) for key in roles)],
        "departments": [("", view.say("All")), *((str(each.id), each.name) for each in palette.departments.values())],
        "connections": [("", view.say("All")), ("yes", view.say("Connected")), ("no", view.say("Not connected"))],
    }


async def _people(
    view: View, session: AsyncSession, rows: list[Any], palette: Palette, at_work: set[UUID], *, zone: str
) -> list[dict[str, Any]]:
    invited = await invitations.states(session, [row for row in rows if row.status == "invited"])
    return [
        {
            "id": row.id,
            "label": row.name or row.email,
            "email": row.email if row.name else None,
            "role": palette.name_of(row.role, view.language),
            "departments": _departments(palette, row.departments),
            "status": row.standing,
            "words": view.say(STATUSES[row.standing]),
            "until": _last_day(row.suspended_until, zone) if row.standing == "suspended" else None,
            "invitation": INVITATION[invited[row.id]["state"]] if row.id in invited else None,
            "connected": row.id in at_work,
            "last": row.last_login_at,
            "created": row.created_at,
        }
        for row in rows
    ]


def _last_day(until: datetime | None, zone: str) -> date | None:
    return None if until is None else date.fromisoformat(last_day(until, zone))


def _departments(palette: Palette, ids: list[UUID] | None) -> str | None:
    return None if ids is None else ", ".join(palette.departments[each].name for each in ids if each in palette.departments)


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


routes = [list_users]
