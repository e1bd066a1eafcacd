"""What every server does with a picture, whatever the protocol: predict, count, log one line."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import threading
import time
import uuid
from collections import Counter
from concurrent.futures import TimeoutError as Late
from typing import Any

import torch
from torch import nn

from helpers.serve.batching import Batcher, Busy
from helpers.serve.catfish import CLASSES, load_model
from helpers.serve.preprocess import BadPicture, to_tensor

__all__ = ["BUCKETS", "Paused", "Service"]

BUCKETS = (0.001, 0.005, 0.02, 0.1, 0.5)  # seconds, upper bounds of the histogram
logger = logging.getLogger("catfish")


class Paused(nn.Module):
    """A model that pauses in each call, as if a larger one computed elsewhere.

    Args:
        model: maps inputs to outputs.
        seconds: of the pause; other threads run meanwhile.
    """

    def __init__(self, model: nn.Module, seconds: float) -> None:
        super().__init__()
        self.model, self.seconds = model, seconds

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Pause, then compute."""
        time.sleep(self.seconds)
        return self.model(x)


class Service:
    """A loaded model, its queue, its counters and its log.

    Args:
        max_batch, capacity: see :class:`helpers.serve.batching.Batcher`; None takes the
            environment variables ``CATFISH_BATCH`` (default 8) and ``CATFISH_CAPACITY`` (64).
            ``CATFISH_CALL_MS`` makes each call of the model take longer, for load tests.
        patience_s: seconds after which an answer comes too late and the client is told 503.

    Raises:
        RuntimeError: the weights are missing or do not fit; better now than at the first request.
    """

    def __init__(
        self,
        *,
        max_batch: int | None = None,
        capacity: int | None = None,
        patience_s: float = 30.0,
    ) -> None:
        torch.set_num_threads(1)
        model, self.version = load_model()
        with torch.inference_mode():  # the first call is slow: nobody should wait for it
            model(torch.zeros(1, 3, 64, 64))
        pause = float(os.environ.get("CATFISH_CALL_MS", "0")) / 1000
        self.batcher = Batcher(
            Paused(model, pause) if pause else model,
            max_batch=max_batch or int(os.environ.get("CATFISH_BATCH", "8")),
            capacity=capacity or int(os.environ.get("CATFISH_CAPACITY", "64")),
        )
        self.patience_s = patience_s
        self._lock = threading.Lock()
        self.counts: Counter[str] = Counter()
        self.histogram: Counter[float] = Counter()
        self.seconds = 0.0

    def answer(self, content: bytes) -> tuple[int, dict[str, Any]]:
        """Answer one upload: the HTTP status and what the client is told.

        It raises nothing that a client can cause. The client gets the class; the scores stay in
        the log, where they help us and not those who want to copy the model.
        """
        start, request = time.perf_counter(), str(uuid.uuid4())
        line: dict[str, Any] = {"id": request, "bytes": len(content), "model": self.version}
        try:
            inputs = to_tensor(content)
            future = self.batcher.submit(inputs)
            try:
                logits = future.result(timeout=self.patience_s)
            except Late:
                future.cancel()
                raise Busy("no answer in time") from None
        except BadPicture as error:
            status, told = error.status, {"error": str(error)}
        except Busy as error:
            status, told = 503, {"error": str(error)}
        except Exception:
            logger.exception("unexpected")
            status, told = 500, {"error": "our fault"}
        else:
            status, told = 200, {"prediction": CLASSES[int(logits.argmax())]}
            line["scores"] = [round(v, 4) for v in logits.softmax(0).tolist()]
            line["picture"] = hashlib.sha256(content).hexdigest()
        self.log(status, time.perf_counter() - start, {**line, **told})
        return status, {**told, "id": request}

    def refuse(self, status: int, reason: str) -> tuple[int, dict[str, Any]]:
        """Count and log a request that a server refused before it had a picture."""
        request = str(uuid.uuid4())
        self.log(status, 0.0, {"id": request, "error": reason})
        return status, {"error": reason, "id": request}

    def log(self, status: int, seconds: float, line: dict[str, Any]) -> None:
        """Write one line of JSON and count the request."""
        with self._lock:
            self.counts[str(status)] += 1
            if "prediction" in line:
                self.counts[line["prediction"]] += 1
                self.seconds += seconds
                self.histogram[next((b for b in BUCKETS if seconds <= b), float("inf"))] += 1
        logger.info(json.dumps({"status": status, "ms": round(1000 * seconds, 2), **line}))

    def metrics(self) -> str:
        """Return the counters in the text format that Prometheus reads."""
        with self._lock:
            lines = [f'catfish_requests_total{{status="{s}"}} {n}'
                     for s, n in sorted(self.counts.items()) if s.isdigit()]  # fmt: skip
            lines += [f'catfish_predictions_total{{class="{c}"}} {self.counts[c]}' for c in CLASSES]
            total = 0
            for bound in (*BUCKETS, float("inf")):
                total += self.histogram[bound]
                name = "+Inf" if bound == float("inf") else f"{bound:g}"
                lines.append(f'catfish_seconds_bucket{{le="{name}"}} {total}')
            lines += [f"catfish_seconds_sum {self.seconds:.6f}", f"catfish_seconds_count {total}"]
        return "\n".join(lines) + "\n"

    def close(self) -> None:
        """Answer what waits and end the worker."""
        self.batcher.close()
