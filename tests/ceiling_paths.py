"""The paths of X3: every way to give something or to change somebody, with what whoever takes it must have."""

from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from tenants.users import Status
from tests import ceilings
from tests.ceilings import BOTH, HIDDEN, ROLES, TARGETS, Asked, Rights, Somebody, Where, World, effective

NOTHING: Rights = frozenset()
#: Roles to give, and places to put somebody.
GIVEN = ("administrator", "simple_administrator", "user", "Keeper", "Reader", "Veiled")
PLACES: tuple[Where, ...] = (None, ("Paris",), ("Lyon",), BOTH)
#: For the ways whose twin is tried on every target.
FEW = (
    Somebody("administrator"),
    Somebody("accountant"),
    Somebody("Reader", BOTH),
    Somebody("Stocker", ("Paris",), hidden=("stock",)),
)
#: Who is moved, between roles and between places.
MOVED = (Somebody("Reader"), Somebody("Reader", ("Paris",)), Somebody("Reader", ("Lyon",)), Somebody("user", ("Paris",)))


@dataclass
class Try:
    """One request, and all that whoever makes it must have. `spoils` is what it changes when it is let through."""

    what: str
    path: str
    body: Any
    asks: tuple[Asked, ...]
    spoils: Any = None


Tries = AsyncIterator[Try]


@dataclass(frozen=True)
class Path:
    """A way to give something or to change somebody; `right` is what its route names."""

    operation: str
    right: str
    tries: Callable[[World], Tries]


PATHS: list[Path] = []


def path(operation: str, right: str) -> Callable[[Callable[[World], Tries]], Callable[[World], Tries]]:
    """Enter a function into the table; its name says what is tried."""

    def enter(tries: Callable[[World], Tries]) -> Callable[[World], Tries]:
        PATHS.append(Path(operation, right, tries))
        return tries

    return enter


async def on_each(
    world: World, way: str, body: dict[str, Any] | None = None, *, status: Status = "active", targets: Iterable[Somebody] = TARGETS
) -> Tries:
    """The same request for each target."""
    for target in targets:
        user_id = await world.user(target, status=status)
        yield Try(f"{target}", f"/users/{user_id}{way}", body, (target.has,), (target, status))


# --- people ---------------------------------------------------------------------------------------------------------


@path("POST /users", "users.manage")
async def invite(world: World) -> Tries:
    for role, where in product(GIVEN, PLACES):
        body = {"email": f"{world.unheard()}@acme.example.com", "role": world.role(role), "departments": world.departments(where)}
        yield Try(f"{role} in {where}", "/users", body, (Asked(effective(role), where),))


@path("POST /users/batch", "users.manage")
async def invite_many(world: World) -> Tries:
    for role, where in product(GIVEN, PLACES):
        person = {"email": f"{world.unheard()}@acme.example.com", "role": world.role(role), "departments": world.departments(where)}
        yield Try(f"{role} in {where}", "/users/batch", {"users": [person]}, (Asked(effective(role), where),))


@path("PATCH /users/{user_id}", "users.manage")
async def give_a_role(world: World) -> Tries:
    for target, role in product((*MOVED[1:3], Somebody("administrator")), GIVEN):
        user_id = await world.user(target)
        asks = (target.has, Asked(effective(role), target.where))
        yield Try(f"{target} becomes {role}", f"/users/{user_id}", {"role": world.role(role)}, asks, (target, "active"))


@path("PATCH /users/{user_id}", "users.manage")
async def give_departments(world: World) -> Tries:
    for target, where in product(MOVED, PLACES):
        user_id = await world.user(target)
        asks = (target.has, Asked(target.rights, where))
        body = {"departments": world.departments(where)}
        yield Try(f"{target} goes to {where}", f"/users/{user_id}", body, asks, (target, "active"))


@path("PATCH /users/{user_id}", "users.manage")
async def show_a_user_what_is_hidden(world: World) -> Tries:
    for target in (one for one in TARGETS if one.hidden):
        user_id = await world.user(target)
        asks = (target.has, replace(target, hidden=()).has)
        yield Try(f"{target}", f"/users/{user_id}", {"restrictions": []}, asks, (target, "active"))


@path("PATCH /users/{user_id}", "users.manage")
async def give_a_role_and_show_its_sections(world: World) -> Tries:
    target = Somebody("Reader", ("Paris",), hidden=("stock",))
    for role in ("user", "Stocker", "Veiled"):
        user_id = await world.user(target)
        body = {"role": world.role(role), "restrictions": []}
        # The whole section of the role, even where something else hides it still: that may end without anybody giving anything.
        shown = frozenset(right for right in ROLES[role] if right.startswith("stock."))
        asks = (target.has, Asked(effective(role, hidden=target.hidden), target.where), Asked(shown, ()))
        yield Try(f"{target} becomes {role}, unhidden", f"/users/{user_id}", body, asks, (target, "active"))


@path("PATCH /users/{user_id}", "users.manage")
async def hide_from_a_user(world: World) -> Tries:
    async for one in on_each(world, "", {"restrictions": ["stock", "quotes"]}, targets=FEW):
        yield one


@path("PATCH /users/{user_id}", "users.manage")
async def rename(world: World) -> Tries:
    async for one in on_each(world, "", {"name": "Another Name"}, targets=FEW):
        yield one


@path("PATCH /users/{user_id}", "users.manage")
async def suspend(world: World) -> Tries:
    async for one in on_each(world, "", {"status": "suspended"}):
        yield one


@path("PATCH /users/{user_id}", "users.manage")
async def plan_a_suspension(world: World) -> Tries:
    async for one in on_each(world, "", {"status": "suspended", "suspended_from": "2900-01-01T00:00:00Z"}, targets=FEW):
        yield one


@path("PATCH /users/{user_id}", "users.manage")
async def strike_off(world: World) -> Tries:
    async for one in on_each(world, "", {"status": "struck_off"}):
        yield one


@path("PATCH /users/{user_id}", "users.manage")
async def end_a_suspension(world: World) -> Tries:
    async for one in on_each(world, "", {"status": "active"}, status="suspended", targets=FEW):
        yield one


@path("PATCH /users/{user_id}", "users.manage")
async def restore(world: World) -> Tries:
    async for one in on_each(world, "", {"status": "active"}, status="struck_off", targets=FEW):
        yield one


@path("DELETE /users/{user_id}", "users.manage")
async def delete_a_user(world: World) -> Tries:
    async for one in on_each(world, ""):
        yield one


@path("POST /users/{user_id}/invitation", "users.manage")
async def resend(world: World) -> Tries:
    async for one in on_each(world, "/invitation", status="invited"):
        yield one


@path("DELETE /users/{user_id}/invitation", "users.manage")
async def withdraw(world: World) -> Tries:
    async for one in on_each(world, "/invitation", status="invited"):
        yield one


@path("POST /users/{user_id}/password-reset", "users.manage")
async def reset_a_password(world: World) -> Tries:
    async for one in on_each(world, "/password-reset"):
        yield one


# --- roles ----------------------------------------------------------------------------------------------------------


@path("POST /roles", "roles.manage")
async def create_a_role(world: World) -> Tries:
    for name, rights in ROLES.items():
        yield Try(
            f"with the rights of {name}", "/roles", {"name": world.unheard(), "rights": sorted(rights)}, (Asked(rights, None),)
        )


@path("POST /roles", "roles.manage")
async def copy_a_role(world: World) -> Tries:
    for name, rights in ROLES.items():
        body = {"name": world.unheard(), "copy_of": world.role(name)}
        yield Try(f"of {name}", "/roles", body, (Asked(rights, None),))


@path("PATCH /roles/{role_id}", "roles.manage")
async def widen_or_narrow_a_role(world: World) -> Tries:
    # What its holders have already counts as much as what they shall have.
    for before, after in product(("Reader", "Keeper", "user", "Twin"), repeat=2):
        role = await world.own_role(ROLES[before])
        asks = (Asked(effective(before), None), Asked(ROLES[after], None))
        yield Try(f"{before} to {after}", f"/roles/{role}", {"rights": sorted(ROLES[after])}, asks, (ROLES[before], None))


@path("PATCH /roles/{role_id}", "roles.manage")
async def rename_a_role(world: World) -> Tries:
    for name in ("Reader", "Keeper", "user", "Twin"):
        role = await world.own_role(ROLES[name])
        asks = (Asked(effective(name), None),)
        yield Try(f"like {name}", f"/roles/{role}", {"name": world.unheard()}, asks, (ROLES[name], None))


@path("PATCH /roles/{role_id}", "roles.manage")
async def show_a_role_what_is_hidden(world: World) -> Tries:
    for name, hidden in (("Stocker", "stock"), ("user", "stock"), ("Keeper", "invoices"), ("Keeper", "quotes")):
        role = await world.own_role(ROLES[name], hidden=hidden)
        asks = (Asked(effective(name), None),)
        yield Try(f"{hidden} to {name}", f"/roles/{role}", {"restrictions": []}, asks, (ROLES[name], hidden))


@path("PATCH /roles/{role_id}", "roles.manage")
async def hide_from_a_built_in_role(world: World) -> Tries:
    for name in ("simple_administrator", "accountant", "user_without_deletion"):
        yield Try(f"from {name}", f"/roles/{name}", {"restrictions": ["payments"]}, (Asked(effective(name), None),), name)


@path("DELETE /roles/{role_id}", "roles.manage")
async def delete_a_role_with_a_replacement(world: World) -> Tries:
    for name, replacement in product(("Reader", "Keeper", "user"), ("Reader", "Stocker", "Veiled", "administrator")):
        role = await world.own_role(ROLES[name])
        world.roles["Leaving"] = role
        ceilings.ROLES["Leaving"] = ROLES[name]
        holder = Somebody("Leaving", ("Lyon",))
        await world.user(holder)
        asks = (Asked(effective(name), None), Asked(effective(replacement), None))
        way = f"/roles/{role}?replacement={world.role(replacement)}"
        yield Try(f"like {name} for {replacement}", way, None, asks, (ROLES[name], None))
        world.kept.pop((holder, "active"))


# --- departments and the account ------------------------------------------------------------------------------------


@path("POST /departments", "departments.manage")
async def create_a_department(world: World) -> Tries:
    yield Try("one", "/departments", {"name": world.unheard()}, (Asked(NOTHING, None),))


@path("PATCH /departments/{department_id}", "departments.manage")
async def rename_a_department(world: World) -> Tries:
    for place in BOTH:
        body = {"name": world.unheard(), "code": world.unheard()}
        yield Try(place, f"/departments/{world.places[place]}", body, (Asked(NOTHING, (place,)),))


@path("PATCH /departments/{department_id}", "departments.manage")
async def archive_and_bring_back(world: World) -> Tries:
    world.places["Nantes"] = await world.new("/departments", {"name": world.unheard()})
    for archived in (True, False):
        yield Try(
            f"archived: {archived}", f"/departments/{world.places['Nantes']}", {"archived": archived}, (Asked(NOTHING, None),)
        )
        set_so = await world.api.patch(
            f"/departments/{world.places['Nantes']}", {"archived": archived}, by=world.company.administrator
        )
        assert set_so.status_code == 200


@path("DELETE /departments/{department_id}", "departments.manage")
async def archive(world: World) -> Tries:
    place = await world.new("/departments", {"name": world.unheard()})
    yield Try("an empty one", f"/departments/{place}", None, (Asked(NOTHING, None),))


@path("PATCH /account", "account.manage")
async def show_the_account_what_is_hidden(world: World) -> Tries:
    whole = frozenset(right for right in ROLES["administrator"] if right.startswith(f"{HIDDEN}."))
    yield Try(HIDDEN, "/account", {"restrictions": []}, (Asked(whole, None),))
    hidden = await world.api.patch("/account", {"restrictions": [HIDDEN]}, by=world.company.administrator)
    assert hidden.status_code == 200


# --- visits ---------------------------------------------------------------------------------------------------------


@path("POST /account/visits", "account.manage")
async def let_visitors_in(world: World) -> Tries:
    for role in (*GIVEN, "Settler"):
        given = effective(role)
        for body in ({"role": world.role(role)}, {"rights": sorted(given)}):
            yield Try(
                f"{role} by {[*body]}", "/account/visits", {"visitor": "reseller", "once": False, **body}, (Asked(given, None),)
            )
            await _close_again(world)


@path("DELETE /account/visits/{permission_id}", "account.manage")
async def let_visitors_in_no_more(world: World) -> Tries:
    permission = await world.new("/account/visits", {"visitor": "reseller", "once": False, "role": "administrator"})
    yield Try("an administrator's", f"/account/visits/{permission}", None, (Asked(NOTHING, ()),))
    await _close_again(world)


async def _close_again(world: World) -> None:
    ada = world.company.administrator
    for one in (await world.api.get("/account/visits", by=ada)).json()["items"]:
        if one["state"] == "open":
            assert (await world.api.delete(f"/account/visits/{one['id']}", by=ada)).status_code == 204
