"""The operator's view of the installation: whether its parts work, mail that did not go out, and the catalogue it sells from."""

from typing import Any
from uuid import UUID

from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from service.console.client_words import OPTION_LABELS, labels, wrong
from service.console.routes import form, page
from service.console.view import Answer, View, ViewOf, status_of
from service.dependencies import Actor, House, Session, Work
from service.health import readiness
from tenants import brands, mail_queue
from tenants.accounts import find_names
from tenants.catalogue import ACCOUNT_KINDS, OPTIONS
from tenants.errors import NotInState
from tenants.house import House as HouseOf
from tenants.mail_queue import REFUSED_WITHIN
from tenants.outbox import Letter, step_into_sorting_room


def _(text: str) -> str:
    # Marks a text for the catalogue; it is translated when the reader is known.
    return text


DONE = {"again": _("The mail is owed again. It goes out within seconds, unless what it is about is over.")}
LETTERS: dict[str, str] = {
    Letter.INVITATION: _("Invitation"),
    Letter.INVITATION_RENEWAL: _("Somebody asks for a new invitation"),
    Letter.PASSWORD_RESET: _("Password reset"),
    Letter.PASSWORD_CHANGED: _("Password changed"),
    Letter.SEATS_CHANGED: _("Places changed"),
    Letter.BOOST_GIVEN: _("Boost given"),
    Letter.BOOST_ENDED: _("Boost ended"),
    Letter.POOL_OVERSOLD: _("Pool oversold"),
    Letter.VISIT_BEGAN: _("Visit begun"),
    Letter.EMAIL_CHANGE: _("New address to confirm"),
    Letter.EMAIL_CHANGED: _("Address changed"),
    Letter.LICENCE_ENDING: _("Licence ends soon"),
    Letter.LICENCE_ENDED: _("Licence ended"),
    Letter.SEAT_REQUESTED: _("Request for places"),
    Letter.SEAT_REQUEST_REMINDER: _("Reminder of a request for places"),
    Letter.SEAT_REQUEST_DECIDED: _("Answer to a request for places"),
}
KINDS = {"operator": _("Operator"), "reseller": _("Resellers"), "client": _("Clients")}


@page("/system", right="platform.view")
async def system_page(view: ViewOf, session: Session, house: House) -> Answer:
    """Parts, mail and catalogue."""
    return await _show(view, session, house)


@form("/system/mail/{mail_id:uuid}/again", right="platform.manage")
async def try_again(mail_id: FromPath[UUID], view: ViewOf, actor: Actor, house: House, work: Work) -> Answer:
    """Owe a mail once more that did not go out."""
    try:
        async with work() as session:
            await mail_queue.try_again(session, actor, mail_id)
    except NotInState as error:
        async with work() as session:
            return await _show(view, session, house, status=status_of(error), **wrong(view, error))
    return view.go("/system", done="again")


async def _show(view: View, session: AsyncSession, house: HouseOf, *, status: int = 200, **told: Any) -> Answer:
    brand = await brands.find_brand(session)
    await step_into_sorting_room(session)
    counts, troubles = await mail_queue.count_mail(session), await mail_queue.find_troubles(session)
    known: dict[str, Any] = {"complaints": [], "notice": None}
    return view.show(
        "system.html",
        status=status,
        here="/system",
        brand=brand,
        said=view.said(DONE),
        ready=await readiness(house),
        counts=counts,
        troubles=troubles,
        names=await find_names(session, {each.account_id for each in troubles}),
        letters=labels(view, LETTERS),
        refused_days=REFUSED_WITHIN.days,
        catalogue=house.catalogue,
        kinds=[(kind, view.say(KINDS[kind])) for kind in ACCOUNT_KINDS],
        options=[(option, view.say(OPTION_LABELS[option])) for option in OPTIONS],
        **(known | told),
    )


routes = [system_page, try_again]
