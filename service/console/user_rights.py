"""What somebody may do, section by section, and why: the chain that decided, in plain words; and what is hidden from them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import UUID

from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from service.console.routes import form, page
from service.console.user_guards import read_guards
from service.console.user_view import Known, head_of
from service.console.user_words import STATUSES, refusal_in_words
from service.console.view import Answer, View, ViewOf
from service.dependencies import Actor, House, Session, Work
from tenants import assignments
from tenants.actors import Actor as ActorOf
from tenants.catalogue import ADMINISTRATOR, FALLBACK, Section
from tenants.errors import DomainError, NotFound, Unavailable
from tenants.house import House as HouseOf
from tenants.languages import written_day
from tenants.users import get_user
from tenants.why import Case, Step, read_case


def _(text: str) -> str:
    # Marks a text for the catalogue; it is translated when the reader is known.
    return text


SAID = {"hidden": _("What is hidden from this person is changed. It works at their next click.")}
_ACCOUNTS = {
    "active": _("The account is active."),
    "suspended": _("The account is suspended."),
    "closed": _("The account is closed."),
}
_PHASES = {
    "not_started": _("The licence begins on %(from)s. Until then administrators alone can sign in."),
    "running": _("The licence runs."),
    "grace": _("The licence ended on %(until)s. For a week everybody can still look at everything, and change nothing."),
    "over": _("The licence ended on %(until)s. Administrators alone can sign in, and change nothing in the application."),
}
_HIDDEN = {
    "account": _("hidden in the whole account"),
    "role": _("hidden for the role “%(role)s”"),
    "user": _("hidden from this person"),
}
# What is true of everything at once is said above the sections.
_GENERAL = frozenset({"status", "account"})


@dataclass(slots=True)
class _SectionLine:
    """A section with what the person may do in it; and what not, by the reason."""

    label: str
    may: list[str] = field(default_factory=list)
    may_not: dict[str, list[str]] = field(default_factory=dict)


@page("/users/{user_id:uuid}/rights", right="users.view")
async def show_rights(user_id: FromPath[UUID], view: ViewOf, session: Session, actor: Actor, house: House) -> Answer:
    """Every right of this kind of account, had or not, each with what decided."""
    return await _show(view, session, house, actor, user_id)


@form("/users/{user_id:uuid}/restrictions", right="users.manage")
async def hide(user_id: FromPath[UUID], view: ViewOf, work: Work, actor: Actor, house: House) -> Answer:
    """Hide exactly the ticked sections from this person."""
    sections = (await view.fields()).several("section")
    try:
        async with work() as session:
            await assignments.change_user(session, house.catalogue, actor, user_id, wanted={"restrictions": sections})
    except (NotFound, Unavailable):
        raise
    except DomainError as error:
        async with work() as session:
            return await _show(view, session, house, actor, user_id, typed=sections, error=error)
    return view.go(f"/users/{user_id}/rights", done="hidden")


async def _show(
    view: View,
    session: AsyncSession,
    house: HouseOf,
    actor: ActorOf,
    user_id: UUID,
    *,
    typed: list[str] | None = None,
    error: DomainError | None = None,
) -> Answer:
    case = await read_case(session, house.catalogue, await get_user(session, user_id))
    known = Known(case.user, case.account, case.palette, case.hidden)
    guards = await read_guards(session, actor, known.palette, known.user, known.hidden)
    here = [section for section in house.catalogue.sections if actor.account_kind in section.account_kinds]
    return view.show(
        "user_rights.html",
        here=f"/users/{user_id}/rights",
        said=None if error else view.said(SAID),
        general=_general(view, case),
        blocked=any(not step.grants for step in case.steps(here[0].rights[0]) if step.by in _GENERAL),
        groups=[
            (administration, [_line(view, case, section) for section in here if section.administration == administration])
            for administration in (False, True)
        ],
        sections=_to_hide(view, known, here, typed),
        changes=actor.may("users.manage") and guards.refusal is None,
        administers=known.user.role == ADMINISTRATOR,
        **await head_of(view, session, known),
        **refusal_in_words(view, error),
    )


def _to_hide(view: View, known: Known, here: list[Section], typed: list[str] | None) -> list[tuple[str, str, bool]]:
    # What the role does not give needs no hiding; what is hidden already is always there to be shown again.
    hidden = known.hidden if typed is None else frozenset(typed)
    given = known.palette.rights(known.user.role)
    return [
        (section.key, section.label[view.language], section.key in hidden)
        for section in here
        if section.key in hidden or given.intersection(section.rights)
    ]


def _line(view: View, case: Case, section: Section) -> _SectionLine:
    line = _SectionLine(section.label[view.language])
    for action in section.actions:
        label = case.palette.catalogue.actions[action][view.language]
        refused = [step for step in case.steps(f"{section.key}.{action}") if not step.grants and step.by not in _GENERAL]
        if refused:
            line.may_not.setdefault("; ".join(_why(view, case, step) for step in refused), []).append(label)
        else:
            line.may.append(label)
    return line


def _why(view: View, case: Case, step: Step) -> str:
    role = case.palette.name_of(case.user.role, view.language)
    match step.by:
        case "role":
            return view.say("not in the role “%(role)s”", role=role)
        case "option":
            fallback = case.palette.name_of(FALLBACK, view.language)
            return view.say("the licence lacks roles of your own: only what “%(role)s” has too remains", role=fallback)
        case "restriction":
            text = _HIDDEN[step.facts["scope"]]
            return view.say(text, role=role) if step.facts["scope"] == "role" else view.say(text)
        case _:
            return view.say("the licence does not run")


def _general(view: View, case: Case) -> Iterator[tuple[bool, str]]:
    # The chain, in the order in which it is asked.
    user, palette = case.user, case.palette
    yield user.standing == "active", view.say("Status: %(status)s", status=view.say(STATUSES[user.standing]))
    yield case.account.standing == "active", view.say(_ACCOUNTS[case.account.standing])
    [licence] = [step for step in case.steps(palette.catalogue.rights[0]) if step.by == "licence"]
    yield licence.facts["phase"] == "running", _licence(view, licence.facts)
    yield True, view.say("Role: %(role)s", role=palette.name_of(user.role, view.language))
    if user.departments is not None:
        names = ", ".join(palette.departments[each].name for each in user.departments if each in palette.departments)
        yield True, view.say("Only in these departments: %(names)s", names=names)


def _licence(view: View, facts: dict[str, Any]) -> str:
    text = _PHASES[facts["phase"]]
    if facts["phase"] == "not_started":
        return view.say(text, **{"from": _day(view, facts["starts_on"])})
    return view.say(text, until=_day(view, facts["ends_on"])) if facts["phase"] != "running" else view.say(text)


def _day(view: View, text: str) -> str:
    return written_day(date.fromisoformat(text), view.language)


routes = [show_rights, hide]
