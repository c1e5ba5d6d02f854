"""Whole requests, one after the other on a connection of their own, in turn with what they are compared with."""

import http.client
import json
import statistics
import time
from dataclasses import dataclass, field
from urllib.parse import urlencode

REPEATS = 11
# Seconds; the server closes connections that are idle for five.
_KEPT = 2


class Reader:
    """Somebody who asks a server: a program, with its token, unless `headers` make a browser of it."""

    def __init__(self, port: int, token: str, *, root: str = "/api/v1", headers: dict[str, str] | None = None) -> None:
        """One connection, kept open."""
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._headers = headers or {"Authorization": f"Bearer {token}"}
        self._root = root
        self._asked = 0.0

    def ask(self, path: str) -> bytes:
        """The answer's body as it travels. Raises RuntimeError for a refusal: the figures would be of something else."""
        if time.monotonic() - self._asked > _KEPT:
            self._connection.close()
        self._asked = time.monotonic()
        self._connection.request("GET", f"{self._root}{path}", headers=self._headers)
        answer = self._connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{path}: {answer.status} {body[:500]!r}")
        return body

    def milliseconds(self, *paths: str) -> float:
        """What these answers took together, as their reader sees it."""
        began = time.perf_counter()
        for path in paths:
            self.ask(path)
        return (time.perf_counter() - began) * 1000

    def pages(self, path: str, query: dict[str, str]) -> list[str]:
        """Every page of a list of the API."""
        found = [f"{path}?{urlencode(query)}"]
        while cursor := json.loads(self.ask(found[-1]))["next_cursor"]:
            found.append(f"{path}?{urlencode({**query, 'cursor': cursor})}")
        return found


@dataclass
class Pair:
    """What one reader asks for, and what another asks for to be compared with; `kind` sorts pairs."""

    title: str
    asked: tuple[str, ...]
    against: tuple[str, ...]
    kind: str = ""
    times: list[tuple[float, float]] = field(default_factory=list)

    @property
    def ratios(self) -> list[float]:
        """One for each round."""
        return [first / second for first, second in self.times]

    @property
    def ratio(self) -> float:
        """The figure."""
        return statistics.median(self.ratios)

    @property
    def milliseconds(self) -> float:
        """What was asked for, alone."""
        return statistics.median(first for first, _ in self.times)

    def anew(self) -> "Pair":
        """The same pair, not yet measured."""
        return Pair(self.title, self.asked, self.against, self.kind)


def time_in_turn(pairs: list[Pair], first: Reader, second: Reader, *, rounds: int) -> None:
    """Medians of 11 for each pair, in each round."""
    for _ in range(rounds):
        for pair in pairs:
            # The first answers may pay for a new connection, and are not counted.
            first.milliseconds(*pair.asked)
            second.milliseconds(*pair.against)
            taken = [(first.milliseconds(*pair.asked), second.milliseconds(*pair.against)) for _ in range(REPEATS)]
            pair.times.append((statistics.median(each[0] for each in taken), statistics.median(each[1] for each in taken)))


def worst_of(pairs: list[Pair]) -> Pair:
    """The one with the highest ratio."""
    return max(pairs, key=lambda pair: pair.ratio)


def doubted(pairs: list[Pair], most: int) -> list[Pair]:
    """The worst `most` of each kind, to be measured anew: the worst of many medians is partly chance, and only that counts."""
    found: list[Pair] = []
    for kind in dict.fromkeys(pair.kind for pair in pairs):
        ranked = sorted((pair for pair in pairs if pair.kind == kind), key=lambda pair: -pair.ratio)
        found.extend(pair.anew() for pair in ranked[:most])
    return found
