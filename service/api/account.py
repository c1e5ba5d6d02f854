"""The caller's own account: settings, licence, and who holds seats now; and the catalogue that all rights come from."""

from datetime import date, datetime
from typing import Annotated, Any, Literal

import msgspec
from litestar.params import JSONBody
from msgspec import UNSET, UnsetType
from sqlalchemy.ext.asyncio import AsyncSession

from service.api.boosts import BoostCard, boost_card
from service.api.shapes import AccountName, Sections
from service.dependencies import Actor, House, Session
from service.routes import Open, get, patch
from tenants import account_settings, accounts, boosts, licences, pools, restrictions
from tenants.accounts import Account, DocumentEvents
from tenants.catalogue import AccountKind
from tenants.departments import count_departments
from tenants.licence_phases import Phase
from tenants.licences import Licence, Overselling
from tenants.users import count_users

Labels = dict[str, str]


class AccountSettings(msgspec.Struct):
    """What an account decides for itself. `idle_timeout` in minutes; `restrictions` are sections hidden from all but administrators.

    When the pool is full, a seat may be taken from whoever made no request for `reclaim_after` minutes; null is never.

    `admin_sets_password` says whether administrators may set the first password of somebody new.

    `activity_documents` says what becomes of the application's events about documents: kept (with the licence's option of that name),
    dropped, or refused. `activity_months` are the full months that the history is kept.
    """

    id: str
    kind: AccountKind
    slug: str
    name: str
    status: str
    language: str
    time_zone: str
    seat_unit: Literal["user", "session"]
    sessions_per_user: int
    idle_timeout: int
    reclaim_after: int | None
    show_holders: bool
    admin_sets_password: bool
    activity_documents: DocumentEvents
    activity_months: int
    restrictions: list[str]


class AccountChange(msgspec.Struct, forbid_unknown_fields=True):
    """Settings to change. `idle_timeout` in minutes (5 to 240), `reclaim_after` too (1 to 240, null for never).

    With fewer `activity_months` (6 to 36), older months of the history are forgotten for good.
    """

    name: AccountName | UnsetType = UNSET
    language: Literal["fr", "en"] | UnsetType = UNSET
    time_zone: Annotated[str, msgspec.Meta(max_length=60)] | UnsetType = UNSET
    seat_unit: Literal["user", "session"] | UnsetType = UNSET
    sessions_per_user: Annotated[int, msgspec.Meta(ge=1, le=10)] | UnsetType = UNSET
    idle_timeout: Annotated[int, msgspec.Meta(ge=5, le=240)] | UnsetType = UNSET
    reclaim_after: Annotated[int, msgspec.Meta(ge=1, le=240)] | UnsetType | None = UNSET
    show_holders: bool | UnsetType = UNSET
    admin_sets_password: bool | UnsetType = UNSET
    activity_documents: DocumentEvents | UnsetType = UNSET
    activity_months: Annotated[int, msgspec.Meta(ge=6, le=36)] | UnsetType = UNSET
    restrictions: Sections | UnsetType = UNSET


class Limit(msgspec.Struct):
    """A limit and its use; `limit` null is none."""

    limit: int | None
    used: int


class LicenceChangeLine(msgspec.Struct):
    """One line of the licence's history: who in which account changed what, from and to."""

    at: datetime
    by: str
    account: str | None
    before: dict[str, Any] | None
    after: dict[str, Any]
    reason: str | None


class PoolCard(msgspec.Struct):
    """What a reseller may give to its children. `pool` null is no limit; `given` null, a child has none; oversold, `free` is negative."""

    what: Literal["seats", "users"]
    pool: int | None
    given: int | None
    free: int | None


class LicenceCard(msgspec.Struct):
    """What the account has bought, and how much of it is in use.

    `ends_on` is the last day. After it, `grace` is a week for reading; then, and before `starts_on`, administrators alone enter.
    `changes_at` is when the next phase begins. `boosts` are planned or live; `boosted` is how many seats they add now, on top of
    the licence's own limit. `pools` and `overselling` are of whoever sells: none and null for a client. `warnings` name the seller's
    pools that this very sale has passed, where its licence allows that.
    """

    plan: str
    users: Limit
    departments: Limit
    seats: Limit
    accountant_seats: int
    options: list[str]
    starts_on: date
    ends_on: date | None
    phase: Phase
    changes_at: datetime | None
    boosted: int
    boosts: list[BoostCard]
    pools: list[PoolCard]
    overselling: Overselling | None
    history: list[LicenceChangeLine]
    warnings: list[dict[str, Any]]


class SectionCard(msgspec.Struct):
    """A section and its rights."""

    key: str
    label: Labels
    rights: list[str]


class RoleCard(msgspec.Struct):
    """A built-in role of this kind of account."""

    key: str
    label: Labels
    help: Labels
    rights: list[str]


class CatalogueCard(msgspec.Struct):
    """Sections, actions and built-in roles of the caller's kind of account, in both languages."""

    actions: dict[str, Labels]
    sections: list[SectionCard]
    roles: list[RoleCard]


@get("/account", right="account.view")
async def read_account(session: Session, actor: Actor) -> AccountSettings:
    """The caller's account and its settings."""
    return await _settings(session, await accounts.get_account(session, actor.account_id))


@patch("/account", right="account.manage")
async def change_account(data: JSONBody[AccountChange], session: Session, actor: Actor, house: House) -> AccountSettings:
    """Change settings; they work at the next request of everyone in the account."""
    wanted = {name: value for name, value in msgspec.structs.asdict(data).items() if value is not UNSET}
    account, _ = await account_settings.change_account(session, house.catalogue, actor, wanted=wanted)
    return await _settings(session, account)


@get("/account/licence", right="licence.view")
async def read_licence(session: Session, actor: Actor, house: House) -> LicenceCard:
    """Plan, limits with their use, options, dates and history."""
    presence = await house.seats.presence(actor.account_id)
    return await licence_card(session, await licences.get_licence(session), in_use=presence.in_use)


@get("/catalogue", right=Open.TO_SIGNED_IN, opt={"visitors": True}, sync_to_thread=False)
def read_catalogue(actor: Actor, house: House) -> CatalogueCard:
    """What rights exist in this kind of account, and which roles are built in."""
    catalogue = house.catalogue
    here = catalogue.rights_of(actor.account_kind)
    return CatalogueCard(
        actions={name: dict(labels) for name, labels in catalogue.actions.items()},
        sections=[
            SectionCard(s.key, dict(s.label), list(s.rights)) for s in catalogue.sections if actor.account_kind in s.account_kinds
        ],
        roles=[
            RoleCard(r.key, dict(r.label), dict(r.help), [right for right in catalogue.rights if right in r.rights & here])
            for r in catalogue.roles.values()
        ],
    )


async def licence_card(session: AsyncSession, licence: Licence, *, in_use: int) -> LicenceCard:
    """A licence of the account entered, as its holder and its seller see it."""
    changes = await licences.search_changes(session, limit=50)
    changers = await accounts.find_names(session, {change.by_account_id for change in changes if change.by_account_id})
    phase, changes_at = await licences.read_stage(session)
    current, now = await boosts.find_current(session), await boosts.database_now(session)
    time_zone = await boosts.time_zone_of(session)
    sells = (await accounts.get_account(session, licence.account_id)).kind != "client"
    return LicenceCard(
        plan=licence.plan,
        users=Limit(licence.users, await count_users(session)),
        departments=Limit(licence.departments, await count_departments(session)),
        seats=Limit(licence.seats, in_use),
        accountant_seats=licence.accountant_seats,
        options=list(licence.options),
        starts_on=licence.starts_on,
        ends_on=licence.ends_on,
        phase=phase,
        changes_at=changes_at,
        boosted=boosts.seats_now(current, time_zone, now),
        boosts=[boost_card(boost, time_zone, now) for boost in current],
        pools=[PoolCard(each.what, each.pool, each.given, each.free) for each in await pools.read_pools(session)] if sells else [],
        overselling=licence.overselling if sells else None,
        history=[
            LicenceChangeLine(
                c.at, c.by_name, changers.get(c.by_account_id) if c.by_account_id else None, c.before, c.after, c.reason
            )
            for c in changes
        ],
        warnings=pools.warnings_of(session),
    )


async def _settings(session: AsyncSession, account: Account) -> AccountSettings:
    return AccountSettings(
        id=str(account.id),
        kind=account.kind,
        slug=account.slug,
        name=account.name,
        status=account.status,
        language=account.language,
        time_zone=account.time_zone,
        seat_unit=account.seat_unit,
        sessions_per_user=account.sessions_per_user,
        idle_timeout=account.idle_timeout,
        reclaim_after=account.reclaim_after,
        show_holders=account.show_holders,
        admin_sets_password=account.admin_sets_password,
        activity_documents=account.activity_documents,
        activity_months=account.activity_months,
        restrictions=sorted(await restrictions.find_hidden(session, "account")),
    )


routes = [read_account, change_account, read_licence, read_catalogue]
