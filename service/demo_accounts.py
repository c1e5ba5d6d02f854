"""The demo's accounts and people, made by the verbs of the domain on the days on which they say that they came."""

from collections.abc import Mapping
from datetime import timedelta

from sqlalchemy import select

from service.demo_past import Past
from service.demo_people import DemoAccount, DemoPerson
from service.operators import acting, invitation_of
from tenants import invitation_links, invitations, resellers
from tenants.accounts import Account, find_operator, get_account
from tenants.actors import Actor, Origin
from tenants.catalogue import ADMINISTRATOR
from tenants.database import entered
from tenants.house import House
from tenants.identities import Identity
from tenants.licences import get_licence, present_terms
from tenants.resellers import NewAdministrator
from tenants.tokens import Purpose
from tenants.users import User, search_users


class Founding:
    """Makes accounts, in one transaction; `hashes` are of the passwords of everybody who accepts, by address."""

    def __init__(self, house: House, past: Past, hashes: Mapping[str, str]) -> None:
        """Nothing is made yet."""
        self._house, self._past, self._session, self._hashes = house, past, past.session, hashes

    async def found(self, wanted: DemoAccount, *, by: Actor | None) -> Actor:
        """An account with its licence and its people; returns its administrator at work, or whoever was invited to be it."""
        self._past.at(wanted.since, "09:12")
        await self._past.enter(by.account_id if by else None)
        self._session.info["origin"] = Origin(wanted.address, wanted.device)
        account = await self._open(wanted, by=by)
        first = wanted.people[0]
        if first.accepts:
            self._past.later(47)
            await self._join(first)
        actor = acting(self._house.catalogue, account, await self.get_user(first))
        for person in wanted.people[1:]:
            await self._invite(actor, person)
        await self._session.flush()
        return actor

    async def get_user(self, person: DemoPerson) -> User:
        """Somebody of the account entered."""
        await self._session.flush()
        user = await self._session.scalar(search_users(entered(self._session), q=person.email))
        if user is None:
            raise RuntimeError(f"the demo user {person.email} is gone")
        return user

    async def people_of(self, wanted: DemoAccount) -> dict[str, User]:
        """Everybody of the account entered, by address."""
        await self._session.flush()
        users = await self._session.scalars(select(User).where(User.account_id == entered(self._session)))
        return {user.email: user for user in users}

    async def _open(self, wanted: DemoAccount, *, by: Actor | None) -> Account:
        first = wanted.people[0]
        catalogue = self._house.catalogue
        if by is None:
            await resellers.create_operator(self._session, catalogue, name=wanted.name, email=first.email, language=wanted.language)
            await self._session.flush()
            account = await find_operator(self._session)
            assert account is not None  # noqa: S101 - it was made a moment ago
        else:
            plan = self._plan(wanted.plan)
            account, _licence, _user = await resellers.create_account(
                self._session, catalogue, by, name=wanted.name, plan=plan, slug=wanted.slug, language=wanted.language,
                kind="reseller" if wanted.kind == "reseller" else "client",
                administrator=NewAdministrator(first.email, first.name),
            )  # fmt: skip
            await self._agree(wanted, account, by)
        account.created_at, account.time_zone = self._past.moment, wanted.time_zone
        await self._session.flush()
        return account

    async def _agree(self, wanted: DemoAccount, account: Account, by: Actor) -> None:
        # What differs from the plan, and a last day, which may be past: nobody could agree to that today.
        licence = await get_licence(self._session)
        if wanted.ends_in is not None:
            licence.ends_on = self._past.today + timedelta(days=wanted.ends_in)
        terms = {**present_terms(licence), **wanted.terms}
        if terms == present_terms(licence):
            return
        self._past.later(3)
        await self._past.enter(by.account_id)
        await resellers.set_licence(
            self._session, self._house.catalogue, by, account.id, wanted=terms, version=None, reason=None, tell=False
        )
        await self._past.enter(account.id)

    async def _invite(self, actor: Actor, person: DemoPerson) -> None:
        self._past.at(person.since or 1, "10:05")
        role = person.role if person.role in self._house.catalogue.roles else ADMINISTRATOR
        await invitations.invite(self._session, self._house.catalogue, actor, email=person.email, name=person.name, role=role)
        if person.accepts:
            self._past.later(26)
            await self._join(person)

    async def _join(self, person: DemoPerson) -> None:
        # They accept; the mail that was owed for it is cancelled with that.
        user = await self.get_user(person)
        invitation = await invitation_of(self._session, user)
        identity = await self._session.get_one(Identity, user.identity_id)
        token = self._house.signer.link(
            Purpose.INVITATION, account_id=user.account_id, row_id=invitation.id, nonce=invitation.nonce
        )
        await invitation_links.accept(
            self._session, self._house.signer, token, name=person.name, new_hash=self._hashes[person.email],
            verified_hash=identity.password_hash,
        )  # fmt: skip
        invitation.accepted_at = self._past.moment
        await self._session.flush()

    def _plan(self, key: str) -> str:
        plans = self._house.catalogue.plans
        return key if key in plans else next(iter(plans))


async def account_of(past: Past, actor: Actor) -> Account:
    """The actor's account, which is entered from now on."""
    await past.enter(actor.account_id)
    return await get_account(past.session, actor.account_id)
