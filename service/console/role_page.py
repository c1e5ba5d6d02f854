"""One role: its rights box by box, what is hidden for it, what a change would do before it is saved, and its end."""

from dataclasses import replace
from typing import Any

from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from service.console import sent_once
from service.console.role_drafts import WHOLE_FORM, Draft, kept_draft, typed_draft
from service.console.role_matrix import by_section, rights_to_give, tables, turned
from service.console.role_words import frozen, read_guards, refusal_in_words
from service.console.roles import may_copy
from service.console.routes import form, page
from service.console.view import Answer, View, ViewOf
from service.dependencies import Actor, House, Session, Work
from service.etags import must_match
from tenants import brands, custom_roles
from tenants.actors import Actor as ActorOf
from tenants.catalogue import ADMINISTRATOR
from tenants.custom_roles import LONGEST_NAME, count_holders, lock_palette
from tenants.errors import DomainError, NotFound, OptionMissing, Unavailable, VersionConflict
from tenants.house import House as HouseOf
from tenants.roles import Palette, read_palette


def _(text: str) -> str:
    # Marks a text for the catalogue; it is translated when the reader is known.
    return text


SAID = {
    "created": _("The role is created. Tick what it may do, and give it to people on their own pages."),
    "saved": _("The role is saved. It works at the next click of everybody who has it."),
}


@page("/roles/{role_id:str}", right="roles.view")
async def show_role(role_id: FromPath[str], view: ViewOf, session: Session, actor: Actor, house: House) -> Answer:
    """The role; with boxes for whoever can change it, and the reason for everybody else."""
    palette = await read_palette(session, house.catalogue, actor.account_kind)
    return await _show(view, session, house, actor, palette, key=role_id)


@form("/roles/{role_id:str}", right="roles.manage")
async def change_role(role_id: FromPath[str], view: ViewOf, work: Work, actor: Actor, house: House) -> Answer:
    """Tick a whole row or column, tell what a change would do, or make it once that was seen."""
    fields = await view.fields()
    whole, decision = fields.text("whole"), fields.text("decision")
    draft = None
    try:
        async with work() as session:
            palette = await _read(session, house, actor, lock=decision == "save")
            draft, now = typed_draft(fields, palette, actor, role_id), kept_draft(palette, role_id)
            if whole or decision == "back":
                mine = rights_to_give(actor, house.catalogue)
                rights = turned(house.catalogue, actor.account_kind, draft.rights, whole, mine=mine)
                return await _show(
                    view, session, house, actor, palette, key=role_id, draft=replace(draft, rights=rights), whole=whole
                )
            wanted = draft.differs(now)
            if wanted:
                draft.must_be_current(now)
                custom_roles.must_be_possible(palette, actor, role_id, wanted=wanted)
            if decision != "save":
                return await _review(view, session, house, actor, palette, key=role_id, draft=draft, wanted=wanted)
            # Sent twice, there is nothing left to change.
            if wanted:
                await custom_roles.change_role(session, palette, actor, role_id, wanted=wanted)
    except (NotFound, Unavailable):
        raise
    except DomainError as error:
        async with work() as session:
            palette = await _read(session, house, actor)
            return await _show(view, session, house, actor, palette, key=role_id, draft=draft, error=error)
    return view.go(f"/roles/{role_id}", done="saved")


@form("/roles/{role_id:str}/delete", right="roles.manage")
async def delete_role(role_id: FromPath[str], view: ViewOf, work: Work, actor: Actor, house: House) -> Answer:
    """Delete an own role. Its holders get the role that was chosen."""
    fields = await view.fields()
    replacement = fields.text("replacement") or None
    mark = sent_once.mark_of(house, f"/roles/{role_id}/delete", fields, ("replacement", "version"))
    try:
        async with work() as session:
            if not await sent_once.is_first(session, actor, mark):
                return view.go("/roles", done="deleted")
            palette = await _read(session, house, actor, lock=True)
            must_match(fields.text("version"), kept_draft(palette, role_id).version)
            await custom_roles.delete_role(session, palette, actor, role_id, replacement=replacement)
            await sent_once.keep(session, actor, mark)
    except (NotFound, Unavailable):
        raise
    except DomainError as error:
        async with work() as session:
            palette = await _read(session, house, actor)
            return await _show(view, session, house, actor, palette, key=role_id, error=error, replacement=replacement)
    return view.go("/roles", done="deleted")


async def _read(session: AsyncSession, house: HouseOf, actor: ActorOf, *, lock: bool = False) -> Palette:
    if lock:
        return await lock_palette(session, house.catalogue, actor)
    return await read_palette(session, house.catalogue, actor.account_kind)


async def _show(
    view: View,
    session: AsyncSession,
    house: HouseOf,
    actor: ActorOf,
    palette: Palette,
    *,
    key: str,
    draft: Draft | None = None,
    whole: str = "",
    error: DomainError | None = None,
    replacement: str | None = None,
) -> Answer:
    now = kept_draft(palette, key)
    shown = draft or now
    guards = read_guards(view, palette, actor, key) if actor.may("roles.manage") else None
    return view.show(
        "role.html",
        here=f"/roles/{key}",
        brand=await brands.find_brand(session),
        said=None if draft or error else view.said(SAID),
        role=_head(view, palette, key, (await count_holders(session, [key])).get(key, 0)),
        # Reviewed again, what was typed is compared with what somebody else wrote.
        draft=replace(shown, version=now.version) if isinstance(error, VersionConflict) else shown,
        now=now,
        pressed=whole,
        guards=guards,
        **_matrix(view, palette, actor, key, ticked=shown.rights),
        copy=guards is not None and may_copy(palette, actor, key),
        hiding=_to_hide(view, palette, shown),
        replacements=_replacements(view, palette, actor, key) if guards and not guards.delete else [],
        replacement=replacement,
        longest=LONGEST_NAME,
        whole_form=WHOLE_FORM,
        **refusal_in_words(view, error),
    )


def _matrix(view: View, palette: Palette, actor: ActorOf, key: str, *, ticked: frozenset[str]) -> dict[str, Any]:
    mine, was, works = rights_to_give(actor, palette.catalogue), palette.rights(key), palette.gives(key)
    found = tables(palette.catalogue, palette.kind, view.language, ticked=ticked, was=was, mine=mine, works=works)
    return {"tables": found, "fewer": not mine >= palette.catalogue.rights_of(palette.kind)}


async def _review(
    view: View,
    session: AsyncSession,
    house: HouseOf,
    actor: ActorOf,
    palette: Palette,
    *,
    key: str,
    draft: Draft,
    wanted: dict[str, Any],
) -> Answer:
    now = kept_draft(palette, key)
    effect = await custom_roles.preview_role(session, palette, key, wanted=wanted)
    added, removed = draft.rights - now.rights, now.rights - draft.rights
    labels = {section.key: section.label[view.language] for section in house.catalogue.sections}
    counts = {*effect.gains.values(), *effect.loses.values()}
    return view.show(
        "role_review.html",
        here=f"/roles/{key}",
        brand=await brands.find_brand(session),
        role=_head(view, palette, key, effect.users),
        draft=draft,
        whole_form=WHOLE_FORM,
        wanted=wanted,
        added=by_section(house.catalogue, view.language, added),
        removed=by_section(house.catalogue, view.language, removed),
        numbers=(len(added), len(removed), effect.users if counts else 0),
        hidden=[labels[section] for section in sorted(draft.hidden - now.hidden)],
        shown=[labels[section] for section in sorted(now.hidden - draft.hidden)],
        uneven=bool(counts - {effect.users}) or not added <= effect.gains.keys(),
        loses=by_section(house.catalogue, view.language, frozenset(effect.loses)) if key == actor.role and not actor.visit else [],
    )


def _head(view: View, palette: Palette, key: str, users: int) -> dict[str, Any]:
    own = palette.own.get(key)
    return {
        "key": key,
        "own": own is not None,
        "name": palette.name_of(key, view.language),
        "help": "" if own else palette.catalogue.roles[key].help[view.language],
        "frozen": frozen(view, palette, key),
        "administers": key == ADMINISTRATOR,
        "users": users,
    }


def _to_hide(view: View, palette: Palette, shown: Draft) -> list[tuple[str, str, bool]]:
    # What the role does not give needs no hiding; what is hidden already is always there to be shown again.
    return [
        (section.key, section.label[view.language], section.key in shown.hidden)
        for section in palette.catalogue.sections
        if palette.kind in section.account_kinds and (section.key in shown.hidden or shown.rights.intersection(section.rights))
    ]


def _replacements(view: View, palette: Palette, actor: ActorOf, key: str) -> list[tuple[str, str]]:
    found = []
    for other in (*palette.catalogue.roles, *palette.own):
        if other != key and palette.rights(other) and actor.may_give(palette.reach(other), None):
            try:
                found.append((palette.must_know(other), palette.name_of(other, view.language)))
            except OptionMissing:
                continue
    return found


routes = [show_role, change_role, delete_role]
