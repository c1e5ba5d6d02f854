"""Empties the outbox: leases mails, writes each in its account, hands it over with no connection or lock held, and settles it."""

import asyncio
import logging
import random
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic
from uuid import UUID

from sqlalchemy.exc import DBAPIError

from tenants import outbox
from tenants.errors import Unavailable
from tenants.house import House
from tenants.outbox import Lease
from tenants.subtrees import keep_for_later
from workers.desk import Desk
from workers.letters import write_letter
from workers.smtp import Line, Outcome, PostOffice
from workers.stationery import Stationery, recipient_of

log = logging.getLogger("portillon.mail")

LANES = 4
_CLAIMED_AT_ONCE = 4 * LANES
# Bulk mail in hand is mail that a stopped worker must give back; a few for each lane are enough to keep them busy.
_BULK_CLAIMED_AT_ONCE = 2 * LANES
# Seconds until the next try, by the number of tries so far; the last one for all that follow.
_BACK_OFF = (30, 60, 120, 300, 600, 1200, 2400, 3600)
# A mail is handed over within this part of its lease, so that it is settled before the lease is another's.
_USABLE = 0.8
_SETTLE_PAUSES = (0.2, 0.5, 1.0, 2.0, 4.0)


@dataclass(frozen=True, slots=True)
class InHand:
    """A leased mail and the moment, on this process's clock, after which it may not be begun."""

    lease: Lease
    until: float

    @property
    def seconds_left(self) -> float:
        """What remains of the lease, with room to settle."""
        return self.until - monotonic()


class MailRoom:
    """Several lanes, each with its own line to the mail server, empty the outbox together: one slow recipient holds up one lane.

    Mail that is not bulk goes first, and one lane is always kept for it: however slow the server is with thousands of invitations,
    a reset leaves at once.
    """

    def __init__(self, house: House, post_office: PostOffice, *, lanes: int = LANES) -> None:
        """Nothing starts yet. Raises for a template that does not compile."""
        self._house = house
        self._desk = Desk(Stationery(house.settings), house.signer)
        self._post_office = post_office
        self._lanes: list[asyncio.Task[None] | None] = [None] * lanes
        self._claimed: deque[InHand] = deque()
        self._bulk: deque[InHand] = deque()
        self._bulk_lanes = max(1, lanes - 1)
        self._bulk_at_work = 0
        self._turn: UUID | None = None
        self._claiming = asyncio.Lock()
        self._rings = 0
        self._looked = -1
        self._closing = False

    def wake(self) -> None:
        """There may be mail: an idle lane looks, and starts another when there is more. Busy lanes look again at the end."""
        self._rings += 1
        self._start_a_lane()

    async def rest(self) -> None:
        """Wait until every lane is idle: whatever was due is settled."""
        while working := self._at_work():
            await asyncio.wait(working)

    async def close(self, *, within: float) -> None:
        """Finish what is in hand, for `within` seconds at most; then leave nothing leased, so that another worker need not wait."""
        self._closing = True
        if working := self._at_work():
            await asyncio.wait(working, timeout=within)
        for lane in working:
            lane.cancel()
        await asyncio.gather(*working, return_exceptions=True)
        with suppress(Unavailable, DBAPIError):
            for mail in (*self._claimed, *self._bulk):
                await self._write_down(mail.lease, Outcome("later", "the worker was stopped"), timedelta(0))

    def _at_work(self) -> list[asyncio.Task[None]]:
        return [lane for lane in self._lanes if lane is not None and not lane.done()]

    def _start_a_lane(self) -> None:
        for number, lane in enumerate(self._lanes):
            if lane is None or lane.done():
                self._lanes[number] = asyncio.create_task(self._work())
                return

    async def _work(self) -> None:
        seen = -1
        while seen != self._rings and not self._closing:
            seen = self._rings
            line = self._post_office.line()
            try:
                await self._deliver_all(line)
            except Unavailable:
                log.warning("PostgreSQL is away; the next sweep looks again")
            except Exception as error:  # noqa: BLE001 - a lane that breaks must not stop the worker; the lease brings the mail back
                log.error("a lane broke: %s", type(error).__name__)  # noqa: TRY400 - a traceback could carry addresses and links
            finally:
                await line.close()

    async def _deliver_all(self, line: Line) -> None:
        while (mail := await self._next()) is not None:
            if self._claimed or self._may_begin_bulk:
                self._start_a_lane()
            try:
                await self._deliver(mail, line)
            except asyncio.CancelledError:
                self._claimed.append(mail)
                raise
            finally:
                self._bulk_at_work -= mail.lease.bulk

    async def _next(self) -> InHand | None:
        async with self._claiming:
            if self._must_look and not self._closing:
                await self._claim()
            while not self._closing and (pile := self._claimed or (self._may_begin_bulk and self._bulk)):
                mail = pile.popleft()
                # Too late to begin: the lease runs out by itself and the mail is due again.
                if mail.seconds_left > 0:
                    self._bulk_at_work += mail.lease.bulk
                    return mail
        return None

    @property
    def _may_begin_bulk(self) -> bool:
        return bool(self._bulk) and self._bulk_at_work < self._bulk_lanes

    @property
    def _must_look(self) -> bool:
        # A bell that rang since may be for mail that goes before all that is in hand.
        return not self._claimed and (not self._bulk or self._looked != self._rings)

    async def _claim(self) -> None:
        seconds, rings = self._house.settings.mail_lease, self._rings
        until = monotonic() + seconds * _USABLE
        room = max(0, _BULK_CLAIMED_AT_ONCE - len(self._bulk)) if self._bulk_at_work < self._bulk_lanes else 0
        async with self._house.database.transaction() as session:
            await outbox.step_into_sorting_room(session)
            leases = await outbox.claim(session, limit=_CLAIMED_AT_ONCE, lease_seconds=seconds, bulk=room, after=self._turn)
        for lease in leases:
            (self._bulk if lease.bulk else self._claimed).append(InHand(lease, until))
        # There may be more of what goes first: then the next lane that is free looks again, whatever else is in hand.
        self._looked = rings if len(self._claimed) < _CLAIMED_AT_ONCE else -1
        self._turn = self._bulk[-1].lease.account_id if self._bulk else None

    async def _deliver(self, mail: InHand, line: Line) -> None:
        lease = mail.lease
        if lease.attempts > outbox.MOST_ATTEMPTS:
            return await self._settle(mail, Outcome("refused", f"given up after {lease.attempts - 1} tries"))
        try:
            async with self._house.database.transaction(lease.account_id) as session:
                if await keep_for_later(session, lease):
                    return None
                message = await write_letter(session, self._desk, lease)
        except Unavailable:
            raise
        except DBAPIError as error:
            return await self._settle(mail, Outcome("later", f"not written yet ({type(error).__name__})"))
        except Exception as error:  # noqa: BLE001 - whatever keeps one letter from being written must not stop the others
            return await self._settle(mail, Outcome("refused", f"this mail could not be written ({type(error).__name__})"))
        if message is None:
            return await self._settle(mail, None)
        recipient, sender = recipient_of(message), self._desk.stationery.sender
        outcome = await line.hand_over(message, sender=sender, recipient=recipient, within=max(mail.seconds_left, 0.1))
        return await self._settle(mail, outcome)

    async def _settle(self, mail: InHand, outcome: Outcome | None) -> None:
        # Accepted and not written down means sent twice: PostgreSQL gets a few chances to come back.
        pauses = iter(_SETTLE_PAUSES)
        while True:
            try:
                await self._write_down(mail.lease, outcome, _next_try_in(mail.lease.attempts))
            except (Unavailable, DBAPIError):
                if (pause := next(pauses, None)) is None:
                    raise
                await asyncio.sleep(pause)
            else:
                return

    async def _write_down(self, lease: Lease, outcome: Outcome | None, retry_in: timedelta) -> None:
        async with self._house.database.transaction(lease.account_id) as session:
            if outcome is None:
                held = await outbox.settle_cancelled(session, lease)
            elif outcome.kind == "accepted":
                held = await outbox.settle_sent(session, lease, reply=outcome.reply)
            elif outcome.kind == "refused":
                held = await outbox.settle_refused(session, lease, reply=outcome.reply)
            else:
                held = await outbox.settle_later(session, lease, reply=outcome.reply, retry_in=retry_in)
        # The server's reply may name the recipient: it goes into the row, never into the log.
        said = ("cancelled" if outcome is None else outcome.kind) + ("" if held else ", but the lease was lost")
        log.info("mail %s (%s), try %d: %s", lease.id, lease.letter, lease.attempts, said)


async def deliver_owed(house: House, post_office: PostOffice) -> None:
    """Deliver everything that is due now, once; whatever the server puts off stays owed."""
    room = MailRoom(house, post_office)
    room.wake()
    try:
        await room.rest()
    finally:
        await room.close(within=0)


def _next_try_in(attempts: int) -> timedelta:
    seconds = _BACK_OFF[min(max(attempts, 1), len(_BACK_OFF)) - 1]
    # Jitter: what failed together does not come back together.
    return timedelta(seconds=seconds * random.uniform(0.9, 1.2))  # noqa: S311 - spreads load, protects nothing
