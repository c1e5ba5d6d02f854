"""The whole walk of a newcomer on a running installation: from the invitation to the history, all of it through pages."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from service.console.browser import LANGUAGE_COOKIE
from tests.console.hands import Hands
from tests.console.links import NEW_PASSWORD

if TYPE_CHECKING:
    from playwright.async_api import Browser, Locator, Page

REASON = "Fin du remplacement"
# Seconds: in which the mail comes, and between two looks.
_MAIL_WITHIN, _PATIENCE = 30, 0.3
_PLAIN = str.maketrans("éè", "ee")


@dataclass(frozen=True)
class Cast:
    """Who takes part. The company has as many places as it has people at work: the administrator, others, the colleague who is asked.

    Whoever gave a place is left alone for a quarter of an hour, so that nobody is asked in two walks.
    """

    company: str
    domain: str
    administrator: str
    others: Sequence[str]
    colleague: str
    newcomer: str

    @property
    def at_work(self) -> list[str]:
        """Everybody who has a place already."""
        return [self.administrator, *self.others, self.colleague]

    def address_of(self, name: str) -> str:
        """Where somebody gets mail, and by which they sign in."""
        return f"{name.split(maxsplit=1)[0].lower().translate(_PLAIN)}@{self.domain}"


@dataclass(frozen=True)
class Walk:
    """One newcomer's way; everybody in it has a browser of their own, and the same hands."""

    browser: "Browser"
    url: str
    passwords: Mapping[str, str]
    cast: Cast
    hands: Hands
    scripts: bool

    async def go(self) -> list[str]:
        """From the invitation to the suspension; what the history says of it, oldest first."""
        working = {name: await self._at_work(name) for name in self.cast.at_work}
        administrator, colleague = working[self.cast.administrator], working[self.cast.colleague]
        await self._invite(administrator)
        newcomer = await self._open("/dev/mail")
        await self._accept(newcomer)
        await self._meet_the_cap(newcomer)
        await self._ask(newcomer, colleague)
        await self._give(colleague)
        await self._enter(newcomer)
        await self._suspend(administrator)
        await self._read_why(newcomer)
        return await self._read_history(administrator)

    async def _invite(self, administrator: "Page") -> None:
        await self.hands.follow(_link(administrator.get_by_role("main"), "Inviter"))
        await self.hands.write(administrator.get_by_label("Adresse e-mail"), self.cast.address_of(self.cast.newcomer))
        await self.hands.write(administrator.get_by_label("Nom", exact=True), self.cast.newcomer)
        await self.hands.choose(administrator.get_by_role("radio", name=re.compile("^Utilisateur simple sans ")))
        await self.hands.write(administrator.get_by_label("Message"), "Bienvenue parmi nous !")
        await self.hands.press(_button(administrator, "Envoyer l’invitation"))
        await _reads(administrator, "L’invitation est en route.")
        await administrator.get_by_role("main").get_by_role("link", name=self.cast.newcomer).wait_for()

    async def _accept(self, newcomer: "Page") -> None:
        mine = newcomer.get_by_role("listitem").filter(has_text=self.cast.address_of(self.cast.newcomer))
        async with asyncio.timeout(_MAIL_WITHIN):
            while not await mine.count():
                await asyncio.sleep(_PATIENCE)
                await newcomer.reload()
        await self.hands.follow(mine.get_by_role("link"))
        await _reads(newcomer, "Bienvenue parmi nous !")
        await self.hands.follow(newcomer.get_by_role("link").filter(has_text="/invitation?token="))
        await _titled(newcomer, f"Rejoindre {self.cast.company}")
        await _reads(newcomer, self.cast.administrator)
        await self.hands.write(newcomer.get_by_label("Choisissez un mot de passe"), NEW_PASSWORD)
        await self.hands.press(_button(newcomer, "Accepter l’invitation"))
        await _reads(newcomer, f"Vous avez rejoint {self.cast.company}. Connectez-vous pour commencer.")

    async def _meet_the_cap(self, newcomer: "Page") -> None:
        assert await newcomer.get_by_label("Adresse e-mail").input_value() == self.cast.address_of(self.cast.newcomer)
        await self.hands.write(newcomer.get_by_label("Mot de passe"), NEW_PASSWORD)
        await self.hands.press(_button(newcomer, "Se connecter"))
        taken = len(self.cast.at_work)
        await _titled(newcomer, "Toutes les places sont prises")
        await _reads(newcomer, f"Places occupées\u00a0: {taken}\u00a0sur\u00a0{taken}")

    async def _ask(self, newcomer: "Page", colleague: "Page") -> None:
        await self.hands.rest(self._work(colleague))
        await self.hands.press(_button(newcomer, f"Demander cette place ({self.cast.colleague})"))
        await _reads(newcomer, "La demande est transmise à votre collègue")
        await self.hands.rest(_button(newcomer, "Réessayer"))

    async def _give(self, colleague: "Page") -> None:
        if not self.scripts:
            # The page cannot tell by itself; each has a way to whoever asks.
            await self.hands.follow(_link(colleague.get_by_role("contentinfo"), "Qui a besoin de votre place"))
        question = f"{self.cast.newcomer} a besoin d’une place. Pouvez-vous céder la vôtre\u00a0?"
        await colleague.get_by_role("heading", name=question).wait_for()
        if self.scripts:
            await self.hands.stayed(self._work(colleague))
        await self.hands.press(_button(colleague, "Céder ma place"))
        await _reads(colleague, "Merci. Elle est réservée à votre collègue.")

    async def _enter(self, newcomer: "Page") -> None:
        if not self.scripts:
            # It would load itself again, some seconds later.
            await newcomer.reload()
        await _reads(newcomer, "Un(e) collègue vous cède sa place.")
        enter = _button(newcomer, "Entrer")
        if self.scripts:
            await self.hands.stayed(enter)
        await self.hands.press(enter)
        await _titled(newcomer, f"Bonjour, {self.cast.newcomer}")
        [mine] = [cookie for cookie in await newcomer.context.cookies() if cookie["name"] == "__Host-portillon"]
        assert (mine["secure"], mine["httpOnly"], mine["sameSite"], mine["path"]) == (True, True, "Lax", "/")

    async def _suspend(self, administrator: "Page") -> None:
        await self.hands.follow(_link(_menu(administrator), "Utilisateurs"))
        await self.hands.write(administrator.get_by_label("Nom ou adresse"), self.cast.newcomer)
        await self.hands.follow(administrator.get_by_role("rowheader").get_by_role("link", name=self.cast.newcomer))
        await _titled(administrator, self.cast.newcomer)
        await self.hands.unfold(administrator.locator("summary").filter(has_text="Suspendre…"))
        await self.hands.write(administrator.get_by_label("Motif"), REASON)
        await self.hands.press(_button(administrator, "Suspendre"))
        await _reads(administrator, "La suspension est enregistrée.")
        await _reads(administrator, REASON)

    async def _read_why(self, newcomer: "Page") -> None:
        if not self.scripts:
            await self.hands.follow(_link(_menu(newcomer), "Mon espace"))
        await _reads(newcomer, "Votre accès a été suspendu, à l’instant.")
        await self.hands.write(newcomer.get_by_label("Adresse e-mail"), self.cast.address_of(self.cast.newcomer))
        await self.hands.write(newcomer.get_by_label("Mot de passe"), NEW_PASSWORD)
        await self.hands.press(_button(newcomer, "Se connecter"))
        await _titled(newcomer, "Accès suspendu")
        await _reads(newcomer, f"Motif indiqué\u00a0: {REASON}")

    async def _read_history(self, administrator: "Page") -> list[str]:
        await self.hands.follow(_link(_menu(administrator), "Historique"))
        sentences = administrator.get_by_role("main").get_by_role("listitem").locator("p:first-child")
        return [text.strip() for text in reversed(await sentences.all_inner_texts()) if self.cast.newcomer in text]

    def _work(self, colleague: "Page") -> "Locator":
        # Anything that has the attention of somebody at work.
        return _link(colleague.get_by_role("main"), "Mon espace")

    async def _at_work(self, name: str) -> "Page":
        page, email = await self._open("/login"), self.cast.address_of(name)
        await self.hands.write(page.get_by_label("Adresse e-mail"), email)
        await self.hands.write(page.get_by_label("Mot de passe"), self.passwords[email])
        await self.hands.press(_button(page, "Se connecter"))
        await page.get_by_role("heading", name="Bonjour, ").wait_for()
        return page

    async def _open(self, path: str) -> "Page":
        context = await self.browser.new_context(java_script_enabled=self.scripts, locale="fr")
        # Some of these companies are English; everybody reads French here.
        await context.add_cookies([{"name": LANGUAGE_COOKIE, "value": "fr", "url": self.url}])
        context.set_default_timeout(20_000)
        page = await context.new_page()
        await page.goto(f"{self.url}{path}")
        return page


def _button(page: "Page", name: str) -> "Locator":
    return page.get_by_role("button", name=name, exact=True)


def _link(part: "Locator", name: str) -> "Locator":
    return part.get_by_role("link", name=name, exact=True)


def _menu(page: "Page") -> "Locator":
    return page.get_by_role("navigation", name="Menu principal")


async def _titled(page: "Page", heading: str) -> None:
    await page.get_by_role("heading", level=1, name=heading, exact=True).wait_for()


async def _reads(page: "Page", text: str) -> None:
    # Until the page shows it, without anybody doing anything.
    await page.get_by_text(text).first.wait_for()
