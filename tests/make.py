"""Builders: companies with people who can sign in, made through the domain as everything else is."""

from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import select

from tenants import invitation_links, invitations, licences, resellers
from tenants.accounts import find_operator
from tenants.actors import Actor
from tenants.catalogue import AccountKind
from tenants.effects import raise_epoch
from tenants.house import House
from tenants.invitations import Invitation
from tenants.resellers import NewAdministrator
from tenants.tokens import Purpose
from tenants.users import User
from tests import kept

PASSWORD = "correct horse battery staple"


@dataclass(frozen=True)
class Person:
    """Somebody of a company."""

    email: str
    name: str
    role: str
    user_id: UUID
    password: str = PASSWORD


@dataclass
class Company:
    """An account with its people."""

    account_id: UUID
    slug: str
    kind: AccountKind
    people: list[Person] = field(default_factory=list)

    @property
    def administrator(self) -> Person:
        """The first one."""
        return next(person for person in self.people if person.role == "administrator")

    @property
    def staff(self) -> list[Person]:
        """Everybody else."""
        return [person for person in self.people if person is not self.administrator]


async def operator(house: House) -> Company:
    """The operator's account; the same one at every call."""
    async with house.database.transaction() as session:
        known = await find_operator(session)
    if known is not None:
        return Company(known.id, known.slug, "operator", [await _known(house, known.id)])

    async def made() -> Company:
        async with house.database.transaction() as session:
            account, user = await resellers.create_operator(
                session, house.catalogue, name="Operator", email="olga@operator.example.com", language="en"
            )
        return Company(account.id, account.slug, "operator", [await accept(house, account.id, user.id, name="Olga")])

    return await kept.made(house, ("operator",), made, _id)


async def company(
    house: House,
    name: str = "Acme",
    *,
    plan: str = "enterprise",
    seats: int | None = None,
    staff: int = 3,
    roles: tuple[str, ...] = ("user",),
    parent: Company | None = None,
    kind: AccountKind = "client",
    language: str = "en",
) -> Company:
    """A company whose administrator and `staff` people are active. Staff get `roles` in turn."""

    async def made() -> Company:
        above = parent or await operator(house)
        seller = await actor(house, above, above.administrator)
        word = name.lower().replace(" ", "-")
        async with house.database.transaction(above.account_id) as session:
            account, _, first = await resellers.create_account(
                session,
                house.catalogue,
                seller,
                name=name,
                plan=plan,
                administrator=NewAdministrator(f"admin@{word}.example.com", f"Ada of {name}"),
                kind=kind,
                language=language,
            )
        company = Company(account.id, account.slug, kind, [await accept(house, account.id, first.id)])
        if seats is not None:
            await set_seats(house, company, seats)
        admin = await actor(house, company, company.administrator)
        for number in range(staff):
            role = roles[number % len(roles)]
            async with house.database.transaction(account.id) as session:
                user = await invitations.invite(
                    session,
                    house.catalogue,
                    admin,
                    email=f"p{number}@{word}.example.com",
                    role=role,
                    name=f"Person {number} of {name}",
                )
            company.people.append(await accept(house, account.id, user.id))
        return company

    how = (name, plan, seats, staff, roles, kind, language, parent and parent.account_id)
    return await kept.made(house, how, made, _id)


def _id(company: Company) -> UUID:
    return company.account_id


async def accept(house: House, account_id: UUID, user_id: UUID, *, name: str | None = None) -> Person:
    """Use a user's invitation with the tests' password."""
    token = await invitation_token(house, account_id, user_id)
    hashed = await house.hasher.hash(PASSWORD)
    async with house.database.transaction() as session:
        _, identity, _ = await invitation_links.find_invitee(session, house.signer, token)
        user = await invitation_links.accept(
            session,
            house.signer,
            token,
            name=name,
            new_hash=None if identity.password_hash else hashed,
            verified_hash=identity.password_hash,
        )
    return Person(user.email, user.label, user.role, user.id)


async def invitation_token(house: House, account_id: UUID, user_id: UUID) -> str:
    """The token that the invitation's mail would carry."""
    async with house.database.transaction(account_id) as session:
        found = (
            await session.scalars(select(Invitation).where(Invitation.account_id == account_id, Invitation.user_id == user_id))
        ).one()
    return house.signer.link(Purpose.INVITATION, account_id=account_id, row_id=found.id, nonce=found.nonce)


async def actor(house: House, company: Company, person: Person) -> Actor:
    """The person as an actor of the domain, without a session behind them."""
    async with house.database.transaction(company.account_id) as session:
        user = await session.get_one(User, (company.account_id, person.user_id))
    return Actor(
        account_id=company.account_id,
        account_kind=company.kind,
        user_id=user.id,
        identity_id=user.identity_id,
        session_id=UUID(int=0),
        name=user.label,
        email=user.email,
        role=user.role,
        rights=house.catalogue.role_rights(user.role, company.kind),
        departments=None if user.departments is None else frozenset(user.departments),
        language="en",
    )


async def set_seats(house: House, company: Company, seats: int) -> None:
    """Change the cap as a sale would, without its letters."""
    async with house.database.transaction(company.account_id) as session:
        licence = await licences.lock_licence(session)
        licence.seats = seats
        raise_epoch(session, company.account_id)


async def _known(house: House, account_id: UUID) -> Person:
    async with house.database.transaction(account_id) as session:
        user = (await session.scalars(select(User).where(User.account_id == account_id, User.role == "administrator"))).first()
    assert user is not None
    return Person(user.email, user.label, user.role, user.id)
