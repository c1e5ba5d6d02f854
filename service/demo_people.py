"""Who is in the demo: a vendor, a reseller and its clients, each with something to see, and with whom to sign in for what."""

from dataclasses import dataclass, field
from typing import Any

from service.terminal import N_
from tenants.catalogue import ADMINISTRATOR

#: Somebody is at work from minute to minute of the day, Mondays alone where `mondays`; `chance` is of any day.
MORNING, AFTERNOON = (510, 720), (810, 1050)


@dataclass(frozen=True, slots=True)
class Habit:
    """When somebody comes: hours as minutes of the account's day, and how likely on a day. Days are 0 Monday to 6 Sunday."""

    hours: tuple[tuple[int, int], ...] = (MORNING, AFTERNOON)
    chance: float = 0.92
    days: tuple[int, ...] = (0, 1, 2, 3, 4)
    closing: bool = False
    """Whether they also come on the last and first days of a month."""


OFFICE = Habit()
EARLY = Habit(hours=((450, 700), (780, 960)), chance=0.88)
MORNINGS = Habit(hours=((500, 735),), chance=0.85)
AFTERNOONS = Habit(hours=((800, 1020),), chance=0.65)
BOOKS = Habit(hours=((525, 715),), chance=0.9, days=(0,), closing=True)
SELDOM = Habit(hours=((600, 660),), chance=0.25)


@dataclass(frozen=True, slots=True)
class DemoPerson:
    """Somebody of an account; the first of each is its administrator. Days count back from the present one.

    `says` is how `portillon up` introduces them; None for whoever it does not name. `since` is when they were invited.
    """

    email: str
    name: str
    role: str = "user"
    says: str | None = None
    habit: Habit = OFFICE
    since: int = 0
    accepts: bool = True
    until: int = 0
    in_pool: bool = True


@dataclass(frozen=True, slots=True)
class DemoAccount:
    """An account, the licence it gets, and when: `since` so many days ago, and used until so many days ago.

    `ends_in` so many days its licence ends; below zero it ended.
    """

    kind: str
    name: str
    slug: str
    plan: str
    people: tuple[DemoPerson, ...]
    terms: dict[str, Any] = field(default_factory=dict)
    since: int = 92
    until: int = 0
    ends_in: int | None = None
    language: str = "fr"
    time_zone: str = "Europe/Paris"
    address: str = "203.0.113.10"
    device: str = "Firefox 145, Windows"
    documents: bool = False

    @property
    def seats(self) -> int:
        """Its cap, by its licence."""
        return int(self.terms.get("seats", 20))


_SOPHIE, _MARC = "sophie@cabinet-durand.example.com", "marc@cabinet-durand.example.com"

OPERATOR = DemoAccount(
    "operator", "Éditions du Portillon", "editions-du-portillon", "enterprise",
    (DemoPerson("olivia@editions.example.com", "Olivia Marchal", ADMINISTRATOR, N_("operator: every account, plans, mail queue")),),
    since=95, address="203.0.113.2",
)  # fmt: skip
RESELLER = DemoAccount(
    "reseller", "Revendo", "revendo", "enterprise",
    (
        DemoPerson("remi@revendo.example.com", "Rémi Vasseur", ADMINISTRATOR, N_("reseller: clients, the pool, a pending request")),
        DemoPerson("lina@revendo.example.com", "Lina Haddad", "simple_administrator", since=80),
    ),
    terms={"pool_seats": 20}, since=94, address="203.0.113.4",
)  # fmt: skip
MOREL = DemoAccount(
    "client", "Atelier Morel", "atelier-morel", "standard",
    (
        DemoPerson("claire@atelier-morel.example.com", "Claire Morel", ADMINISTRATOR, N_("administrator: people, roles, departments")),
        DemoPerson("thomas@atelier-morel.example.com", "Thomas Girard", says=N_("user"), habit=EARLY, since=90),
        DemoPerson("nadia@atelier-morel.example.com", "Nadia Belkacem", says=N_("storekeeper, a role of its own"), since=90),
        DemoPerson("bruno@atelier-morel.example.com", "Bruno Petit", habit=MORNINGS, since=89, until=66),
        DemoPerson("karim@atelier-morel.example.com", "Karim Benali", says=N_("suspended"), habit=MORNINGS, since=88, until=17),
        DemoPerson(_SOPHIE, "Sophie Lambert", "accountant", habit=BOOKS, since=86),
        DemoPerson(
            "julie@atelier-morel.example.com", "Julie Renaud", since=2, accepts=False, says=N_("invited, see the mailbox")
        ),
    ),
    terms={"seats": 3}, since=91, address="203.0.113.21", documents=True,
)  # fmt: skip
DURAND = DemoAccount(
    "client", "Cabinet Durand", "cabinet-durand", "standard",
    (
        DemoPerson(_MARC, "Marc Durand", ADMINISTRATOR),
        DemoPerson(_SOPHIE, "Sophie Lambert", says=N_("accountant of three companies: chooses one at sign-in"), habit=AFTERNOONS, since=90),
        DemoPerson("paul@cabinet-durand.example.com", "Paul Nguyen", habit=EARLY, since=84),
    ),
    terms={"seats": 4}, since=91, address="203.0.113.33", device="Edge 142, Windows",
)  # fmt: skip
#: Two seats: the third person of its pool to sign in is refused, as an administrator is not. One more user can be invited.
NORTHWIND = DemoAccount(
    "client", "Northwind Ltd", "northwind", "standard",
    (
        DemoPerson(
            "emily@northwind.example.com", "Emily Carter", ADMINISTRATOR, N_("administrator, in English"), habit=Habit(chance=0.6)
        ),
        DemoPerson("james@northwind.example.com", "James Whitfield", says=N_("user"), habit=MORNINGS, since=82),
        DemoPerson("priya@northwind.example.com", "Priya Shah", says=N_("user"), habit=EARLY, since=82),
        DemoPerson("oliver@northwind.example.com", "Oliver Brown", says=N_("user: meets the cap, see below"), habit=AFTERNOONS, since=70),
        DemoPerson(_SOPHIE, "Sophie Lambert", "accountant", habit=SELDOM, since=68, in_pool=False),
    ),
    terms={"seats": 2, "users": 6}, since=83, language="en", time_zone="Europe/London", address="198.51.100.17", device="Chrome 142, macOS",
)  # fmt: skip
LEROY = DemoAccount(
    "client", "Garage Leroy", "garage-leroy", "standard",
    (
        DemoPerson("lea@garage-leroy.example.com", "Léa Leroy", ADMINISTRATOR),
        DemoPerson("hugo@garage-leroy.example.com", "Hugo Lefèvre", habit=EARLY, since=70),
        DemoPerson("ines@garage-leroy.example.com", "Inès Garnier", since=64),
        DemoPerson(_MARC, "Marc Durand", "accountant", habit=SELDOM, since=60, in_pool=False),
    ),
    terms={"seats": 3}, since=71, ends_in=12, address="203.0.113.48",
)  # fmt: skip
PETIT = DemoAccount(
    "client", "Boulangerie Petit", "boulangerie-petit", "basic",
    (DemoPerson("anais@boulangerie-petit.example.com", "Anaïs Petit", ADMINISTRATOR, habit=EARLY),),
    terms={"seats": 1}, since=88, until=41, address="203.0.113.60",
)  # fmt: skip
FAURE = DemoAccount(
    "client", "Menuiserie Faure", "menuiserie-faure", "basic",
    (DemoPerson("gilles@menuiserie-faure.example.com", "Gilles Faure", ADMINISTRATOR, habit=MORNINGS),),
    terms={"seats": 1}, since=87, until=19, ends_in=-19, address="203.0.113.72",
)  # fmt: skip
BONNET = DemoAccount(
    "client", "Transports Bonnet", "transports-bonnet", "standard",
    (
        DemoPerson("yves@transports-bonnet.example.com", "Yves Bonnet", ADMINISTRATOR),
        DemoPerson("sarah@transports-bonnet.example.com", "Sarah Colin", habit=AFTERNOONS, since=79),
    ),
    terms={"seats": 2}, since=80, until=8, address="203.0.113.85",
)  # fmt: skip
FLEURS = DemoAccount(
    "client", "Fleurs d’Anjou", "fleurs-d-anjou", "basic",
    (DemoPerson("manon@fleurs-anjou.example.com", "Manon Roussel", ADMINISTRATOR, since=2, accepts=False),),
    terms={"seats": 1}, since=2,
)  # fmt: skip
CLIENTS = (DURAND, MOREL, PETIT, FAURE, NORTHWIND, BONNET, LEROY, FLEURS)
ACCOUNTS = (OPERATOR, RESELLER, *CLIENTS)
#: Accounts whose people `portillon up` names, in that order.
NAMED = (MOREL, NORTHWIND, DURAND, RESELLER, OPERATOR)

BRAND: dict[str, str | None] = {
    "name": "Revendo",
    "reply_to": "aide@revendo.example.com",
    "colour": "#0b5c6b",
    "support": "+33 1 99 00 12 34",
}
DEPARTMENTS = (
    ("Chantiers", "CHA"),
    ("Bureau d’études", "BE"),
    ("Comptabilité", "CPT"),
    ("Atelier", "ATL"),
    ("Commercial", "COM"),
)
#: Where somebody of Atelier Morel works; whoever is not named works everywhere.
WHERE = {"Thomas Girard": ("Chantiers", "Bureau d’études"), "Nadia Belkacem": ("Atelier",), "Karim Benali": ("Chantiers",)}
STOREKEEPER = "Magasinier"
STOREKEEPERS_RIGHTS = frozenset(
    {
        "stock.view",
        "stock.edit",
        "deliveries.view",
        "deliveries.edit",
        "orders.view",
        "orders.edit",
        "suppliers.view",
        "library.view",
    }
)
