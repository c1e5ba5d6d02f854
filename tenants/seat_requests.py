"""Seat requests: a client asks its seller for more seats, for a while or for good; open until decided, withdrawn or expired."""

from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, Select, Text, and_, case, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, column_property, mapped_column
from uuid_utils.compat import uuid7

from tenants import outbox
from tenants.accounts import Account, get_account
from tenants.activity import Event, record
from tenants.actors import Actor
from tenants.catalogue import Catalogue
from tenants.database import AccountOwned, Base, enter, entered
from tenants.errors import AlreadyExists, Invalid, NotFound, NotInState, Unavailable
from tenants.licences import LAST_DAY, MOST
from tenants.outbox import Letter
from tenants.texts import one_line
from tenants.tokens import new_nonce
from tenants.users import active_administrators
from tenants.why import search_holders

RequestState = Literal["open", "approved", "refused", "withdrawn", "expired"]

OPEN_FOR = timedelta(days=14)
#: Who asks has the first right, who decides the second.
ASKS, DECIDES = "licence.manage", "clients.manage"
LONGEST_WORDS = 300


class SeatRequest(AccountOwned, Base):
    """Of the account that asks; its seller reads it through a door of its own."""

    __tablename__ = "seat_requests"
    __table_args__ = (
        ForeignKeyConstraint(["account_id", "user_id"], ["users.account_id", "users.id"]),
        CheckConstraint("seats >= 1 AND granted_seats >= 1", name="seats"),
        CheckConstraint("state IN ('open', 'approved', 'refused', 'withdrawn', 'expired')", name="state"),
        CheckConstraint("(state = 'open') = (decided_at IS NULL)", name="decided"),
        Index("uq_seat_requests_open", "account_id", unique=True, postgresql_where=text("state = 'open'")),
        Index("ix_seat_requests_due", "expires_at", postgresql_where=text("state = 'open'")),
    )

    seats: Mapped[int] = mapped_column(comment="how many more")
    until: Mapped[datetime | None] = mapped_column(comment="none = for good")
    reason: Mapped[str | None] = mapped_column()
    user_id: Mapped[UUID] = mapped_column()
    asked_by: Mapped[str] = mapped_column(comment="name, as it was")
    nonce: Mapped[bytes] = mapped_column()
    state: Mapped[RequestState] = mapped_column(Text, default="open", server_default="open")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime] = mapped_column()
    reminded_at: Mapped[datetime | None] = mapped_column()
    decided_at: Mapped[datetime | None] = mapped_column()
    decided_by: Mapped[str | None] = mapped_column()
    decided_by_user_id: Mapped[UUID | None] = mapped_column()
    granted_seats: Mapped[int | None] = mapped_column()
    granted_until: Mapped[datetime | None] = mapped_column()
    message: Mapped[str | None] = mapped_column()

    # It expires by itself, on the database's clock; whoever reads a state reads this.
    standing: Mapped[RequestState] = column_property(
        case((and_(state == "open", expires_at <= func.now()), "expired"), else_=state)
    )


async def ask(
    session: AsyncSession,
    catalogue: Catalogue,
    actor: Actor,
    *,
    seats: int,
    until: datetime | None = None,
    reason: str | None = None,
) -> SeatRequest:
    """Ask the seller of the actor's account, which is entered, for so many more seats; whoever decides there gets a letter.

    Raises Invalid, NotInState for an account without a seller, AlreadyExists with the `id` of the request that is open, and
    Forbidden for a visitor.
    """
    actor.must_belong_here()
    account = await get_account(session, actor.account_id)
    if account.parent_id is None:
        raise NotInState(state="no_seller")
    if not 1 <= seats <= MOST:
        raise Invalid("seats", "out_of_range", min=1, max=MOST)
    if until is not None:
        await must_lie_ahead(session, "until", until)
    await _end_what_expired(session, account)
    request = await _open(session, actor, seats=seats, until=until, reason=said("reason", reason))
    facts = {"seats": seats, "until": until, "reason": request.reason}
    await tell_both(session, Event.SEAT_REQUESTED, request, account, by=actor, **facts)
    await write_to_sellers(session, catalogue, Letter.SEAT_REQUESTED, request, account)
    return request


async def withdraw(session: AsyncSession, actor: Actor, request_id: UUID) -> None:
    """The actor's account no longer asks. Raises NotFound, and NotInState for what is over."""
    request = await lock_open(session, request_id)
    await settle(session, request, "withdrawn", by=actor)
    account = await get_account(session, actor.account_id)
    await tell_both(session, Event.SEAT_REQUEST_WITHDRAWN, request, account, by=actor)


async def find_open(session: AsyncSession) -> SeatRequest | None:
    """The request of the account entered that waits for an answer."""
    return await session.scalar(
        select(SeatRequest)
        .where(SeatRequest.account_id == entered(session), SeatRequest.standing == "open")
        .execution_options(populate_existing=True)
    )


async def lock_open(session: AsyncSession, request_id: UUID) -> SeatRequest:
    """A request of the account entered, locked: two who decide queue here. Raises NotFound, or NotInState with whoever was first."""
    request = await session.scalar(
        select(SeatRequest)
        .where(SeatRequest.account_id == entered(session), SeatRequest.id == request_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if request is None:
        raise NotFound
    if request.standing != "open":
        raise NotInState(state=request.standing, by=request.decided_by)
    return request


def search_requests(account_id: UUID, *, state: RequestState | None = None) -> Select[SeatRequest]:
    """What an account has asked for."""
    query = select(SeatRequest).where(SeatRequest.account_id == account_id)
    return query.where(SeatRequest.standing == state) if state else query


def search_requests_of_children(parent_id: UUID, *, state: RequestState | None = None) -> Select[SeatRequest]:
    """What the children of an account, which is entered, have asked for."""
    query = (
        select(SeatRequest)
        .join(Account, Account.id == SeatRequest.account_id)
        .where(Account.parent_id == parent_id)
        .execution_options(across_accounts=True)
    )
    return query.where(SeatRequest.standing == state) if state else query


async def find_childs_request(session: AsyncSession, parent_id: UUID, request_id: UUID) -> SeatRequest | None:
    """The same, one of them."""
    query = search_requests_of_children(parent_id).where(SeatRequest.id == request_id)
    return await session.scalar(query.execution_options(populate_existing=True))


async def settle(session: AsyncSession, request: SeatRequest, state: RequestState, *, by: Actor | None, **outcome: Any) -> None:
    """The request, which is locked, is over."""
    request.state = state
    request.decided_at = await database_now(session) if by else request.expires_at
    request.decided_by = by.name if by else None
    request.decided_by_user_id = by.user_id if by else None
    for name, value in outcome.items():
        setattr(request, name, value)
    await session.flush()
    await session.refresh(request)


async def tell_both(
    session: AsyncSession, event: Event, request: SeatRequest, account: Account, *, by: Actor | None, **facts: Any
) -> None:
    """One line in the history of the account that asks, which is entered before and after, and one in its seller's."""
    for place in (account.parent_id, account.id):
        await session.flush()
        await enter(session, place)
        record(session, event, by=by, on=("seat_request", request.id, account.name), result="done", **facts)
    await session.flush()


async def write_to_sellers(
    session: AsyncSession, catalogue: Catalogue, letter: Letter, request: SeatRequest, account: Account
) -> None:
    """Owe the letter to everybody in the seller's account who may decide. Ends in the account that asks."""
    await session.flush()
    await enter(session, account.parent_id)
    for person in await session.scalars(await search_holders(session, catalogue, DECIDES, department=None)):
        outbox.post(session, letter, to=person.id, about=request.id)
    await session.flush()
    await enter(session, account.id)


async def must_lie_ahead(session: AsyncSession, field: str, moment: datetime) -> None:
    """Raise Invalid for a moment that is past, or too far to be reckoned with."""
    if moment.year > LAST_DAY.year:
        raise Invalid(field, "out_of_range", min=datetime.now(UTC).date().isoformat(), max=LAST_DAY.isoformat())
    # Compared here: the driver cannot write a moment of the calendar's first day.
    if moment <= await database_now(session):
        raise Invalid(field, "in_the_past")


def said(field: str, words: str | None) -> str | None:
    """A reason or a message: one line, or None for nothing."""
    return None if words is None else one_line(field, words, longest=LONGEST_WORDS, shortest=0) or None


async def database_now(session: AsyncSession) -> datetime:
    """The database's clock."""
    return (await session.execute(select(func.now()))).scalar_one()


async def expire(session: AsyncSession, request: SeatRequest, account: Account) -> None:
    """Write down that nobody answered in time, and tell the client. Nobody did it, so no name stands beside it."""
    await settle(session, request, "expired", by=None)
    await tell_both(session, Event.SEAT_REQUEST_EXPIRED, request, account, by=None)
    await write_to_client(session, request)


async def write_to_client(session: AsyncSession, request: SeatRequest) -> None:
    """Owe the administrators of the client, whose account is entered, a letter that says what came of the request."""
    for administrator in await active_administrators(session):
        outbox.post(session, Letter.SEAT_REQUEST_DECIDED, to=administrator.id, about=request.id)


async def _end_what_expired(session: AsyncSession, account: Account) -> None:
    over = await session.scalar(
        select(SeatRequest)
        .where(SeatRequest.account_id == account.id, SeatRequest.state == "open", SeatRequest.expires_at <= func.now())
        .with_for_update()
    )
    if over is not None:
        await expire(session, over, account)


async def _open(session: AsyncSession, actor: Actor, *, seats: int, until: datetime | None, reason: str | None) -> SeatRequest:
    new = {
        "account_id": entered(session),
        "id": uuid7(),
        "seats": seats,
        "until": until,
        "reason": reason,
        "user_id": actor.user_id,
        "asked_by": actor.name,
        "nonce": new_nonce(),
        "expires_at": func.now() + OPEN_FOR,
    }
    for _ in range(3):
        # Two who ask at once meet at the index of open requests; the second one is told of the first one's.
        made: SeatRequest | None = await session.scalar(
            insert(SeatRequest)
            .values(new)
            .on_conflict_do_nothing(index_elements=["account_id"], index_where=text("state = 'open'"))
            .returning(SeatRequest)
        )
        if made is not None:
            await session.refresh(made)
            return made
        first = await find_open(session)
        if first is not None:
            raise AlreadyExists(what="seat_request", id=first.id)
    raise Unavailable(retry_after=1)
