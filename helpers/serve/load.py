"""A client that sends at given times, whether or not earlier answers have come: an open loop."""

from __future__ import annotations

import http.client
import queue
import threading
import time
from collections.abc import Sequence

import numpy as np

__all__ = ["open_loop", "poisson"]


def poisson(rate: float, count: int, seed: int) -> np.ndarray:
    """Return ``count`` arrival times in seconds of a Poisson process with ``rate`` a second.

    Example:
        >>> poisson(10.0, 3, seed=0).round(2).tolist()
        [0.07, 0.17, 0.17]
    """
    return np.random.default_rng(seed).exponential(1 / rate, count).cumsum()


def open_loop(
    port: int,
    bodies: Sequence[bytes],
    arrivals: Sequence[float] | np.ndarray,
    *,
    clients: int = 16,
    limit_s: float = 120.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Upload one body at each arrival time and measure from that time, not from the sending.

    Args:
        port: of a server on 127.0.0.1.
        bodies: JPEG files, used in turn.
        arrivals: seconds after the start, increasing.
        clients: threads, each with a connection of its own that it keeps.
        limit_s: seconds after which nothing more is sent and no answer is waited for.

    Returns:
        Latencies in seconds and HTTP statuses, one for each arrival; a request that was not sent
        or not answered has latency NaN and status 0.
    """
    latency = np.full(len(arrivals), np.nan)
    status = np.zeros(len(arrivals), dtype=int)
    due: queue.Queue[int | None] = queue.Queue()
    start = time.perf_counter() + 0.05

    def client() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=limit_s)
        while (number := due.get()) is not None:
            if time.perf_counter() - start > limit_s:
                continue
            try:
                body = bodies[number % len(bodies)]
                connection.request("POST", "/predict", body, {"Content-Type": "image/jpeg"})
                response = connection.getresponse()
                response.read()
                status[number] = response.status
                latency[number] = time.perf_counter() - start - arrivals[number]
            except (OSError, http.client.HTTPException):
                connection.close()  # the next request opens a new one
        connection.close()

    threads = [threading.Thread(target=client, daemon=True) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for number, arrival in enumerate(arrivals):
        wait = start + float(arrival) - time.perf_counter()
        if float(arrival) > limit_s:
            break
        if wait > 0:
            time.sleep(wait)
        due.put(number)
    for _ in threads:
        due.put(None)
    for thread in threads:
        thread.join(timeout=limit_s)
    return latency, status
