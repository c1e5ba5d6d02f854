"""The waiting line, for administrators: to send away whoever waits. The page of connections shows it."""

from contextlib import suppress
from uuid import UUID

from litestar.params import FromPath

from service import waiting
from service.console.routes import form
from service.console.view import Answer, ViewOf
from service.dependencies import Actor, House, Session
from tenants.errors import NotFound
from tenants.full_pool import ENDS


@form("/line/clear", right=ENDS)
async def clear_line(view: ViewOf, session: Session, actor: Actor, house: House) -> Answer:
    """Everybody who waits is sent away. They may come again."""
    await waiting.clear_line(session, house, actor)
    return view.go("/connections", done="cleared")


@form("/line/{user_id:uuid}/remove", right=ENDS)
async def remove(user_id: FromPath[UUID], view: ViewOf, session: Session, actor: Actor, house: House) -> Answer:
    """One of them is."""
    with suppress(NotFound):
        await waiting.clear_line(session, house, actor, user_id=user_id)
    return view.go("/connections", done="removed")


routes = [clear_line, remove]
