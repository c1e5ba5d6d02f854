"""A company for ceilings: roles whose sets are written out here, actors, targets, and the rule that says what each actor may do.

Nothing here asks the code under test what a role gives: a wrong ceiling and a wrong expectation cannot be the same mistake.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
from sqlalchemy import func

from tenants import invitations
from tenants.actors import Actor
from tenants.database import entered
from tenants.effects import raise_epoch
from tenants.house import House
from tenants.restrictions import Restriction
from tenants.users import Status
from tests import kept, make
from tests.api import Api
from tests.make import Company, Person

Rights = frozenset[str]


def words(text: str) -> Rights:
    return frozenset(text.split())


EVERYTHING = words("""
    dashboard.view reports.view reports.export customers.view customers.edit customers.delete suppliers.view suppliers.edit
    suppliers.delete contacts.view contacts.edit contacts.delete contacts.manage projects.view projects.edit projects.delete
    quotes.view quotes.edit quotes.delete quotes.print invoices.view invoices.edit invoices.delete invoices.print payments.view
    payments.edit payments.delete planning.view planning.manage orders.view orders.edit orders.delete orders.print deliveries.view
    deliveries.edit deliveries.delete purchases.view purchases.edit purchases.delete stock.view stock.edit stock.delete
    library.view library.edit library.delete staff.view staff.manage hours.view hours.edit accounting.view accounting.export
    accounting.manage files.view files.edit files.export templates.view templates.manage company.view company.manage calendar.use
    support.use users.view users.manage roles.view roles.manage departments.view departments.manage sessions.view sessions.end
    activity.view activity.export licence.view licence.manage account.view account.manage integrations.view integrations.manage
""")
USER = words("""
    customers.view customers.edit customers.delete suppliers.view suppliers.edit suppliers.delete contacts.view contacts.edit
    contacts.delete projects.view projects.edit projects.delete quotes.view quotes.edit quotes.delete quotes.print invoices.view
    invoices.edit invoices.delete invoices.print payments.edit planning.view planning.manage orders.view orders.edit orders.delete
    orders.print deliveries.view deliveries.edit deliveries.delete purchases.view purchases.edit purchases.delete stock.view
    stock.edit stock.delete library.view library.edit library.delete hours.view hours.edit files.view files.edit templates.view
    calendar.use support.use
""")
#: Every role of the company; those with a capital are its own.
ROLES: dict[str, Rights] = {
    "administrator": EVERYTHING,
    "simple_administrator": EVERYTHING - words("account.manage licence.manage integrations.view integrations.manage roles.manage"),
    "user": USER,
    "user_without_deletion": USER
    - words("""customers.delete suppliers.delete contacts.delete projects.delete quotes.delete invoices.delete orders.delete
               deliveries.delete purchases.delete stock.delete library.delete"""),
    "accountant": words("""invoices.view purchases.view company.view company.manage templates.view templates.manage accounting.view
                           accounting.export accounting.manage files.view files.export support.use"""),
    "Clerk": words("users.view users.manage invoices.view"),
    "Keeper": words("users.view users.manage roles.view roles.manage invoices.view invoices.edit stock.view"),
    "Settler": words("account.view account.manage departments.view departments.manage users.view users.manage invoices.view"),
    "Twin": EVERYTHING,
    "Reader": words("invoices.view"),
    "Stocker": words("invoices.view stock.view"),
    "Veiled": words("invoices.view stock.view"),
}
#: Sections hidden in the whole company, and for one of its roles.
HIDDEN, HIDDEN_FOR = "reports", {"Veiled": "stock"}
BOTH = ("Paris", "Lyon")
Where = tuple[str, ...] | None


def effective(role: str, *, hidden: Iterable[str] = ()) -> Rights:
    """What the role gives in the company."""
    if role == "administrator":
        return EVERYTHING
    gone = {HIDDEN, HIDDEN_FOR.get(role), *hidden}
    return frozenset(right for right in ROLES[role] if right.partition(".")[0] not in gone)


class Asked(NamedTuple):
    """Rights for departments (None is all of them) that somebody must have who gives them, or who changes their holder."""

    rights: Rights
    where: Where


@dataclass(frozen=True)
class Somebody:
    """A user of the company: as whom something is tried, or on whom."""

    role: str
    where: Where = None
    hidden: tuple[str, ...] = ()

    def __str__(self) -> str:
        """For the names of tests."""
        return "-".join([self.role, *(self.where or ()), *(f"without {section}" for section in self.hidden)])

    @property
    def rights(self) -> Rights:
        """What they have."""
        return effective(self.role, hidden=self.hidden)

    @property
    def has(self) -> Asked:
        """What whoever changes them must have."""
        return Asked(self.rights, self.where)

    def covers(self, asked: Asked) -> bool:
        """The rule: a subset of one's rights, for a subset of one's departments."""
        inside = self.where is None or (asked.where is not None and set(asked.where) <= set(self.where))
        return inside and asked.rights <= self.rights


ACTORS = (
    Somebody("administrator"),
    Somebody("administrator", ("Paris",)),
    Somebody("simple_administrator"),
    Somebody("Clerk"),
    Somebody("Clerk", ("Paris",)),
    Somebody("Keeper"),
    Somebody("Settler", ("Paris",)),
    Somebody("Twin"),
)
TARGETS = (
    *(Somebody(role) for role in ("administrator", "simple_administrator", "user", "accountant", "Clerk", "Veiled")),
    Somebody("Stocker", ("Paris",), hidden=("stock",)),
    Somebody("administrator", ("Paris",)),
    Somebody("Reader", ("Paris",)),
    Somebody("Reader", BOTH),
)


@dataclass
class World:
    """The company, with one client for whoever tries and one for the administrator who prepares."""

    house: House
    api: Api
    company: Company
    ada: Actor
    database: asyncpg.Connection
    roles: dict[str, str] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    kept: dict[Any, Any] = field(default_factory=dict)
    tables: list[str] = field(default_factory=list)
    #: What was read last, and the state that held then.
    read: tuple[str, dict[str, str]] = ("", {})
    made: int = 0

    def role(self, name: str) -> str:
        """How the API calls the role."""
        return self.roles.get(name, name)

    def departments(self, where: Where) -> list[str] | None:
        """How the API calls the departments."""
        return None if where is None else [self.places[name] for name in where]

    def unheard(self) -> str:
        """A word that is nobody's name yet."""
        self.made += 1
        return f"word{self.made}"

    async def user(self, who: Somebody, *, status: Status = "active") -> UUID:
        """A user like this; the same one again until a try has changed them."""
        if (who, status) not in self.kept:
            self.kept[who, status] = await self._invite(who, status)
        found: UUID = self.kept[who, status]
        return found

    async def person(self, who: Somebody) -> Person:
        """Somebody like this who has signed in."""
        address = f"{self.unheard()}@acme.example.com"
        user_id = await self._invite(who, "invited", email=address)
        person = await make.accept(self.house, self.company.account_id, user_id)
        assert (await self.api.sign_in(person)).status_code == 201
        return person

    async def own_role(self, rights: Rights, *, hidden: str | None = None) -> str:
        """A role that nobody holds; the same one again until a try has changed it."""
        key = (rights, hidden)
        if key not in self.kept:
            body = {"name": self.unheard(), "rights": sorted(rights), "restrictions": [hidden] if hidden else []}
            self.kept[key] = await self.new("/roles", body)
        return str(self.kept[key])

    async def new(self, path: str, body: dict[str, Any]) -> str:
        """What the administrator makes, by its id."""
        answer = await self.api.post(path, body, by=self.company.administrator)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    async def rows(self) -> dict[str, str]:
        """A digest of every table."""
        if (state := await kept.state(self.database)) == self.read[0]:
            return self.read[1]
        if not self.tables:
            found = await self.database.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
            self.tables = [row[0] for row in found]
        digest = "SELECT '{0}', md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {0} t"
        self.read = state, dict(await self.database.fetch(" UNION ALL ".join(digest.format(name) for name in self.tables)))
        return self.read[1]

    async def _invite(self, who: Somebody, status: Status, *, email: str | None = None) -> UUID:
        departments = self.departments(who.where)
        async with self.house.database.transaction(self.company.account_id) as session:
            user = await invitations.invite(
                session,
                self.house.catalogue,
                self.ada,
                email=email or f"{self.unheard()}@acme.example.com",
                role=self.role(who.role),
                departments=None if departments is None else [UUID(place) for place in departments],
            )
            if status != "invited":
                user.status, user.invited_until, user.last_login_at = status, None, func.now()
            if who.hidden:
                session.add(Restriction(account_id=entered(session), scope="user", subject=str(user.id), sections=list(who.hidden)))
            raise_epoch(session, self.company.account_id)
        return user.id


async def build(house: House, api: Api, database: asyncpg.Connection) -> World:
    """The company with its roles, departments and restrictions."""
    acme = await make.company(house, staff=0)
    ada = acme.administrator
    assert (await api.sign_in(ada)).status_code == 201
    world = World(house, api, acme, await make.actor(house, acme, ada), database)
    for name, rights in ROLES.items():
        if name[0].isupper():
            hidden = [HIDDEN_FOR[name]] if name in HIDDEN_FOR else []
            world.roles[name] = await world.new("/roles", {"name": name, "rights": sorted(rights), "restrictions": hidden})
    for place in BOTH:
        world.places[place] = await world.new("/departments", {"name": place})
    assert (await api.patch("/account", {"restrictions": [HIDDEN]}, by=ada)).status_code == 200
    return world
