"""What a seller sees first of its clients: peak, refusals and last sign-in, reckoned when they change, and why a client needs attention."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal, get_args
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, Select, Text, func, select
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from tenants.accounts import Account, AccountStatus
from tenants.database import Base, entered
from tenants.licence_phases import day_of
from tenants.licences import Licence
from tenants.usage import UsageDay
from tenants.users import User

Reason = Literal["refusals", "near_cap", "licence_ending", "no_sign_in"]
#: Most urgent first. One outweighs all that follow it, and a sum of weights says which ones it is of.
REASONS: tuple[Reason, ...] = get_args(Reason)
WEIGHTS: dict[Reason, int] = {"refusals": 8, "near_cap": 4, "licence_ending": 2, "no_sign_in": 1}

#: Days that the figures are of, the present one included, and those in which a refusal or a peak is still news.
SHOWN_DAYS, NEWS_DAYS = 30, 7
#: From so many tenths of the seats on, a peak is near the cap.
NEAR_TENTHS = 9
#: A licence that ends within so many days is about to.
ENDING = timedelta(days=30)
#: Nobody signed in for so long: the account may be about to leave.
QUIET = timedelta(days=30)


class ClientFigures(Base):
    """One row per account that has a parent, which reads it too: lists of thousands of clients are in its order."""

    __tablename__ = "client_figures"
    __table_args__ = (
        ForeignKeyConstraint(["account_id"], ["accounts.id"]),
        Index("ix_client_figures_urgency", "parent_id", "urgency", "account_id"),
    )

    account_id: Mapped[UUID] = mapped_column(primary_key=True)
    parent_id: Mapped[UUID] = mapped_column()
    peak: Mapped[int] = mapped_column(default=0, server_default="0", comment="of 30 days")
    refused: Mapped[int] = mapped_column(default=0, server_default="0", comment="in 30 days")
    last_sign_in_at: Mapped[datetime | None] = mapped_column()
    attention: Mapped[list[Reason]] = mapped_column(
        ARRAY(Text), default=list, server_default="{}", comment="why it needs some, most urgent first"
    )
    urgency: Mapped[int] = mapped_column(default=0, server_default="0")
    reckoned_at: Mapped[datetime] = mapped_column(server_default=func.now())


@dataclass(frozen=True, slots=True)
class Facts:
    """What the reasons are made of; days and `today` are of the account's clock."""

    now: datetime
    today: date
    status: AccountStatus
    created_at: datetime
    seats: int
    ends_on: date | None
    last_sign_in_at: datetime | None
    recent_peak: int
    recent_refused: int


async def reckon(session: AsyncSession) -> None:
    """Bring the figures of the account entered up to date; an account without a parent has none.

    Call it after whatever they are made of was written, in the same transaction. Others who reckon for the account wait for it.
    """
    await session.flush()
    # Whoever reckons second reads what the first one's transaction changed.
    await session.execute(select(ClientFigures.account_id).where(ClientFigures.account_id == entered(session)).with_for_update())
    found = (await session.execute(_FACTS.where(Account.id == entered(session)))).one()
    if found.parent_id is None:
        return
    today = day_of(found.now, found.time_zone)
    last_sign_in_at = await _last_sign_in(session)
    used = (await session.execute(_used(entered(session), today))).one()
    reasons = attention(
        Facts(
            now=found.now,
            today=today,
            status=found.status,
            created_at=found.created_at,
            seats=found.seats,
            ends_on=found.ends_on,
            last_sign_in_at=last_sign_in_at,
            recent_peak=used.recent_peak,
            recent_refused=used.recent_refused,
        )
    )
    figures = {
        "parent_id": found.parent_id,
        "peak": used.peak,
        "refused": used.refused,
        "last_sign_in_at": last_sign_in_at,
        "attention": reasons,
        "urgency": sum(WEIGHTS[reason] for reason in reasons),
        "reckoned_at": found.now,
    }
    statement = insert(ClientFigures).values(account_id=entered(session), **figures)
    await session.execute(statement.on_conflict_do_update(index_elements=["account_id"], set_=figures))


def attention(facts: Facts) -> list[Reason]:
    """Why the account needs attention, most urgent first. One that is closed needs none."""
    if facts.status == "closed":
        return []
    true: dict[Reason, bool] = {
        "refusals": facts.recent_refused > 0,
        "near_cap": 10 * facts.recent_peak >= NEAR_TENTHS * facts.seats,
        "licence_ending": facts.ends_on is not None and facts.ends_on - facts.today <= ENDING,
        "no_sign_in": facts.now - facts.created_at > QUIET
        and (facts.last_sign_in_at is None or facts.now - facts.last_sign_in_at >= QUIET),
    }
    return [reason for reason in REASONS if true[reason]]


_FACTS = select(
    Account.parent_id,
    Account.time_zone,
    Account.status,
    Account.created_at,
    Licence.seats,
    Licence.ends_on,
    func.now().label("now"),
).join(Licence, Licence.account_id == Account.id)


async def _last_sign_in(session: AsyncSession) -> datetime | None:
    newest = select(User.last_login_at).where(User.account_id == entered(session)).order_by(User.last_login_order.desc()).limit(1)
    return await session.scalar(newest)


def _used(account_id: UUID, today: date) -> Select[int, int, int, int]:
    shown, news = (today - timedelta(days=days - 1) for days in (SHOWN_DAYS, NEWS_DAYS))
    recent = UsageDay.day >= news
    return select(
        func.coalesce(func.max(UsageDay.peak), 0).label("peak"),
        func.coalesce(func.sum(UsageDay.refused), 0).label("refused"),
        func.coalesce(func.max(UsageDay.peak).filter(recent), 0).label("recent_peak"),
        func.coalesce(func.sum(UsageDay.refused).filter(recent), 0).label("recent_refused"),
    ).where(UsageDay.account_id == account_id, UsageDay.day >= shown)
