"""One worker that computes, a bounded queue in front of it, and batches of what waits."""

from __future__ import annotations

import queue
import threading
import time
from concurrent.futures import Future
from typing import Any

import torch
from torch import nn

__all__ = ["Batcher", "Busy"]

KEPT_SIZES = 1000


class Busy(RuntimeError):
    """The queue is full: refuse now, so that the others are answered in time."""


class Batcher:
    """Compute a model's answers in one thread, up to ``max_batch`` pictures at a time.

    The worker takes what waits, and no more: an idle server does not hold a picture back to fill
    a batch, unless ``linger_s`` says so.

    Args:
        model: maps ``(N, …)`` to ``(N, …)``, in evaluation mode.
        max_batch: most pictures in one call of the model.
        capacity: most pictures that wait; the next one is refused with :class:`Busy`.
        linger_s: seconds that a batch waits for more pictures after its first.

    Attributes:
        sizes: how many pictures each of the last :data:`KEPT_SIZES` batches had, newest last.

    Example:
        >>> with Batcher(nn.Identity(), max_batch=4) as batcher:
        ...     batcher.submit(torch.tensor([1.0, 2.0])).result(timeout=5)
        tensor([1., 2.])
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        max_batch: int = 8,
        capacity: int = 64,
        linger_s: float = 0.0,
    ) -> None:
        if max_batch < 1 or capacity < 1:
            raise ValueError(f"at least 1 each: max_batch {max_batch}, capacity {capacity}")
        self.model, self.max_batch, self.linger_s = model, max_batch, linger_s
        self.sizes: list[int] = []
        self._waiting: queue.Queue[tuple[torch.Tensor, Future[Any]] | None] = queue.Queue(capacity)
        self._closed = False
        self._worker = threading.Thread(target=self._work, name="batcher", daemon=True)
        self._worker.start()

    def submit(self, inputs: torch.Tensor) -> Future[Any]:
        """Queue one picture ``(…)``; the future's result is its row of the output.

        Raises:
            Busy: ``capacity`` pictures wait already, or the worker has been closed.
        """
        if self._closed:
            raise Busy("closed")
        answer: Future[Any] = Future()
        try:
            self._waiting.put_nowait((inputs, answer))
        except queue.Full:
            raise Busy("too many pictures wait") from None
        return answer

    def close(self) -> None:
        """Answer what waits, then end the worker."""
        if not self._closed:
            self._closed = True
            self._waiting.put(None)
            self._worker.join(timeout=30)

    def __enter__(self) -> Batcher:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _collect(self) -> list[tuple[torch.Tensor, Future[Any]]] | None:
        first = self._waiting.get()
        if first is None:
            return None
        batch, until = [first], time.perf_counter() + self.linger_s
        while len(batch) < self.max_batch:
            left = until - time.perf_counter()
            try:
                more = self._waiting.get(block=left > 0, timeout=max(left, 0.0))
            except queue.Empty:
                break
            if more is None:
                self._waiting.put(None)
                break
            batch.append(more)
        return batch

    def _work(self) -> None:
        while (batch := self._collect()) is not None:
            # A client that gave up has cancelled: its picture is not computed.
            live = [(x, answer) for x, answer in batch if answer.set_running_or_notify_cancel()]
            if not live:
                continue
            try:
                with torch.inference_mode():
                    rows = self.model(torch.stack([x for x, _ in live]))
                self.sizes.append(len(live))  # before the answers, so that a client may look
                del self.sizes[:-KEPT_SIZES]  # a server runs for months
                for (_, answer), row in zip(live, rows, strict=True):
                    answer.set_result(row)
            except Exception as error:  # the worker lives on: each client gets the error
                for _, answer in live:
                    if not answer.done():
                        answer.set_exception(error)
