"""A small model of one account's seats, stated from the seat rules: what the scripts in Valkey are held against.

Times are whole milliseconds of a clock that only the test moves. Nobody is served by the clock alone: whoever comes free, or runs out of
time, is dealt with in the next call that seats somebody or looks at who waits.
"""

from dataclasses import dataclass, field
from typing import Literal
from uuid import UUID

SECOND, MINUTE = 1000, 60_000
SAFE, LINGERS, RELOAD = 90 * SECOND, 60 * SECOND, 3 * SECOND
OFFERED, PRESENT, RETURNS = 60 * SECOND, 30 * SECOND, 120 * SECOND
UNCONFIRMED = 10 * SECOND

Zone = Literal["pool", "allowance"]
Answer = tuple[object, ...]


@dataclass
class Terms:
    """What the account's policy says. `reclaim` is after how long an idle seat may be taken, 0 is never."""

    seats: int
    idle: int
    reclaim: int
    accountants: int


@dataclass
class Session:
    """Somebody signed in. `used` is their last request, None when the pool knows nothing of them; `pages` is None before any heartbeat."""

    id: UUID
    user: UUID
    holder: UUID
    wanted: str
    used: int | None
    unconfirmed_until: int | None
    listed: bool = True
    stale: bool = False
    gone: str | None = None
    pages: dict[str, int] | None = None
    safe_until: int | None = None

    @property
    def lives(self) -> bool:
        """Whether its row was written, and is not over."""
        return self.unconfirmed_until is None and self.gone is None


@dataclass
class Seating:
    """Seats, who holds them, and who waits for one."""

    terms: Terms
    by_user: bool
    now: int
    leases: dict[Zone, dict[UUID, int]] = field(default_factory=lambda: {"pool": {}, "allowance": {}})
    closed: dict[UUID, int] = field(default_factory=dict)
    sessions: dict[UUID, Session] = field(default_factory=dict)
    line: dict[UUID, int] = field(default_factory=dict)
    looked: dict[UUID, int] = field(default_factory=dict)
    offers: dict[UUID, int] = field(default_factory=dict)
    returning: dict[UUID, int] = field(default_factory=dict)
    befallen: list[tuple[UUID, str, UUID]] = field(default_factory=list)

    # --- who is there ------------------------------------------------------------------------------------------------------------

    def zone_of(self, holder: UUID) -> Zone | None:
        """Where the holder sits now."""
        zones: tuple[Zone, Zone] = ("pool", "allowance")
        return next((zone for zone in zones if self.leases[zone].get(holder, 0) > self.now), None)

    def in_zone(self, zone: Zone) -> list[UUID]:
        """Its holders, whose lease ends first coming first."""
        live = {holder: until for holder, until in self.leases[zone].items() if until > self.now}
        return sorted(live, key=lambda holder: (live[holder], holder))

    @property
    def in_use(self) -> int:
        """Seats of the pool that are held."""
        return len(self.in_zone("pool"))

    def known(self, holder: UUID) -> list[Session]:
        """The sessions that a seat is for."""
        return [s for s in self.sessions.values() if (s.listed and s.user == holder) or (not self.by_user and s.id == holder)]

    def last_request(self, holder: UUID) -> int:
        """Of any of the holder's sessions."""
        return max((s.used or 0 for s in self.known(holder)), default=0)

    def is_there(self, holder: UUID) -> bool:
        """A browser that says so is there for 90 seconds; one that never did, until it is idle."""
        return any(
            s.safe_until > self.now if s.safe_until is not None else (s.used or 0) + self.terms.idle > self.now
            for s in self.known(holder)
        )

    def lingers(self, holder: UUID) -> bool:
        """The last page was closed, and no request came after it."""
        zone = self.zone_of(holder)
        return zone is not None and holder in self.closed and self.leases[zone][holder] <= self.closed[holder] + LINGERS

    # --- rule 6: whose seat is taken ----------------------------------------------------------------------------------------------

    def reclaim(self, zone: Zone, user: UUID) -> tuple[bool, int | None]:
        """Take a lost seat, else a lingering one, else the longest idle. Whether it was, or when to try again."""
        lost, (lingering, soon), idle = self._lost(zone), self._lingering(zone), self._longest_idle(zone)
        found = (lost, "lost") if lost else (lingering, "lingering") if lingering else (idle, "idle")
        if found[0] is None:
            return False, soon
        self.take_away(zone, found[0], found[1], user)
        return True, None

    def take_away(self, zone: Zone, holder: UUID, why: str, user: UUID) -> None:
        """The session lives on without its seat."""
        del self.leases[zone][holder]
        self.closed.pop(holder, None)
        self.befallen.append((holder, why, user))

    def _lost(self, zone: Zone) -> UUID | None:
        # Silent for the longest time first.
        silent = {
            holder: max(s.safe_until for s in self.known(holder) if s.safe_until is not None)
            for holder in self.in_zone(zone)
            if not self.lingers(holder) and not self.is_there(holder) and any(s.safe_until is not None for s in self.known(holder))
        }
        return min(silent, key=lambda holder: (silent[holder], holder), default=None)

    def _lingering(self, zone: Zone) -> tuple[UUID | None, int | None]:
        # The page closed first, unless it may be a reload.
        closed = {holder: self.closed[holder] for holder in self.in_zone(zone) if self.lingers(holder)}
        if not closed:
            return None, None
        first = min(closed, key=lambda holder: (closed[holder], holder))
        left = closed[first] + RELOAD - self.now
        return (None, left) if left > 0 else (first, None)

    def _longest_idle(self, zone: Zone) -> UUID | None:
        # A lease tells how long its holder has been idle at least; a request is what ends idleness.
        if not self.terms.reclaim:
            return None
        for holder in self.in_zone(zone):
            last = self.last_request(holder)
            by_lease = self.leases[zone][holder] - self.terms.idle <= self.now - self.terms.reclaim
            if by_lease and last and self.now - last >= self.terms.reclaim:
                return holder
        return None

    # --- rules 9, 11 and 12: who comes first ----------------------------------------------------------------------------------------

    def next_in_line(self) -> UUID | None:
        """The first for whom no seat is held yet."""
        return next((user for user in self.line if user not in self.offers), None)

    def leaves_line(self, user: UUID) -> None:
        """Out of the line; a seat that is held stays held."""
        self.line.pop(user, None)
        self.looked.pop(user, None)

    def forget_the_gone(self) -> None:
        """Offers that nobody took, people who do not look any more, rights to return that are over."""
        for user in [user for user, until in self.offers.items() if until <= self.now]:
            del self.offers[user]
            self.leaves_line(user)
        for user in [user for user, at in self.looked.items() if at + PRESENT <= self.now]:
            self.offers.pop(user, None)
            self.leaves_line(user)
        self.returning = {user: until for user, until in self.returning.items() if until > self.now}

    def drop_expired(self) -> None:
        """Seats nobody used."""
        for leases in self.leases.values():
            for holder in [holder for holder, until in leases.items() if until <= self.now]:
                del leases[holder]
                self.closed.pop(holder, None)

    def serve(self) -> None:
        """Free seats are held for who may return, then for the line in its order; what a lower cap leaves no room for is taken back."""
        self.drop_expired()
        self.answers_due()
        self.forget_the_gone()
        while self.free < 0 and (offered := [user for user in self.line if user in self.offers]):
            del self.offers[offered[-1]]
        if self.free < 0:
            return
        for user in [user for user in self.returning if user in self.offers]:
            # No second seat: the one held is held for as long as they may return.
            self.offers[user] = max(self.offers[user], self.returning.pop(user))
        while self._hold_one():
            pass

    def _hold_one(self) -> bool:
        first = min(self.returning, key=lambda user: (self.returning[user], user), default=None)
        waiting = self.next_in_line()
        if self.free == 0 and waiting:
            self.reclaim("pool", first or waiting)
        if self.free <= 0 or not (first or waiting):
            return False
        if first:
            self.offers[first] = self.returning.pop(first)
        elif waiting:
            self.offers[waiting] = self.now + OFFERED
        return True

    def answers_due(self) -> None:
        """Hand-overs as time passes."""

    @property
    def free(self) -> int:
        """Seats that nobody holds and that are held for nobody."""
        return self.terms.seats - self.in_use - len(self.offers)

    def room(self, user: UUID) -> tuple[bool, int | None]:
        """May the user sit down now?"""
        if user in self.offers:
            return self.in_use < self.terms.seats, None
        if self.free > 0:
            return True, None
        first = min(self.returning, key=lambda each: (self.returning[each], each), default=user)
        if self.free < 0 or self.next_in_line() or first != user:
            return False, None
        return self.reclaim("pool", user)

    def waits_no_more(self, user: UUID) -> None:
        """Whoever has a seat."""
        self.leaves_line(user)
        self.offers.pop(user, None)
        self.returning.pop(user, None)

    def allowed(self, user: UUID) -> bool:
        """Rule 15: is there a seat of the accountants' own?"""
        held = len(self.in_zone("allowance"))
        return held < self.terms.accountants or (0 < held == self.terms.accountants and self.reclaim("allowance", user)[0])

    def seat(self, session: Session) -> Zone | None:
        """Keep the seat, or take one."""
        zone = self.zone_of(session.holder)
        if zone is None and session.wanted == "allowance" and self.allowed(session.user):
            zone = "allowance"
            self.waits_no_more(session.user)
        if zone is None:
            self.serve()
            if self.room(session.user)[0]:
                zone = "pool"
                self.waits_no_more(session.user)
        if zone is not None:
            self.leases[zone][session.holder] = self.now + self.terms.idle
            self.closed.pop(session.holder, None)
        return zone

    def full(self) -> Answer:
        """What whoever finds no seat is told."""
        return "full", self.in_use, self.terms.seats, len(self.offers)
