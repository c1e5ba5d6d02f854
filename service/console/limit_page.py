"""The page that says that all places are taken, while it is open: its script asks again and again how things stand."""

import asyncio

from service import waiting
from service.console.branding import brand_of_account
from service.console.browser import own_path
from service.console.entering import show_refusal
from service.console.routes import form
from service.console.view import Answer, ViewOf
from service.dependencies import House
from service.routes import Open
from tenants import waiting_line
from tenants.errors import DomainError, InvalidCredentials
from tenants.full_pool import TurnedAway, seats_now
from tenants.tickets import lasting_ticket, read_ticket

# Seconds that the server waits out, as for whoever stands in line: browsers slow down the clocks of pages that nobody sees.
_SLOWLY = 3


# Posted, because the ticket has no business in an address. It changes nothing, and takes no place.
@form("/full", right=Open.TO_ANYONE)
async def look_again(view: ViewOf, house: House) -> Answer:
    """The page as it would be by now. A ticket that is about to end is renewed in it."""
    fields = await view.fields()
    ticket = fields.text("ticket")
    try:
        if fields.text("slowly"):
            read_ticket(house.signer, ticket)
            await asyncio.sleep(_SLOWLY)
        asker = await waiting.who_asks(house, ticket=ticket, token=None)
        if asker.candidate is None:
            raise InvalidCredentials
        # A place that came free is the next one's in line: whoever looks must not read of it before.
        await waiting_line.look(house.door, asker.account_id, asker.user_id)
        kept = await house.seats.kept(asker.account_id, but=asker.user_id)
        now = await seats_now(house.door, house.signer, TurnedAway(asker.candidate, asker.place), held=kept)
    except DomainError as error:
        return await show_refusal(view, error, fields)
    facts = now.facts | {"ticket": lasting_ticket(house.signer, ticket)}
    brand = await brand_of_account(house, asker.account_id)
    return view.show("full.html", here="", brand=brand, next=own_path(fields.text("next")), lost=None, **facts)


routes = [look_again]
