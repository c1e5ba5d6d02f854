"""What an account decides for itself, changed and written into its history."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from tenants.accounts import Account, change_settings, get_account
from tenants.activity import Event, record
from tenants.actors import Actor
from tenants.catalogue import Catalogue
from tenants.restrictions import find_hidden, restrict_account


async def change_account(
    session: AsyncSession, catalogue: Catalogue, actor: Actor, *, wanted: dict[str, Any]
) -> tuple[Account, list[str]]:
    """Change these settings of the actor's account, `restrictions` among them; returns it, and the names of those that differ now.

    Works at the next request of everyone in the account. Raises Invalid, and BeyondOwnRights for sections that the actor lacks.
    """
    account = await get_account(session, actor.account_id)
    changed = []
    if "restrictions" in wanted:
        hidden = await find_hidden(session, "account")
        await restrict_account(session, catalogue, actor, account, wanted["restrictions"])
        if hidden != frozenset(wanted["restrictions"]):
            changed.append("restrictions")
    settings = {name: value for name, value in wanted.items() if name != "restrictions"}
    before, after = await change_settings(session, account, wanted=settings)
    if after:
        record(session, Event.ACCOUNT_CHANGED, by=actor, on=("account", account.id, account.name), before=before, after=after)
    return account, [*after, *changed]
