"""What people type to look through the history, made into filters: a bad value is named, with what the field takes."""

import re
from datetime import UTC, date, datetime, time
from ipaddress import ip_address
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from tenants.accounts import get_account
from tenants.activity import Event, Result
from tenants.activity_search import BY_KEY, SYSTEM, Filters
from tenants.api_keys import ApiKey
from tenants.database import entered
from tenants.errors import Invalid
from tenants.texts import one_line

#: Of the vendor's application; the verbs after it are its own.
DOCUMENTS = "document"
EVENTS = frozenset(event.value for event in Event)
FAMILIES = frozenset(event.partition(".")[0] for event in EVENTS) | {DOCUMENTS}
LONGEST_TARGET = 300
LONGEST_TEXT = 100
_FIRST, _LAST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)", re.ASCII)
_ACTION = re.compile(r"[a-z_]{1,60}(\.[a-z0-9_]{1,60})?")


async def read_filters(
    session: AsyncSession,
    *,
    since: str | None = None,
    until: str | None = None,
    actor: str | None = None,
    action: str | None = None,
    target: str | None = None,
    result: Result | None = None,
    ip: str | None = None,
    text: str | None = None,
) -> Filters:
    """Filters for the account entered. Raises Invalid.

    Days of the period are those of the account's time zone. The id of one of its API keys may stand for the actor as it is.
    """
    begins, ends = await _period(session, since, until)
    return Filters(
        since=begins,
        until=ends,
        actor=None if actor is None else await _actor(session, actor),
        action=None if action is None else _action(action),
        target=None if target is None else one_line("target", target, longest=LONGEST_TARGET),
        result=result,
        ip=None if ip is None else _address(ip),
        text=one_line("text", text or "", longest=LONGEST_TEXT, shortest=0) or None,
    )


async def _period(session: AsyncSession, since: str | None, until: str | None) -> tuple[datetime | None, datetime | None]:
    if since is None and until is None:
        return None, None
    zone = ZoneInfo((await get_account(session, entered(session))).time_zone)
    begins = None if since is None else _moment("from", since, zone)
    ends = None if until is None else _moment("to", until, zone)
    if begins is not None and ends is not None and ends < begins:
        raise Invalid("to", "before_start")
    return begins, ends


def _moment(field: str, typed: str, zone: ZoneInfo) -> datetime:
    # In an address, a plus sign that nobody quoted arrives as a space.
    text = typed.replace(" ", "+")
    try:
        if _DAY.fullmatch(text):
            found = datetime.combine(date.fromisoformat(text), time(), zone)
        elif _MOMENT.fullmatch(text):
            found = datetime.fromisoformat(text)
        else:
            raise Invalid(field, "neither_day_nor_moment")
    except ValueError as error:
        raise Invalid(field, "neither_day_nor_moment") from error
    if not _FIRST <= found <= _LAST:
        raise Invalid(field, "out_of_range", min=_FIRST.date().isoformat(), max=_LAST.date().isoformat())
    return found.astimezone(UTC)


async def _actor(session: AsyncSession, typed: str) -> str:
    if typed == SYSTEM:
        return SYSTEM
    try:
        found = UUID(typed.removeprefix(BY_KEY))
    except ValueError as error:
        raise Invalid("actor", "not_an_actor") from error
    if typed.startswith(BY_KEY) or await session.scalar(
        select(ApiKey.id).where(ApiKey.account_id == entered(session), ApiKey.id == found)
    ):
        return f"{BY_KEY}{found}"
    return str(found)


def _action(typed: str) -> str:
    family = typed.partition(".")[0]
    known = typed in EVENTS or typed in FAMILIES or family == DOCUMENTS
    if not (known and _ACTION.fullmatch(typed)):
        raise Invalid("action", "not_an_action")
    return typed


def _address(typed: str) -> str:
    try:
        # A zone may hold any character, and no line has one.
        return str(ip_address(one_line("ip", typed, longest=60)))
    except ValueError as error:
        raise Invalid("ip", "not_an_ip_address") from error
