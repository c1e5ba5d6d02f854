"""The pool: what a seller may give to its clients, what it has given, and to whom."""

from sqlalchemy import select

from service.client_pages import Wanted, clients_at_work, page_of_clients
from service.console.client_words import SHAPES, status_words
from service.console.routes import page
from service.console.view import Answer, ViewOf
from service.dependencies import Actor, House, Session
from service.paging import Cursor
from tenants import brands, licences, pools
from tenants.licences import Licence

_AT_ONCE = 50


@page("/pool", right="clients.view")
async def pool_page(view: ViewOf, session: Session, actor: Actor, house: House, cursor: Cursor = None) -> Answer:
    """Places and users: how many there are, how many are given, and what each client has of them."""
    wanted = Wanted(actor.account_id)
    ids, following = await page_of_clients(
        session, house, wanted, of="pool pages", sort="name", limit=_AT_ONCE, cursor=cursor or None
    )
    clients = await clients_at_work(session, house, ids)
    sellers = [client.id for client, _ in clients if client.kind == "reseller"]
    onward = select(Licence.account_id, Licence.pool_seats).where(Licence.account_id.in_(sellers))
    rows = await session.execute(onward.execution_options(across_accounts=True))
    return view.show(
        "pool.html",
        brand=await brands.find_brand(session),
        pools=await pools.read_pools(session),
        overselling=(await licences.get_licence(session)).overselling,
        clients=clients,
        onward={row.account_id: row.pool_seats for row in rows},
        shapes=SHAPES,
        statuses=status_words(view),
        start="/pool",
        more=f"/pool?cursor={following}" if following else None,
        first=bool(cursor),
    )


routes = [pool_page]
