"""Slugs: what a new account could be called in addresses."""

from typing import Annotated

import msgspec
from litestar.params import QueryParameter

from service.dependencies import Session
from service.routes import get
from tenants.accounts import account_name
from tenants.slugs import propose_slug


class SlugProposal(msgspec.Struct):
    """A slug that nobody has at this moment."""

    slug: str


@get("/accounts/slug", right="clients.manage")
async def propose(
    session: Session, name: Annotated[str, QueryParameter(min_length=1, max_length=120, description="The account's name")]
) -> SlugProposal:
    """A free slug for an account of this name. It is nobody's yet: another one may take it first."""
    return SlugProposal(await propose_slug(session, account_name(name)))


routes = [propose]
