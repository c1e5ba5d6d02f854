"""The model's hand-overs: colleagues asked for their seat, and what time makes of it (seat rule 8)."""

from dataclasses import dataclass, field
from uuid import UUID

from tests.tenants.seat_model import MINUTE, OFFERED, SECOND, Answer, Seating

ANSWERS, LATER, LEFT_ALONE = 60 * SECOND, 5 * MINUTE, 15 * MINUTE
IDLE, ASKS_FOR, ASKER_GONE = 5 * MINUTE, 10 * MINUTE, 2 * MINUTE


@dataclass
class Asked:
    """One colleague: asked, later, no, released, or gone."""

    holder: UUID
    at: int
    state: str = "asked"
    times: int = 1

    @property
    def is_open(self) -> bool:
        """Whether an answer is still to come."""
        return self.state in {"asked", "later"}


@dataclass
class Ask:
    """Somebody's question. `seen` is when they last looked."""

    by: UUID
    at: int
    seen: int
    state: str = "asked"
    until: int | None = None
    to: list[Asked] = field(default_factory=list)

    def shown(self) -> Answer:
        """As its asker sees it."""
        return self.state, self.until, [(each.holder, each.state, each.at, each.times) for each in self.to]


@dataclass
class Asking(Seating):
    """Seats that change hands by consent. Who asked first comes first."""

    asks: dict[UUID, Ask] = field(default_factory=dict)
    left_alone: dict[UUID, int] = field(default_factory=dict)

    def waits_no_more(self, user: UUID) -> None:
        """Whoever has a seat asks nobody."""
        super().waits_no_more(user)
        self.asks = {each: ask for each, ask in self.asks.items() if ask.by != user}

    def answers_due(self) -> None:
        """Questions are forgotten after ten minutes, or two that their asker did not look; the others wait for answers."""
        self.asks = {
            each: ask
            for each, ask in self.asks.items()
            if self.now - ask.at <= ASKS_FOR and not (ask.state == "asked" and self.now - ask.seen > ASKER_GONE)
        }
        for ask in self.asks.values():
            if ask.state == "asked":
                self._pass_time(ask)

    def ask(self, user: UUID, new: UUID, own: list[UUID], wanted: UUID | None) -> Answer:
        """One holder, or everybody who can be asked; a second question joins the first."""
        self.serve()
        if self.room(user)[0]:
            return "refused", "room", 0
        if self.free < 0:
            return "refused", "draining", 0
        known = next((each for each, ask in self.asks.items() if ask.by == user and ask.state == "asked"), None)
        to = self.asks[known].to if known else []
        holders = [wanted] if wanted else self.in_zone("pool")
        reasons = {holder: self._why_not(holder, own, to) for holder in holders}
        if not any(reason in {"", "asked"} for reason, _ in reasons.values()):
            waits = [left for _, left in reasons.values() if left]
            return "refused", reasons[wanted][0] if wanted else "nobody", min(waits, default=0)
        ask = self.asks.setdefault(known or new, Ask(user, self.now, self.now))
        ask.at = ask.seen = self.now
        ask.to += [Asked(holder, self.now) for holder, (reason, _) in reasons.items() if not reason]
        return "handover", known or new, *ask.shown()

    def _why_not(self, holder: UUID, own: list[UUID], to: list[Asked]) -> tuple[str, int]:
        if holder in own:
            return "own", 0
        if self.zone_of(holder) != "pool":
            return "not_holding", 0
        if any(each.holder == holder and each.is_open for each in to):
            return "asked", 0
        left = self.left_alone.get(holder, 0) - self.now
        return ("answered", left) if left > 0 else ("", 0)

    def see(self, user: UUID, which: UUID) -> Answer:
        """The asker looks."""
        self.serve()
        ask = self.asks.get(which)
        if ask is None or ask.by != user:
            return ("none",)
        ask.seen = self.now
        return "handover", which, *ask.shown()

    def withdraw(self, user: UUID, which: UUID) -> Answer:
        """The asker asks no more; a seat that was given stays held."""
        answer = self.see(user, which)
        if answer[0] == "handover":
            del self.asks[which]
        return answer

    def questions(self, holder: UUID) -> list[tuple[UUID, int, bool]]:
        """What a holder is asked now, when, and whether again."""
        self.serve()
        return [
            (which, each.at, each.times > 1)
            for which, ask in self.asks.items()
            for each in ask.to
            if ask.state == "asked" and each.holder == holder and each.state == "asked"
        ]

    def answer(self, holder: UUID, which: UUID, reply: str) -> Answer:
        """Release, later (once), or no."""
        self.serve()
        ask = self.asks.get(which)
        mine = [each for each in ask.to if each.holder == holder] if ask else []
        if ask is None or not mine:
            return ("none",)
        each = next((each for each in mine if each.is_open), None)
        if ask.state != "asked" or each is None:
            return "refused", "answered", 0
        if reply == "later" and (each.state == "later" or each.times > 1):
            return "refused", "later_once", 0
        if reply != "release":
            each.state, each.at = reply, self.now
            self.left_alone[holder] = self.now + LEFT_ALONE
            self._pass_time(ask)
        elif not self._hand_over(ask, each, "handed_over"):
            return "refused", "draining", 0
        answer = "handover", which, *ask.shown()
        self.serve()
        return answer

    def _hand_over(self, ask: Ask, each: Asked, why: str) -> bool:
        # While the pool drains, no seat comes free for anybody.
        if self.free < 0:
            return False
        self.take_away("pool", each.holder, why, ask.by)
        self.left_alone[each.holder] = self.now + LEFT_ALONE
        each.state = ask.state = "released"
        ask.until = self.offers[ask.by] = self.now + OFFERED
        self.leaves_line(ask.by)
        return True

    def _pass_time(self, ask: Ask) -> None:
        for each in ask.to:
            if each.is_open and self.zone_of(each.holder) != "pool":
                each.state = "gone"
            if each.state == "later" and self.now >= each.at + LATER:
                each.state, each.at, each.times = "asked", self.now, 2
            silent = each.state == "asked" and self.now >= each.at + ANSWERS
            if silent and self.now - self.last_request(each.holder) >= IDLE and self._hand_over(ask, each, "not_answered"):
                return
        if not any(each.is_open for each in ask.to):
            ask.state = "refused" if any(each.state == "no" for each in ask.to) else "over"
