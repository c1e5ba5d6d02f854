"""The real scripts and the model side by side: one call to both, and what must hold after every step."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar
from uuid import UUID

from hypothesis.stateful import RuleBasedStateMachine, invariant

from tenants.seat_verdicts import Wanted
from tests.tenants.asking_model import ANSWERS, ASKER_GONE, ASKS_FOR, IDLE, LATER
from tests.tenants.pool_model import Pool
from tests.tenants.real_pool import ClockedValkey, RealPool
from tests.tenants.seat_model import LINGERS, PRESENT, RELOAD, SAFE, Answer, Session, Terms

T = TypeVar("T")
USERS = [UUID(int=number) for number in range(1, 6)]
ACCOUNTANT = USERS[4]


class BothPools(RuleBasedStateMachine):
    """One account, twice. Every call is made to both; both must say the same, hold the same, and keep what the rules promise."""

    pool: Pool

    def __init__(self, loop: asyncio.AbstractEventLoop, valkey: ClockedValkey) -> None:
        super().__init__()
        self.loop, self.valkey = loop, valkey
        self.real = RealPool(valkey)
        self.limit, self.made = 1, 100
        self.over, self.over_allowance = 0, 0
        self.ever_returned: set[UUID] = set()
        self.ever_given: set[UUID] = set()
        #: When a session's browser was heard of last, unless it said goodbye since.
        self.heard: dict[UUID, int] = {}

    def do(self, real: Coroutine[Any, Any, T], model: Callable[[], T]) -> T:
        """One call, a millisecond after the one before; both must say the same and put the same people out."""
        self.pool.now += 1
        self.valkey.now = self.pool.now
        self.pool.befallen, self.real.befallen = [], []
        said = self.loop.run_until_complete(real)
        expected = model()
        assert said == expected, (said, expected)
        assert self.real.befallen == self.pool.befallen, (self.real.befallen, self.pool.befallen)
        for holder, why, _ in self.real.befallen:
            self._deserved(holder, why)
        return said

    def _deserved(self, holder: UUID, why: str) -> None:
        # Nobody at work is thrown out.
        lives = [s for s in self.pool.known(holder) if s.lives]
        idle = self.pool.now - max((s.used or 0 for s in lives), default=0)
        assert why != "lost" or all(self.pool.now - self.heard.get(s.id, 0) >= SAFE for s in lives)
        assert why != "idle" or idle >= self.pool.terms.reclaim > 0
        assert why != "not_answered" or idle >= IDLE

    def live(self, number: int) -> Session:
        """One of the sessions that are not over."""
        lives = [s for s in self.pool.sessions.values() if s.lives]
        return lives[number % len(lives)]

    def take(self, user: UUID, *, replaced: Session | None, management: bool) -> tuple[Session | None, dict[UUID, str]]:
        """The sign-in's first half. The new session and what ends for it, once it is written."""
        self.made += 1
        new = UUID(int=self.made)
        alive = [s.id for s in self.pool.sessions.values() if s.user == user and s.lives]
        wanted: Wanted = "management" if management else "allowance" if user == ACCOUNTANT else "pool"
        said = self.do(
            self.real.take(user, new, by_user=self.pool.by_user, limit=self.limit, alive=alive, replaced=replaced, wanted=wanted),
            lambda: self.pool.take(user, new, limit=self.limit, replaced=replaced, wanted=wanted),
        )
        if said[0] != "ok":
            return None, {}
        ended: Any = said[2]
        why = dict.fromkeys(ended, "replaced")
        if said[1] == "management":
            managing = (s.id for s in self.pool.sessions.values() if s.user == user and s.lives and s.wanted == "management")
            why |= dict.fromkeys(managing, "replaced")
        if replaced is not None and replaced.user != user:
            why[replaced.id] = "ended_for_room"
        return self.pool.sessions[new], why

    def confirm(self, session: Session, why: dict[UUID, str]) -> None:
        """The second half: what made room is over, and the session is written."""
        for each, reason in why.items():
            if self.pool.sessions[each].gone is None:
                self.end(self.pool.sessions[each], reason)
        self.do(self.real.open(session, how="open"), lambda: self.pool.open(session, new=True))
        self.heard[session.id] = self.pool.now
        if session.used is None and session.gone is None:
            # Another sign-in took its place before it was written: its row is ended.
            self.end(session, "replaced")

    def end(self, session: Session, why: str, heir: Session | None = None) -> None:
        """A session is over."""
        if why == "ended_for_room":
            self.ever_returned.add(session.user)
        self.do(self.real.end(session, why, heir), lambda: self.pool.end(session, why, heir))

    def ask_for(self, session: Session) -> None:
        """A request."""
        wanted = session.wanted

        def model() -> Answer:
            # The real side has already read that a manager is ordinary now; the model finds out by itself.
            session.wanted = wanted
            return self.pool.request(session)

        self.do(self.real.request(session), model)
        self.heard[session.id] = self.pool.now

    def load(self, terms: Terms, *, reread: bool) -> None:
        """The account's terms change; what is over a lowered cap may stay, and must not grow."""
        self.do(self.real.load(terms, reread=reread), lambda: self.pool.load(terms, reread=reread))
        self.over = self.over_allowance = 10

    # --- what holds at every moment ----------------------------------------------------------------------------------------------

    @invariant()
    def both_hold_the_same(self) -> None:
        now = self.pool.now
        (pool, allowance, line, looked, offers, returning), asks = self.loop.run_until_complete(self.real.state())
        assert asks == {each: ask.shown() for each, ask in self.pool.asks.items()}, (asks, self.pool.asks)
        held = {holder: until for holder, until in pool.items() if until > now}
        apart = {holder: until for holder, until in allowance.items() if until > now}
        offered = _after(now, offers)
        leases, waiting = self.pool.leases, [user for user in line if looked[user] + PRESENT > now]
        ours = [_after(now, each) for each in (leases["pool"], leases["allowance"], self.pool.offers, self.pool.returning)]
        theirs = [held, apart, offered, _after(now, returning)]
        assert theirs == ours, (theirs, ours)
        assert waiting == [user for user in self.pool.line if self.pool.looked[user] + PRESENT > now]
        assert not held.keys() & apart.keys()
        self._caps_hold(len(held), len(offered), len(apart))
        # Who was put out for room, or was given a colleague's seat, has a seat held out of turn.
        self.ever_given |= {ask.by for ask in self.pool.asks.values() if ask.state == "released"}
        ordinary = [user in offered for user in waiting if user not in self.ever_returned | self.ever_given]
        assert ordinary == sorted(ordinary, reverse=True), "somebody was passed over"

    def _caps_hold(self, held: int, offered: int, apart: int) -> None:
        # A lowered cap drains: what is over it never grows.
        over, over_allowance = held + offered - self.pool.terms.seats, apart - self.pool.terms.accountants
        assert over <= max(self.over, 0)
        assert over_allowance <= max(self.over_allowance, 0)
        self.over, self.over_allowance = over, over_allowance

    def teardown(self) -> None:
        self.loop.run_until_complete(self.valkey.call(b"FLUSHALL"))

    def moments(self) -> list[int]:
        """When time alone changes something."""
        pool, found = self.pool, []
        for leases in pool.leases.values():
            found += list(leases.values())
        for closed in pool.closed.values():
            found += [closed + RELOAD, closed + LINGERS]
        for session in pool.sessions.values():
            found += [session.safe_until or 0, session.unconfirmed_until or 0]
            if session.used is not None:
                found += [session.used + pool.terms.reclaim, session.used + IDLE]
        found += [*pool.offers.values(), *pool.returning.values(), *pool.left_alone.values()]
        found += [looked + PRESENT for looked in pool.looked.values()]
        for ask in pool.asks.values():
            found += [ask.at + ASKS_FOR, ask.seen + ASKER_GONE]
            found += [each.at + length for each in ask.to for length in (ANSWERS, LATER)]
        return found


def _after(now: int, moments: dict[UUID, int]) -> dict[UUID, int]:
    return {each: until for each, until in moments.items() if until > now}
