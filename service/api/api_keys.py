"""API keys of the account: make, list, revoke."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar.params import FromPath, JSONBody, QueryParameter

from service.dependencies import Actor, House, Session
from service.paging import Cursor, Limit, Page, read_page
from service.routes import delete, get, post
from tenants import api_keys
from tenants.api_keys import LONGEST_NAME, ApiKey, KeyScope

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST_NAME)]
Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class NewKey(msgspec.Struct, forbid_unknown_fields=True):
    """A name to recognise it by, what it may be used for, and its last moment; without one it is good until it is revoked."""

    name: Name
    scopes: Annotated[list[KeyScope], msgspec.Meta(min_length=1, max_length=20)]
    expires_at: Moment | None = None


class KeyCard(msgspec.Struct):
    """A key. `prefix` and `ending` are its first and last characters; `last_used_at` is to the minute."""

    id: UUID
    name: str
    scopes: list[str]
    prefix: str
    ending: str
    created_by: str
    created_at: datetime
    last_used_at: datetime | None
    expires_at: datetime | None
    revoked: bool
    revoked_at: datetime | None
    revoked_by: str | None


class MadeKey(KeyCard):
    """The key with its text, shown here and never again."""

    key: str


@get("/api-keys", right="integrations.view")
async def list_keys(
    session: Session,
    actor: Actor,
    house: House,
    sort: Annotated[
        str, QueryParameter(max_length=30, description="name or created_at; - before it for descending")
    ] = "-created_at",
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[KeyCard]:
    """Every key that the account has or had, revoked and expired ones included."""
    rows, next_cursor = await read_page(
        session,
        api_keys.search_keys(actor.account_id),
        columns={"name": ApiKey.name, "created_at": ApiKey.created_at},
        key=ApiKey.id,
        sort=sort,
        limit=limit,
        cursor=cursor,
        signer=house.signer,
        of=f"api_keys|{actor.account_id}",
    )
    return Page([KeyCard(**_facts(row)) for row in rows], next_cursor)


@post("/api-keys", right="integrations.manage", opt={"keeps_answer": False})
async def create_key(data: JSONBody[NewKey], session: Session, actor: Actor, house: House) -> MadeKey:
    """Make a key for an application. It belongs to the account, acts for nobody, and uses no seat. Needs the option `api`.

    Whoever makes one must have, in all departments, `sessions.view` for the scope `sessions.introspect` and `activity.view` for
    `activity.write`. At most 50 keys are live.
    """
    made = await api_keys.create_key(session, house.signer, actor, name=data.name, scopes=data.scopes, expires_at=data.expires_at)
    return MadeKey(**_facts(made.key), key=made.text)


@delete("/api-keys/{key_id:uuid}", right="integrations.manage", refuses=(404,))
async def revoke_key(key_id: FromPath[UUID], session: Session, actor: Actor) -> None:
    """Revoke a key at once and for good: its next request is refused."""
    await api_keys.revoke_key(session, actor, key_id)


def _facts(row: ApiKey) -> dict[str, Any]:
    given = {name: getattr(row, name) for name in KeyCard.__struct_fields__ if name != "revoked"}
    return {**given, "revoked": row.revoked_at is not None}


routes = [list_keys, create_key, revoke_key]
