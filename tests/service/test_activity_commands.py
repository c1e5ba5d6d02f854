"""`verify-activity` and `activity-heads` as an operator or a script meets them: sentences, exit statuses, heads kept elsewhere."""

import asyncio
import json
from pathlib import Path

from service.embedded import Addresses
from tenants.house import House
from tests import make
from tests.chains import add_lines, past_the_wall, seal
from tests.service.test_cli import portillon
from tests.tenants.rows import sql
from workers.sealing import seal_all


async def test_a_changed_line_is_named_with_status_1_in_both_languages(house: House, servers: Addresses) -> None:
    acme, bistro = await make.company(house, "Acme", staff=1), await make.company(house, "Bistro", staff=0)
    await add_lines(house, acme, 3)
    await add_lines(house, bistro, 1)
    await seal_all(house)
    well = await asyncio.to_thread(portillon, "verify-activity", settings=house.settings)
    assert (well.returncode, well.stderr) == (0, "")
    assert well.stdout.startswith("All is as it was sealed. Accounts: 3, lines: ")
    line = (await sql(servers, "SELECT id, at FROM activity WHERE account_id = $1 ORDER BY id DESC LIMIT 1", acme.account_id))[0]
    await past_the_wall(servers, "UPDATE activity SET event = 'user.deleted' WHERE id = $1", values=(line["id"],))
    found = await asyncio.to_thread(portillon, "verify-activity", settings=house.settings)
    at = line["at"].isoformat().replace("+00:00", "Z")
    assert (found.returncode, found.stdout) == (1, f"acme, line {line['id']} of {at}: it was changed after it was sealed.\n")
    assert found.stderr == "Accounts whose history is not as it was sealed: 1. Of each, the first place is named.\n"
    french = await asyncio.to_thread(portillon, "verify-activity", settings=house.settings, LC_ALL="fr_FR.UTF-8")
    assert (french.returncode, french.stdout) == (
        1,
        f"acme, ligne {line['id']} du {at} : elle a été modifiée après avoir été scellée.\n",
    )
    other = await asyncio.to_thread(portillon, "verify-activity", "--account", "bistro", settings=house.settings)
    assert (other.returncode, other.stdout) == (0, "All is as it was sealed. Accounts: 1, lines: {}, seals: 1.\n".format(
        len(await sql(servers, "SELECT FROM activity WHERE account_id = $1", bistro.account_id))))  # fmt: skip


async def test_heads_that_were_kept_elsewhere_find_a_history_that_was_cut_with_its_head(
    house: House, servers: Addresses, tmp_path: Path
) -> None:
    acme = await make.company(house, staff=1)
    await add_lines(house, acme, 2)
    await seal_all(house)
    before = await asyncio.to_thread(portillon, "activity-heads", settings=house.settings)
    assert before.returncode == 0, before.stderr
    heads = [json.loads(line) for line in before.stdout.splitlines()]
    assert {head["account"] for head in heads} == {(await make.operator(house)).slug, "acme"}
    one = await asyncio.to_thread(portillon, "activity-heads", "--account", "acme", settings=house.settings)
    assert json.loads(one.stdout) == next(head for head in heads if head["account"] == "acme")
    kept = tmp_path / "heads.jsonl"
    kept.write_text(before.stdout, encoding="utf-8")
    await add_lines(house, acme, 1)
    await seal(house, acme)
    well = await asyncio.to_thread(portillon, "verify-activity", "--heads", str(kept), settings=house.settings)
    assert well.returncode == 0, well.stdout
    for table in ("activity", "activity_seals", "activity_heads", "activity_unsealed"):
        await past_the_wall(servers, f"DELETE FROM {table} WHERE account_id = $1", values=(acme.account_id,))  # noqa: S608 - these tables
    blind = await asyncio.to_thread(portillon, "verify-activity", settings=house.settings)
    assert blind.returncode == 0
    found = await asyncio.to_thread(portillon, "verify-activity", "--heads", str(kept), settings=house.settings)
    assert found.returncode == 1
    assert found.stdout == (
        "acme, seal 1: the end of the chain was cut off from here on: the head that was kept elsewhere lies beyond.\n"
    )


async def test_what_cannot_be_looked_at_has_a_status_of_its_own(house: House, tmp_path: Path) -> None:
    acme = await make.company(house, staff=0)
    await seal(house, acme)
    key = "another key that is long enough for everybody"
    strange = await asyncio.to_thread(portillon, "verify-activity", settings=house.settings, PORTILLON_SECRET_KEY=key)
    assert (strange.returncode, strange.stdout) == (3, "")
    assert strange.stderr.startswith("Seals made with another SECRET_KEY (")
    wrong = tmp_path / "wrong.jsonl"
    wrong.write_text('{"account": "acme"}\n', encoding="utf-8")
    for arguments, said in (
        (("--account", "nobody"), "There is no account nobody."),
        (("--heads", str(wrong)), f"{wrong}, line 1: this is no head of a history."),
        (("--heads", str(tmp_path / "none")), f"{tmp_path / 'none'} cannot be read: "),
    ):
        done = await asyncio.to_thread(portillon, "verify-activity", *arguments, settings=house.settings)
        assert (done.returncode, done.stdout) == (3, ""), arguments
        assert done.stderr.startswith(said)
    away = "postgresql://nobody:secret@127.0.0.1:1/none"
    done = await asyncio.to_thread(portillon, "verify-activity", settings=house.settings, PORTILLON_DATABASE_URL=away)
    assert done.returncode == 3
    assert done.stderr.startswith("PostgreSQL does not answer at 127.0.0.1:1/none")
