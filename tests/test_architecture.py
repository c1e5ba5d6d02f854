"""The shape of the house: who imports whom, how large a file grows, what nothing is called, and what Lua may touch."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from importlinter.cli import lint_imports

ROOT = Path(__file__).parents[1]
ROOMS = ("tenants", "service", "workers")
VAGUE = re.compile(r"(^|_)(utils?|helpers?|common|misc|core|base|managers?|handlers?)(_|$)")
# Lines of code; more than this is two concepts.
LONGEST_FILE = 350
LONGEST_TEST = 450
# Outside addresses that are names and not places: XML namespaces, and the hosts that RFC 2606 keeps for examples.
NAMES = re.compile(r"https?://(www\.w3\.org/|([\w-]+\.)*example\.(com|org|net)\b|[\w.-]+\.example\b|localhost|127\.0\.0\.1|\[?::1)")
ADDRESS = re.compile(r"https?://[A-Za-z0-9\[][^\s\"'`<>)\\]*")
CODE = {".py", ".html", ".txt", ".mjml", ".css", ".js", ".lua", ".toml", ".svg", ".po", ".sql"}


def modules(*rooms: str) -> Iterator[Path]:
    """Python files of the rooms."""
    for room in rooms:
        yield from sorted((ROOT / room).rglob("*.py"))


def tracked() -> list[Path]:
    """Files that belong to the repository, those about to be added included."""
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / line for line in listed.stdout.splitlines() if (ROOT / line).is_file()]


def test_imports_go_where_the_map_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert lint_imports(config_filename="pyproject.toml", cache_dir=None) == 0


def test_modules_that_frameworks_read_postpone_no_annotations() -> None:
    for path in modules(*ROOMS):
        assert "from __future__ import annotations" not in path.read_text(encoding="utf-8"), path


def test_files_stay_short() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for path in modules(*ROOMS)
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > LONGEST_FILE
    }
    long |= {
        str(path.relative_to(ROOT)): lines
        for path in modules("tests")
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > LONGEST_TEST
    }
    assert long == {}


def test_nothing_has_a_name_that_says_nothing() -> None:
    assert [
        str(path)
        for path in modules(*ROOMS, "tests")
        if VAGUE.search(path.stem) or any(VAGUE.search(part) for part in path.relative_to(ROOT).parts[:-1])
    ] == []


def test_every_module_opens_with_a_sentence() -> None:
    for path in modules(*ROOMS, "tests"):
        said = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
        assert said, f"{path}: no sentence"
        assert said.splitlines()[0].strip(), path


def test_everything_public_in_the_rooms_says_what_it_promises() -> None:
    silent = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
        for path in modules(*ROOMS)
        if "versions" not in path.parts
        for node in _promises(ast.parse(path.read_text(encoding="utf-8")))
        if not ast.get_docstring(node)
    ]
    assert silent == []


def _promises(owner: ast.Module | ast.ClassDef) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    # What a class takes over from another is promised there.
    inherits = isinstance(owner, ast.ClassDef) and bool(owner.bases)
    for node in owner.body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield node
            yield from _promises(node)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_") and not inherits:
            yield node


def test_nothing_of_ours_asks_another_host_for_anything() -> None:
    found = []
    for path in tracked():
        if path.suffix not in CODE or path.parts[len(ROOT.parts)] not in ROOMS:
            continue
        text = path.read_text(encoding="utf-8")
        found += [f"{path.relative_to(ROOT)}: {address}" for address in ADDRESS.findall(text) if not NAMES.match(address)]
    assert found == []


def test_scripts_touch_only_the_keys_that_they_are_given() -> None:
    call = re.compile(r"redis\.p?call\(\s*'(\w+)'\s*(?:,\s*([^,)]+))?")
    shared = (ROOT / "tenants" / "lua" / "shared.lua").read_text(encoding="utf-8")
    # Names that stand for keys given: all of them at once, or one by one.
    given = re.compile(r"^local ([A-Z_, ]+) = (?:unpack\(KEYS, \d+, \d+\)|KEYS\[\d+\](?:, KEYS\[\d+\])*)$", re.MULTILINE)
    common = {name.strip() for names in given.findall(shared) for name in names.split(",")}
    # Holders of the pool or of the allowance: `zone_of` alone says which.
    common.add("zone")
    keyless = {"TIME"}
    scripts = sorted((ROOT / "tenants" / "lua").glob("*.lua"))
    assert scripts
    for path in scripts:
        text = "\n".join(line.partition("--")[0] for line in path.read_text(encoding="utf-8").splitlines())
        assert not re.search(r"KEYS\[[^\]]*\]\s*\.\.", text), f"{path.name}: a key is put together"
        assert "math.random" not in text
        assert "os.time" not in text
        named = common | {name.strip() for names in given.findall(text) for name in names.split(",")}
        for command, key in call.findall(text):
            if command in keyless:
                continue
            assert re.fullmatch(r"KEYS\[\d+\]", key.strip()) or key.strip() in named, f"{path.name}: {command} {key}"


def test_queues_carry_nothing() -> None:
    """A bell has no arguments: whatever is put there could be printed."""
    text = (ROOT / "service" / "doorbell.py").read_text(encoding="utf-8")
    for call in re.findall(r"enqueue_job\(([^)]*)\)", text):
        assert {part.split("=")[0].strip() for part in call.split(",")} <= {"BELL_JOB", "_job_id", "_queue_name"}


def test_the_repository_speaks_of_the_product_alone() -> None:
    paths = re.compile(r"/work/|/root/\.|\.\./shared")
    found = []
    for path in tracked():
        if path.suffix in {".png", ".lock", ".woff2"} or path == Path(__file__):
            continue
        text = path.read_text(encoding="utf-8", errors="ignore")
        found += [f"{path.relative_to(ROOT)}: {match[0]}" for match in paths.finditer(text)]
    assert found == []
