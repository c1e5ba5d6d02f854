"""The model's ways in and out: what each call does to the seats, and what it answers."""

from dataclasses import dataclass
from uuid import UUID

from tests.tenants.asking_model import Asking
from tests.tenants.seat_model import LINGERS, RETURNS, SAFE, UNCONFIRMED, Answer, Session, Terms, Zone


@dataclass
class Pool(Asking):
    """One account's pool."""

    def take(self, user: UUID, new: UUID, *, limit: int, replaced: Session | None, wanted: str) -> Answer:
        """A sign-in asks for a seat; sessions over the person's limit make room, least recently used first (rules 3 and 6)."""
        self.serve()
        own = [s for s in self._of(user) if s is not replaced and (s.lives or self._counts(s))]
        own.sort(key=lambda s: (s.used or 0, s.id))
        ended = ([replaced] if replaced else []) + own[: max(0, len(own) - limit + 1)]
        freed = self._freed(user, ended, replaced)
        holder = user if self.by_user else new
        zone = self.zone_of(holder) or self._inherited(freed, wanted)
        if zone is None and wanted == "allowance" and self.allowed(user):
            zone = "allowance"
        if zone is None:
            room, soon = self.room(user)
            if soon is not None:
                return "soon", soon
            if not room and wanted != "management":
                return self.full()
            zone = "pool" if room else None
        was_there = replaced is not None and self.is_there(replaced.user)
        self._make_room(ended, freed)
        self._forget_unconfirmed({user, replaced.user} if replaced else {user})
        if replaced is not None and replaced.user != user and was_there and not self.is_there(replaced.user):
            self._linger(replaced.user)
        until = self.now + UNCONFIRMED
        if zone is not None:
            self.leases[zone][holder] = max(self.leases[zone].get(holder, 0), until)
            self.closed.pop(holder, None)
            self.waits_no_more(user)
        self.sessions[new] = Session(new, user, holder, "management" if zone is None else wanted, self.now, until, safe_until=until)
        if zone is not None and wanted == "management":
            self.sessions[new].wanted = "pool"
        return "ok", zone or "management", [s.id for s in ended]

    def _of(self, user: UUID) -> list[Session]:
        return [s for s in self.sessions.values() if s.user == user]

    def _counts(self, session: Session) -> bool:
        # The pool knows of it, and it was confirmed or still can be.
        return session.listed and (session.unconfirmed_until is None or session.unconfirmed_until > self.now)

    def _freed(self, user: UUID, ended: list[Session], replaced: Session | None) -> list[UUID]:
        # A seat that a user's sessions share comes free with the last of them.
        if not self.by_user:
            return [s.holder for s in ended if self.zone_of(s.holder)]
        if replaced is None or replaced.user == user or self.zone_of(replaced.user) is None:
            return []
        others = [s for s in self._of(replaced.user) if s is not replaced and self._counts(s)]
        return [] if others else [replaced.user]

    def _inherited(self, freed: list[UUID], wanted: str) -> Zone | None:
        # An accountant's seat is for accountants alone.
        zones = (self.zone_of(holder) for holder in freed)
        return next((zone for zone in zones if zone == "pool" or (zone and wanted == "allowance")), None)

    def _make_room(self, ended: list[Session], freed: list[UUID]) -> None:
        for holder in freed:
            self._leave_seat(holder)
        for session in ended:
            session.used, session.listed, session.safe_until = None, False, None

    def _leave_seat(self, holder: UUID) -> None:
        for leases in self.leases.values():
            leases.pop(holder, None)
        self.closed.pop(holder, None)

    def _forget_unconfirmed(self, users: set[UUID]) -> None:
        for session in self.sessions.values():
            if session.user in users and not self._counts(session):
                session.listed = False

    def open(self, session: Session, *, new: bool = False) -> Answer:
        """The sign-in is written (`new`), or a session is read again: it is seated if there is room."""
        if session.gone is not None:
            return "gone", session.gone
        if new and session.used is None:
            return "gone", "replaced"
        session.unconfirmed_until, session.stale, session.listed = None, False, True
        self._makes_request(session)
        if session.wanted == "management":
            return "ok", "management"
        if session.wanted != "allowance":
            self.leases["allowance"].pop(session.holder, None)
        zone = self.seat(session)
        return ("ok", zone) if zone else self.full()

    def _makes_request(self, session: Session) -> None:
        session.used = self.now
        session.safe_until = None if session.pages is None else self.now + SAFE

    def request(self, session: Session) -> Answer:
        """Rules 1 and 4: every request keeps the seat, or takes one. Rule 10: a manager who has a seat is ordinary from then on."""
        if session.gone is not None:
            return "gone", session.gone
        if session.stale or session.used is None:
            return self.open(session)
        self._makes_request(session)
        zone = self.seat(session)
        if session.wanted == "management":
            if zone is None:
                return "ok", "management"
            session.wanted = "pool"
            self.waits_no_more(session.user)
            return self.open(session)
        return ("ok", zone) if zone else self.full()

    def beat(self, session: Session, page: str) -> Answer:
        """A page is there: whatever lingered is kept."""
        if session.gone is not None:
            return "gone", session.gone
        self._look(session)
        session.pages = self._other_pages(session, page) | {page: self.now}
        session.safe_until = self.now + SAFE
        self._is_back(session.holder)
        return ("ok",)

    def close(self, session: Session, page: str) -> Answer:
        """A page was closed; with the last one of the last browser the seat lingers (rule 5)."""
        if session.gone is not None:
            return "gone", session.gone
        self._look(session)
        session.pages = self._other_pages(session, page) if page else {}
        session.safe_until = self.now + (SAFE if session.pages else 0)
        if session.pages:
            self._is_back(session.holder)
        elif not self.is_there(session.holder):
            self._linger(session.holder)
        return ("ok",)

    def _look(self, session: Session) -> None:
        # A copy that is out of date is read again first; that is no request.
        if session.stale:
            session.stale, session.listed = False, True

    def _other_pages(self, session: Session, page: str) -> dict[str, int]:
        return {each: seen for each, seen in (session.pages or {}).items() if each != page and seen + SAFE > self.now}

    def _is_back(self, holder: UUID) -> None:
        zone = self.zone_of(holder)
        if zone and self.lingers(holder):
            self.leases[zone][holder] = max(self.leases[zone][holder], self.last_request(holder) + self.terms.idle)
        self.closed.pop(holder, None)

    def _linger(self, holder: UUID) -> None:
        zone = self.zone_of(holder)
        if zone:
            self.closed[holder] = self.now
            self.leases[zone][holder] = min(self.leases[zone][holder], self.now + LINGERS)

    def end(self, session: Session, why: str, heir: Session | None = None) -> None:
        """Its seat is free at once; the heir's, if there is one; but who went to another account may be back."""
        was_there = self.is_there(session.user)
        session.gone, session.used, session.listed, session.safe_until = why, None, False, None
        self._forget_unconfirmed({session.user})
        alone = not any(s.listed for s in self._of(session.user))
        if was_there and not alone and not self.is_there(session.user):
            # The browser that was there is gone; those that are left were closed before.
            self._linger(session.user)
        for holder in [session.id, *([session.user] if alone else [])]:
            zone = self.zone_of(holder)
            if why == "switched":
                self._linger(holder)
            elif zone:
                self._leave_seat(holder)
                if heir and zone == "pool":
                    self.leases["pool"][heir.holder] = self.now + self.terms.idle
        # Rule 11: put out only to make room.
        if why == "ended_for_room" and self.zone_of(session.user) is None:
            self.returning[session.user] = self.now + RETURNS
        self.serve()

    def load(self, terms: Terms, *, reread: bool) -> None:
        """The account's terms change; with `reread`, every session's facts as well."""
        self.terms = terms
        for session in self.sessions.values():
            session.stale = session.stale or (reread and session.lives)
        self.serve()

    def join(self, user: UUID) -> Answer:
        """To the end of the line."""
        self.forget_the_gone()
        self.line.setdefault(user, self.now)
        self.looked[user] = self.now
        return self._spot(user)

    def look(self, user: UUID) -> Answer:
        """A sign of life of somebody in line."""
        self.forget_the_gone()
        if user in self.looked:
            self.looked[user] = self.now
        return self._spot(user)

    def leave(self, user: UUID) -> Answer:
        """Out of the line; a seat held for them is the next one's."""
        self.forget_the_gone()
        self.leaves_line(user)
        self.offers.pop(user, None)
        return self._spot(user)

    def clear(self, user: UUID | None) -> Answer:
        """An administrator sends one away, or everybody."""
        self.forget_the_gone()
        away = [each for each in self.line if user in {each, None}]
        for each in away:
            self.leaves_line(each)
            self.offers.pop(each, None)
        self.serve()
        return "cleared", away

    def everybody(self) -> Answer:
        """All who wait, in their order."""
        self.serve()
        return "all", [(user, since, self.offers.get(user, 0)) for user, since in self.line.items()]

    def _spot(self, user: UUID) -> Answer:
        self.serve()
        if user not in self.line and user not in self.offers:
            return ("none",)
        ahead = list(self.line).index(user) if user in self.line else 0
        return "place", ahead, self.offers.get(user, 0)
