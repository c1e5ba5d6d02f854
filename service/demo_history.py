"""What the demo's companies have behind them: working days with their figures, and a history that tells of them."""

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from random import Random
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from service.demo_days import Coming, Day, live
from service.demo_past import Past, id_of
from service.demo_people import DemoAccount, DemoPerson
from tenants.accounts import Account
from tenants.activity import Activity, Event, record
from tenants.actors import Origin, Person
from tenants.api_keys import ApiKey
from tenants.client_figures import reckon
from tenants.seat_figures import Figures
from tenants.usage import write_down
from tenants.users import User

# Some just close the window: their session ends by itself, and no line says so.
_SIGNS_OUT = 0.6
_DOCUMENTS = (
    ("invoice", "Facture F-{year}-{number:04}", 410, ("created", "sent", "printed")),
    ("quote", "Devis D-{year}-{number:04}", 178, ("created", "changed", "sent")),
    ("delivery", "Bon de livraison BL-{number:04}", 966, ("created", "printed", "viewed")),
    ("project", "Chantier {number}", 31, ("viewed", "changed", "exported")),
)
_RARE = 0.03
# Of Europe/Paris, by month and day; those that move are left out.
_HOLIDAYS = frozenset({(1, 1), (5, 1), (5, 8), (7, 14), (8, 15), (11, 1), (11, 11), (12, 25)})


class History:
    """The past of one account, told day by day."""

    def __init__(self, past: Past, wanted: DemoAccount, account: Account, users: Mapping[str, User], *, boosted: range) -> None:
        """`users` by address; on the days of `boosted`, counted back from the present one, there was a seat more."""
        self._past, self._wanted, self._account, self._users, self._boosted = past, wanted, account, users, boosted
        self._zone = ZoneInfo(wanted.time_zone)
        self._numbers: Counter[str] = Counter({kind: first for kind, _, first, _ in _DOCUMENTS})
        self._sessions: dict[str, UUID] = {}

    async def tell(self, *, key: ApiKey | None) -> None:
        """Write lines and figures of every day on which the account was used; `key` is the application's that reports documents."""
        figures: dict[date, dict[str, int]] = {}
        await self._past.enter(self._account.id)
        for days in range(self._wanted.since - 1, self._wanted.until, -1):
            day = self._past.today - timedelta(days=days)
            if self._wanted.language == "fr" and (day.month, day.day) in _HOLIDAYS:
                continue
            random = Random(f"{self._wanted.slug} {day}")  # noqa: S311 - the same demo every time, and nothing secret
            seats = self._wanted.seats + (days in self._boosted)
            lived = live(day, self._there(days), seats, random)
            self._write(day, lived, random, key)
            if lived.figures:
                figures[day] = dict(lived.figures)
        await self._past.session.flush()
        await write_down(self._past.session, Figures(self._past.today, _life(self._past.today), figures))
        await reckon(self._past.session)

    def _there(self, days: int) -> list[DemoPerson]:
        people = self._wanted.people
        return [each for each in people if each.accepts and (each.since or self._wanted.since) > days >= (each.until or 1)]

    def _write(self, day: date, lived: Day, random: Random, key: ApiKey | None) -> None:
        for coming in lived.comings:
            user = self._users[coming.person.email]
            moment = self._moment(day, coming.minute, random)
            self._past.moment = moment
            self._past.session.info["origin"] = Origin(self._wanted.address, self._wanted.device)
            self._line(coming, user, random)
            if coming.what == "in":
                user.last_login_at = moment
                if key is not None:
                    self._documents(day, coming, user, random, key)

    def _line(self, coming: Coming, user: User, random: Random) -> None:
        session, by = self._past.session, Person(user.id, user.identity_id, user.label, user.email)
        if coming.what == "in":
            self._sessions[user.email] = id_of(self._past.moment)
            facts: dict[str, Any] = {} if coming.person.in_pool else {"seat": "allowance"}
            record(session, Event.SIGNED_IN, by=by, on=user.target, session_id=self._sessions[user.email], **facts)
        elif coming.what == "refused":
            facts = {"seats": coming.seats, "in_use": coming.held, "held": 0}
            record(session, Event.SEAT_REFUSED, by=by, on=user.target, result="refused", **facts)
        elif coming.what == "mistyped":
            record(session, Event.SIGN_IN_FAILED, by=by, on=user.target, result="failed", why="password")
        elif random.random() < _SIGNS_OUT:
            session_id = self._sessions[user.email]
            record(session, Event.SIGNED_OUT, by=by, on=user.target, why="signed_out", session_id=session_id)

    def _documents(self, day: date, coming: Coming, user: User, random: Random, key: ApiKey) -> None:
        for _ in range(random.randint(1, 3)):
            kind, label, _first, verbs = random.choice(_DOCUMENTS)
            verb = "deleted" if random.random() < _RARE else random.choice(verbs)
            self._numbers[kind] += verb == "created"
            self._past.moment = self._moment(day, coming.minute + random.randint(4, 110), random)
            number = self._numbers[kind] - (0 if verb == "created" else random.randint(0, 3))
            self._past.session.add(_document(user, key, kind, verb, label.format(year=day.year, number=number)))

    def _moment(self, day: date, minute: int, random: Random) -> datetime:
        there = datetime.combine(day, time(), self._zone) + timedelta(minutes=minute, seconds=random.randint(0, 58))
        return there.astimezone(UTC)


def _document(user: User, key: ApiKey, kind: str, verb: str, label: str) -> Activity:
    # As `take_in` writes what the vendor's application reports: the person's, through the key, and with the address of neither.
    return Activity(
        account_id=user.account_id,
        event=f"document.{verb}",
        actor_kind="user",
        actor_user_id=user.id,
        actor_identity_id=user.identity_id,
        actor_key_id=key.id,
        actor_name=user.label,
        actor_email=user.email,
        target_type=kind,
        target_id=label.rsplit(" ", 1)[-1],
        target_label=label,
    )


def _life(today: date) -> str:
    return f"{datetime.combine(today, time(), UTC).timestamp() * 1000:.0f}"
