"""What became of the demo's companies: a larger plan, departments, a role, boosts, requests, a suspension."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from service.demo_accounts import Founding, account_of
from service.demo_past import Past, id_of
from service.demo_people import BONNET, BRAND, DEPARTMENTS, MOREL, NORTHWIND, STOREKEEPER, STOREKEEPERS_RIGHTS, WHERE
from tenants import api_keys, brands, resellers, seat_requests, statuses, visit_permissions
from tenants.account_settings import change_account
from tenants.accounts import Account
from tenants.activity import Event, record
from tenants.actors import Actor
from tenants.api_keys import ApiKey, KeyScope
from tenants.assignments import change_user
from tenants.boosts import Boost
from tenants.custom_roles import create_role
from tenants.departments import create_department
from tenants.house import House
from tenants.licences import get_licence
from tenants.seat_requests import OPEN_FOR, SeatRequest
from tenants.tokens import new_nonce

#: Atelier Morel had a seat more on these days, counted back from the present one.
BOOSTED = range(31, 46)
_OPTIONS = ["activity_documents", "api", "custom_roles"]
_WEEK = timedelta(days=7)
_MONDAY = {"days": [1], "from_minute": 8 * 60, "to_minute": 12 * 60}


class Story:
    """What was done in the accounts that were founded; `seller` is the reseller's administrator."""

    def __init__(self, house: House, past: Past, founding: Founding, seller: Actor) -> None:
        """Nothing is done yet."""
        self._house, self._past, self._session, self._founding, self._seller = house, past, past.session, founding, seller

    async def of_the_reseller(self) -> None:
        """What its clients see on their mails and pages, where the licence has it."""
        self._past.at(90, "11:20")
        await self._past.enter(self._seller.account_id)
        if brands.OPTION in (await get_licence(self._session)).options:
            await brands.set_brand(self._session, self._seller, wanted=BRAND)

    async def of_morel(self, claire: Actor) -> ApiKey:
        """A small company that grows: returns the key of the application that reports its documents."""
        catalogue, account = self._house.catalogue, await account_of(self._past, claire)
        people = {user.name: user for user in (await self._founding.people_of(MOREL)).values()}
        self._past.at(66, "17:45")
        await statuses.strike_off(self._session, catalogue, claire, people["Bruno Petit"].id)
        await self._grow(account)
        self._past.at(60, "09:30")
        places = {name: await create_department(self._session, claire, name=name, code=code) for name, code in DEPARTMENTS}
        await self._give_a_role(claire, people["Nadia Belkacem"].id)
        for name, where in WHERE.items():
            wanted = {"departments": [places[each].id for each in where]}
            await change_user(self._session, catalogue, claire, people[name].id, wanted=wanted)
        self._past.at(54, "14:10")
        hidden = {"reports", "staff"} & {section.key for section in catalogue.sections}
        await change_account(
            self._session, catalogue, claire, wanted={"activity_documents": "kept", "restrictions": sorted(hidden)}
        )
        self._past.later(20)
        scopes = [KeyScope.ACTIVITY_WRITE, KeyScope.SESSIONS_INTROSPECT]
        made = await api_keys.create_key(self._session, self._house.signer, claire, name="Gestion de chantiers", scopes=scopes)
        await self._boosts_of_morel(account, claire)
        self._past.at(17, "18:05")
        until = self._past.moment + 20 * _WEEK
        reason = "Chantier terminé, retour prévu au printemps"
        await statuses.suspend(self._session, catalogue, claire, people["Karim Benali"].id, until=until, reason=reason)
        await self._let_in(claire)
        return made.key

    async def of_northwind(self, emily: Actor) -> None:
        """A company at its cap: one request refused, one waiting."""
        account = await account_of(self._past, emily)
        self._past.at(48, "10:15")
        request = await self._asked(account, emily, seats=3, until=None, reason="New workshop")
        self._past.later(1500)
        await self._decided(account, request, "refused", message="One more place should do: let us talk about it")
        self._past.at(1, "16:40")
        made = await seat_requests.ask(
            self._session, self._house.catalogue, emily, seats=1, reason="Two people are turned away nearly every afternoon"
        )
        made.created_at = self._past.moment
        self._past.at(3, "15:00")
        starts = self._past.monday(3, zone=NORTHWIND.time_zone)
        await self._boost(account, starts_at=starts, ends_at=starts + _WEEK, reason="Stocktaking")

    async def of_bonnet(self, yves: Actor) -> None:
        """A client whose invoice was not paid."""
        account = await account_of(self._past, yves)
        self._past.at(BONNET.until, "17:00")
        account.status = "suspended"
        for place in (account.id, self._seller.account_id):
            await self._past.enter(place)
            on = ("account", account.id, account.name)
            record(self._session, Event.ACCOUNT_STATUS_CHANGED, by=self._seller, on=on, before="active", after="suspended")
        await self._past.enter(account.id)

    async def _grow(self, account: Account) -> None:
        self._past.at(61, "16:20")
        plan = "pro" if "pro" in self._house.catalogue.plans else (await get_licence(self._session)).plan
        terms: dict[str, Any] = {"plan": plan, "users": 6, "departments": 5, "seats": 3, "accountant_seats": 0, "options": _OPTIONS}
        await self._past.enter(self._seller.account_id)
        await resellers.set_licence(
            self._session, self._house.catalogue, self._seller, account.id, wanted=terms, version=None,
            reason="Passage à Pro", tell=False,
        )  # fmt: skip
        await self._past.enter(account.id)

    async def _give_a_role(self, claire: Actor, nadia: UUID) -> None:
        catalogue = self._house.catalogue
        rights = sorted(catalogue.rights_of(claire.account_kind) & STOREKEEPERS_RIGHTS)
        if rights:
            self._past.at(59, "11:40")
            await self._session.flush()
            role = await create_role(self._session, catalogue, claire, name=STOREKEEPER, rights=rights)
            self._past.later(4)
            await self._session.flush()
            await change_user(self._session, catalogue, claire, nadia, wanted={"role": role})

    async def _boosts_of_morel(self, account: Account, claire: Actor) -> None:
        self._past.at(BOOSTED.stop + 1, "09:50")
        until = self._past.moment + timedelta(days=len(BOOSTED))
        request = await self._asked(account, claire, seats=1, until=until, reason="Un intérimaire pendant deux semaines")
        self._past.later(170)
        await self._decided(account, request, "approved", message=None)
        await self._boost(account, starts_at=self._past.moment, ends_at=until, reason="Un intérimaire pendant deux semaines")
        self._past.at(4, "10:30")
        monday = self._past.monday(2)
        await self._boost(account, starts_at=monday, ends_at=None, reason="Comptabilité du lundi matin", **_MONDAY)

    async def _boost(self, account: Account, *, reason: str, **when: Any) -> None:
        # A boost that is over could not be given any more.
        seller = self._seller
        boost = Boost(
            account_id=account.id, id=id_of(self._past.moment), seats=1, reason=reason, by_account_id=seller.account_id,
            by_user_id=seller.user_id, by_name=seller.name, **when,
        )  # fmt: skip
        self._session.add(boost)
        for place in (seller.account_id, account.id):
            await self._past.enter(place)
            on = ("account", account.id, account.name)
            record(self._session, Event.BOOST_GIVEN, by=seller, on=on, **boost.facts, reason=reason)

    async def _asked(self, account: Account, by: Actor, *, seats: int, until: Any, reason: str) -> SeatRequest:
        request = SeatRequest(
            account_id=account.id, id=id_of(self._past.moment), seats=seats, until=until, reason=reason, user_id=by.user_id,
            asked_by=by.name, nonce=new_nonce(), state="open", expires_at=self._past.moment + OPEN_FOR,
        )  # fmt: skip
        self._session.add(request)
        await self._session.flush()
        facts = {"seats": seats, "until": until, "reason": reason}
        await seat_requests.tell_both(self._session, Event.SEAT_REQUESTED, request, account, by=by, **facts)
        return request

    async def _decided(self, account: Account, request: SeatRequest, outcome: str, *, message: str | None) -> None:
        granted = {"granted_seats": request.seats, "granted_until": request.until} if outcome == "approved" else {}
        for name, value in {**granted, "state": outcome, "message": message}.items():
            setattr(request, name, value)
        request.decided_at, request.decided_by, request.decided_by_user_id = (
            self._past.moment,
            self._seller.name,
            self._seller.user_id,
        )
        facts = {"outcome": outcome, "asked": request.seats, "seats": request.granted_seats, "until": request.granted_until}
        event = Event.SEAT_REQUEST_DECIDED
        await seat_requests.tell_both(self._session, event, request, account, by=self._seller, **facts, message=message)

    async def _let_in(self, claire: Actor) -> None:
        self._past.at(1, "11:15")
        role = "user" if "user" in self._house.catalogue.roles else next(iter(self._house.catalogue.roles))
        made = await visit_permissions.allow_visits(
            self._session, self._house.catalogue, claire, visitor="reseller", once=True, role=role,
            reason="Aide au paramétrage des modèles de devis",
        )  # fmt: skip
        made.given_at = self._past.moment
