"""Demo data: an operator, a reseller and two client companies, small enough that three sign-ins fill one."""

import asyncio
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from service.operators import acting, invitation_of
from service.terminal import N_
from tenants import brands, invitation_links, invitations, resellers
from tenants.accounts import Account, find_operator
from tenants.actors import Actor
from tenants.catalogue import ADMINISTRATOR
from tenants.custom_roles import create_role
from tenants.database import enter, entered
from tenants.departments import create_department
from tenants.house import House
from tenants.identities import Identity
from tenants.licences import get_licence
from tenants.resellers import NewAdministrator
from tenants.roles import read_palette
from tenants.tokens import Purpose
from tenants.users import User, search_users

_FILE = "demo.json"
_SYLLABLES = [consonant + vowel for consonant in "bdfgklmnprstvz" for vowel in "aeiou"]


@dataclass(frozen=True, slots=True)
class DemoPerson:
    """Somebody of an account; the first of each is its administrator."""

    email: str
    name: str
    role: str
    says: str
    accepts: bool = True


@dataclass(frozen=True, slots=True)
class DemoAccount:
    """An account, with the licence it gets."""

    kind: str
    name: str
    slug: str
    plan: str
    people: tuple[DemoPerson, ...]
    pool_seats: int | None = None


_ADMINISTRATOR, _USER, _ACCOUNTANT = N_("administrator"), N_("user"), N_("accountant")
_FARID = DemoPerson("farid@cabinet-lenoir.example.com", "Farid Lenoir", "accountant", _ACCOUNTANT)

OPERATOR = DemoAccount(
    "operator", "Éditions du Portillon", "editions-du-portillon", "enterprise",
    (DemoPerson("olivia@editions.example.com", "Olivia Marchal", ADMINISTRATOR, N_("operator")),),
)  # fmt: skip
RESELLER = DemoAccount(
    "reseller", "Revendeur Horizon", "revendeur-horizon", "enterprise",
    (DemoPerson("rene@horizon.example.com", "René Horizon", ADMINISTRATOR, N_("reseller")),),
    pool_seats=50,
)  # fmt: skip
#: Its pool has three seats: the fourth person of the pool to sign in is refused.
SMALL = DemoAccount(
    "client", "Atelier Dubois", "atelier-dubois", "standard",
    (
        DemoPerson("alice@atelier-dubois.example.com", "Alice Dubois", ADMINISTRATOR, _ADMINISTRATOR),
        DemoPerson("benoit@atelier-dubois.example.com", "Benoît Carré", "user", _USER),
        DemoPerson("chloe@atelier-dubois.example.com", "Chloé Roux", "user", _USER),
        DemoPerson("david@atelier-dubois.example.com", "David Nguyen", "user", _USER),
        DemoPerson("emma@atelier-dubois.example.com", "Emma Petit", "user", _USER),
        _FARID,
        DemoPerson("gael@atelier-dubois.example.com", "Gaël Morvan", "user", N_("invited, see the mailbox"), accepts=False),
    ),
)  # fmt: skip
LARGER = DemoAccount(
    "client", "Martin & Filles", "martin-filles", "pro",
    (
        DemoPerson("helene@martin-filles.example.com", "Hélène Martin", ADMINISTRATOR, _ADMINISTRATOR),
        DemoPerson("ines@martin-filles.example.com", "Inès Martin", "user", _USER),
        _FARID,
    ),
)  # fmt: skip
BRAND: dict[str, str | None] = {
    "name": "Horizon Gestion",
    "reply_to": "aide@horizon.example.com",
    "colour": "#7a3e00",
    "support": "+33 1 99 00 12 34",
}
DEPARTMENTS = (("Paris", "75"), ("Lyon", "69"))
WAREHOUSE = frozenset({"stock.view", "stock.edit", "deliveries.view", "deliveries.edit", "orders.view"})
ACCOUNTS = (OPERATOR, RESELLER, SMALL, LARGER)


async def ensure_demo(house: House, folder: Path) -> dict[str, str]:
    """The passwords of the demo people by address, seeding whatever is not there yet. Empty when the accounts are somebody else's.

    A start that was interrupted is taken up where it stopped; data that people have changed since is left alone.
    """
    kept = _kept(folder)
    async with house.database.transaction() as session:
        new = await find_operator(session) is None
    if kept is None and not new:
        return {}
    if kept is None or (new and kept["complete"]):
        kept = {"complete": False, "passwords": _new_passwords(house.settings.password_min_length)}
        _keep(folder, kept)
    if not kept["complete"]:
        await _seed(house, kept["passwords"])
        _keep(folder, {**kept, "complete": True})
    passwords: dict[str, str] = kept["passwords"]
    return passwords


async def _seed(house: House, passwords: Mapping[str, str]) -> None:
    hashes = dict(zip(passwords, await asyncio.gather(*(house.hasher.hash(each) for each in passwords.values())), strict=True))
    operator = await _account(house, OPERATOR, by=None, hashes=hashes)
    reseller = await _account(house, RESELLER, by=operator, hashes=hashes)
    async with house.database.transaction(reseller.account_id) as session:
        await _brand(session, reseller)
    await _account(house, SMALL, by=reseller, hashes=hashes)
    larger = await _account(house, LARGER, by=reseller, hashes=hashes)
    async with house.database.transaction(larger.account_id) as session:
        await _organise(session, house, larger)


async def _brand(session: AsyncSession, actor: Actor) -> None:
    # What the reseller's clients see on their mails and pages, where the licence has it.
    if brands.OPTION in (await get_licence(session)).options and await brands.find_shown(session, actor.account_id) is None:
        await brands.set_brand(session, actor, wanted=BRAND)


async def _organise(session: AsyncSession, house: House, actor: Actor) -> None:
    # Departments and a role of its own, where the licence and the catalogue have them.
    palette = await read_palette(session, house.catalogue, actor.account_kind)
    rights = sorted(house.catalogue.rights_of(actor.account_kind) & WAREHOUSE)
    if palette.departments or palette.own or not rights:
        return
    for name, code in DEPARTMENTS:
        await create_department(session, actor, name=name, code=code)
    await create_role(session, house.catalogue, actor, name="Magasin", rights=rights)


async def _account(house: House, wanted: DemoAccount, *, by: Actor | None, hashes: Mapping[str, str]) -> Actor:
    first = wanted.people[0]
    async with house.database.transaction(by.account_id if by else None) as session:
        if await _find(session, wanted) is None:
            await _create(session, house, wanted, by=by)
    await _join(house, wanted, first, hashes)
    async with house.database.transaction() as session:
        account = await _entered(session, wanted)
        actor = acting(house.catalogue, account, await _get_user(session, first))
    for person in wanted.people[1:]:
        async with house.database.transaction(actor.account_id) as session:
            if await _find_user(session, person) is None:
                role = person.role if person.role in house.catalogue.roles else ADMINISTRATOR
                await invitations.invite(session, house.catalogue, actor, email=person.email, name=person.name, role=role)
        if person.accepts:
            await _join(house, wanted, person, hashes)
    return actor


async def _create(session: AsyncSession, house: House, wanted: DemoAccount, *, by: Actor | None) -> None:
    first = wanted.people[0]
    if by is None:
        await resellers.create_operator(session, house.catalogue, name=wanted.name, email=first.email, language="fr")
        return
    plan = wanted.plan if wanted.plan in house.catalogue.plans else next(iter(house.catalogue.plans))
    account, _licence, _user = await resellers.create_account(
        session, house.catalogue, by, name=wanted.name, plan=plan, slug=wanted.slug, language="fr",
        kind="reseller" if wanted.kind == "reseller" else "client",
        administrator=NewAdministrator(first.email, first.name),
    )  # fmt: skip
    if wanted.pool_seats is not None:
        terms: dict[str, Any] = {"plan": plan, "pool_seats": wanted.pool_seats}
        await resellers.set_licence(session, house.catalogue, by, account.id, wanted=terms, version=None, reason=None)


async def _join(house: House, wanted: DemoAccount, person: DemoPerson, hashes: Mapping[str, str]) -> None:
    """The person accepts; the mail that was owed for it is cancelled with that."""
    async with house.database.transaction() as session:
        await _entered(session, wanted)
        user = await _get_user(session, person)
        if user.status != "invited":
            return
        invitation = await invitation_of(session, user)
        identity = await session.get_one(Identity, user.identity_id)
        token = house.signer.link(Purpose.INVITATION, account_id=user.account_id, row_id=invitation.id, nonce=invitation.nonce)
        await invitation_links.accept(
            session, house.signer, token, name=person.name, new_hash=hashes[person.email], verified_hash=identity.password_hash
        )


async def _find(session: AsyncSession, wanted: DemoAccount) -> Account | None:
    if wanted.kind == "operator":
        return await find_operator(session)
    return await session.scalar(select(Account).where(Account.slug == wanted.slug))


async def _entered(session: AsyncSession, wanted: DemoAccount) -> Account:
    account = await _find(session, wanted)
    if account is None:
        raise RuntimeError(f"the demo account {wanted.slug} is gone")
    await enter(session, account.id)
    return account


async def _find_user(session: AsyncSession, person: DemoPerson) -> User | None:
    return await session.scalar(search_users(entered(session), q=person.email))


async def _get_user(session: AsyncSession, person: DemoPerson) -> User:
    user = await _find_user(session, person)
    if user is None:
        raise RuntimeError(f"the demo user {person.email} is gone")
    return user


def _new_passwords(shortest: int) -> dict[str, str]:
    people = {person.email for account in ACCOUNTS for person in account.people if person.accepts}
    return {email: _password(shortest) for email in sorted(people)}


def _password(shortest: int) -> str:
    # Eight syllables of 70 are 49 bits, easy to read aloud and on the same keys of every keyboard layout.
    words = ["".join(secrets.choice(_SYLLABLES) for _ in range(2)) for _ in range(max(4, -(-(shortest + 1) // 5)))]
    return "-".join(words)


def _kept(folder: Path) -> dict[str, Any] | None:
    try:
        kept: dict[str, Any] = json.loads((folder / _FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return kept


def _keep(folder: Path, kept: Mapping[str, Any]) -> None:
    # Beside its place first: a kill in the middle must not lose the passwords of accounts that exist.
    unfinished = folder / f"{_FILE}.new"
    unfinished.touch(mode=0o600)
    unfinished.write_text(json.dumps(kept, indent=1), encoding="utf-8")
    unfinished.replace(folder / _FILE)
