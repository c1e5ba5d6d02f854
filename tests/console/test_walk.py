"""A newcomer's whole way on `portillon up`, in a real browser: with scripts, without them, and by keyboard alone."""

from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING

import pytest

from tests.console.hands import Hands, Keyboard, Mouse
from tests.console.walk import Cast, Walk
from tests.installation import installation

if TYPE_CHECKING:
    from playwright.async_api import Browser

Running = tuple[str, Mapping[str, str]]
GARAGE = ("Garage Leroy", "garage-leroy.example.com", "Léa Leroy")
NORTHWIND = ("Northwind Ltd", "northwind.example.com", "Emily Carter")
WAYS = {
    "with scripts": (Cast(*GARAGE, ["Hugo Lefèvre"], "Inès Garnier", "Nora Blin"), Mouse(), True),
    "without scripts": (Cast(*NORTHWIND, [], "James Whitfield", "Tom Royer"), Mouse(), False),
    "by keyboard alone": (Cast(*GARAGE, ["Inès Garnier"], "Hugo Lefèvre", "Salomé Vidal"), Keyboard(), True),
}


@pytest.fixture(scope="module")
async def running(one_chromium: "Browser", tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    """One installation for all ways: its address, and the demo people's passwords by address."""
    async with installation(tmp_path_factory.mktemp("walk") / "data") as started:
        yield started


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("cast", "hands", "scripts"), WAYS.values(), ids=WAYS)
async def test_from_the_invitation_to_the_history(
    running: Running, chromium: "Browser", cast: Cast, hands: Hands, *, scripts: bool
) -> None:
    url, passwords = running
    said = await Walk(chromium, url, passwords, cast, hands, scripts).go()
    name, seats = cast.newcomer, len(cast.at_work)
    assert said == [
        f"{cast.administrator} a invité {name} (rôle\u00a0: Utilisateur simple sans suppression)",
        f"E-mail «\u00a0Invitation\u00a0» envoyé à {name}",
        f"{name} a accepté l’invitation",
        f"{name} n’a pas pu entrer\u00a0: toutes les places sont prises ({seats} sur {seats})",
        f"{name} a demandé sa place à {cast.colleague}",
        f"{cast.colleague} a cédé sa place à {name}",
        f"Connexion de {name}",
        f"Suspension de {name}\u00a0: 1 connexion interrompue",
        f"{cast.administrator} a suspendu {name} (motif\u00a0: Fin du remplacement)",
    ]
