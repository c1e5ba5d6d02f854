"""Turns: which of several workers does a task that is due, so that it is done once."""

from datetime import datetime, timedelta

from sqlalchemy import Text, func, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from tenants.database import Base


class Turn(Base):
    """When a task was last begun, by the database's clock. Belongs to no account."""

    __tablename__ = "turns"

    task: Mapped[str] = mapped_column(Text, primary_key=True)
    taken_at: Mapped[datetime] = mapped_column()


async def take_turn(session: AsyncSession, task: str, *, every_seconds: float) -> datetime | None:
    """Begin the task if nobody began it within `every_seconds`; returns the turn's moment, None when it is not due."""
    # Two workers queue at the row; the second one finds the first one's moment in it and goes away.
    mine = insert(Turn).values(task=task, taken_at=func.now())
    return await session.scalar(
        mine.on_conflict_do_update(
            index_elements=[Turn.task],
            set_={"taken_at": func.now()},
            where=Turn.taken_at <= func.now() - timedelta(seconds=every_seconds),
        )
        .returning(Turn.taken_at)
        .execution_options(populate_existing=True)
    )


async def give_back(session: AsyncSession, task: str, *, taken_at: datetime, every_seconds: float, again_in: float) -> None:
    """The turn came to nothing: the task is due again in `again_in` seconds, unless somebody took a later turn."""
    await session.execute(
        update(Turn)
        .where(Turn.task == task, Turn.taken_at == taken_at)
        .values(taken_at=func.now() - timedelta(seconds=every_seconds - min(again_in, every_seconds)))
    )
