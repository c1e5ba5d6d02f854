"""Many people are invited from a list or a file: what would happen is shown line by line first, and what did happen afterwards."""

import asyncio
from dataclasses import dataclass, replace
from typing import Annotated

from litestar.datastructures import UploadFile
from litestar.params import QueryParameter
from sqlalchemy.ext.asyncio import AsyncSession

from service.console import sent_once
from service.console.forms import Fields
from service.console.invite_fields import Room, offers, refusal, typed
from service.console.invite_report import outcome_of, packed, preview_rows, result_rows, unpacked
from service.console.routes import form, page
from service.console.user_fields import departments_of
from service.console.view import Answer, View, ViewOf
from service.csv_users import read_users, text_of
from service.dependencies import Actor, House, Session, Work
from tenants import batches, brands
from tenants.actors import Actor as ActorOf
from tenants.batches import Batch, Line
from tenants.errors import DomainError, Invalid, NotFound, QuotaReached
from tenants.house import House as HouseOf
from tenants.roles import read_palette

LARGEST_LIST = 1024 * 1024  # bytes
# A list that is pasted, or one in a file, and the form around it; a little more is taken in, to be refused beside the field.
_LARGEST_FORM = 2 * LARGEST_LIST + 64_000
_NAMES = ("list", "role", "where", "department", "language", "message")

Of = Annotated[str, QueryParameter(max_length=60, required=False, description="Which list: as the form's answer leads here")]


@page("/invite/many", right="users.manage")
async def list_page(view: ViewOf, session: Session, actor: Actor, house: House) -> Answer:
    """The form, empty."""
    return await _show_form(view, session, house, actor)


@form("/invite/many", right="users.manage", opt={"uploads": True}, request_max_body_size=_LARGEST_FORM)
async def invite_many(view: ViewOf, work: Work, actor: Actor, house: House) -> Answer:
    """Show what would happen; then, from that page, invite everybody whose line holds, or go back to the list."""
    sent = await _read(view)
    decision = sent.fields.text("decision")
    try:
        if decision == "edit":
            async with work() as session:
                return await _show_form(view, session, house, actor, fields=sent.fields)
        asked = await _judged(sent)
        if decision == "send":
            return await _send(view, work, house, actor, asked)
        async with work() as session:
            return await _show_preview(view, session, house, actor, asked)
    except NotFound:
        raise
    except DomainError as error:
        async with work() as session:
            return await _show_form(view, session, house, actor, fields=sent.fields, error=error)


@page("/invite/many/result", right="users.manage")
async def show_result(view: ViewOf, session: Session, actor: Actor, of: Of = "") -> Answer:
    """Line by line, with how far each mail is by now. Kept for a day, for whoever sent the list."""
    outcome = unpacked(await sent_once.find_outcome(session, actor.user_id, of))
    return view.show(
        "invite_result.html",
        status=200 if outcome else 404,
        brand=await brands.find_brand(session),
        outcome=outcome,
        lines=await result_rows(view, session, outcome) if outcome else [],
    )


@dataclass(frozen=True, slots=True)
class _Sent:
    """A form as it was sent, the words of its file among its fields; or what is wrong with the file."""

    fields: Fields
    error: Invalid | None = None


@dataclass(frozen=True, slots=True)
class _Asked:
    """A list that can be read: its fields, and its lines judged by themselves."""

    fields: Fields
    batch: Batch


async def _read(view: View) -> _Sent:
    sent = await view.request.form()
    file = sent.get("file")
    content = await file.read() if isinstance(file, UploadFile) else b""
    fields = await view.fields()
    if not content:
        return _Sent(fields)
    if fields.text("list").strip():
        return _Sent(fields, Invalid("list", "both"))
    if len(content) > LARGEST_LIST:
        return _Sent(fields, Invalid("list", "too_large"))
    try:
        text = text_of(content)
    except Invalid as error:
        return _Sent(fields, error)
    # From here on a file is what somebody might have pasted: it can be corrected on the page.
    return _Sent(fields.but(list=text))


async def _judged(sent: _Sent) -> _Asked:
    if sent.error is not None:
        raise sent.error
    fields = sent.fields
    content = fields.text("list").encode()
    if len(content) > LARGEST_LIST:
        raise Invalid("list", "too_large")
    departments = departments_of(fields)
    if departments is not None and not departments:
        raise Invalid("departments", "required")
    # In a thread: thousands of lines must not hold up the requests of others.
    lines = await asyncio.to_thread(read_users, content)
    usual = Line(
        number=0,
        email="",
        role=fields.text("role") or None,
        departments=None if departments is None else tuple(str(each) for each in departments),
        language=fields.text("language") or None,
        message=fields.text("message").strip() or None,
    )
    return _Asked(fields, await batches.check_lines([_completed(line, usual) for line in lines]))


def _completed(line: Line, usual: Line) -> Line:
    return replace(
        line,
        role=line.role or usual.role,
        departments=usual.departments if line.departments is None else line.departments,
        language=line.language or usual.language,
        message=line.message or usual.message,
    )


async def _send(view: View, work: Work, house: HouseOf, actor: ActorOf, asked: _Asked) -> Answer:
    mark = sent_once.mark_of(house, "/invite/many", asked.fields, _NAMES)
    try:
        async with work() as session:
            if await sent_once.is_first(session, actor, mark):
                report = await batches.invite_many(session, house.catalogue, actor, asked.batch)
                palette = await read_palette(session, house.catalogue, actor.account_kind)
                await sent_once.keep(session, actor, mark, outcome=packed(outcome_of(asked.batch, report, palette)))
    except QuotaReached:
        # Somebody else took the last places since the preview.
        async with work() as session:
            return await _show_preview(view, session, house, actor, asked, status=409)
    return view.go(f"/invite/many/result?of={mark}")


async def _show_preview(
    view: View, session: AsyncSession, house: HouseOf, actor: ActorOf, asked: _Asked, *, status: int = 200
) -> Answer:
    report = await batches.preview(session, house.catalogue, actor, asked.batch)
    palette = await read_palette(session, house.catalogue, actor.account_kind)
    outcome = outcome_of(asked.batch, report, palette)
    return view.show(
        "invite_preview.html",
        status=status,
        here="/invite/many",
        brand=await brands.find_brand(session),
        outcome=outcome,
        lines=preview_rows(view, outcome, palette),
        fits=report.fits,
        room=Room(report.users_after - report.accepted, report.users_limit),
        typed=typed(asked.fields),
        once=asked.fields.text(sent_once.FIELD),
    )


async def _show_form(
    view: View,
    session: AsyncSession,
    house: HouseOf,
    actor: ActorOf,
    *,
    fields: Fields | None = None,
    error: DomainError | None = None,
) -> Answer:
    return view.show(
        "invite_many.html", here="/invite/many", **await offers(view, session, house, actor, fields), **refusal(view, error)
    )


routes = [list_page, invite_many, show_result]
