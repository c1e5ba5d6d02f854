"""`python -m tests.bench.prober PORT SECONDS A_SECOND PATH...`: one person at work with a stopwatch.

Reads a token, prints milliseconds as JSON: a list for each path.
"""

import http.client
import json
import sys
import time


def main(port: int, seconds: float, per_second: float, paths: list[str]) -> None:
    """One request after another on one connection, not more than `per_second`; the paths in turn."""
    token = sys.stdin.readline().strip()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    found: list[list[float]] = [[] for _ in paths]
    until = following = time.monotonic()
    until += seconds
    turn = 0
    while (now := time.monotonic()) < until:
        if now < following:
            time.sleep(following - now)
        following = max(following + 1 / per_second, time.monotonic())
        turn = (turn + 1) % len(paths)
        began = time.perf_counter()
        connection.request("GET", paths[turn], headers={"Authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        answer.read()
        found[turn].append((time.perf_counter() - began) * 1000)
        if answer.status != 200:
            raise SystemExit(f"{paths[turn]}: {answer.status} instead of 200")
    connection.close()
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3]), sys.argv[4:])
