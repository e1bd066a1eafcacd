"""The notebook's side: start the processes, give them a function, collect what they return."""

from __future__ import annotations

import atexit
import contextlib
import multiprocessing
import os
import queue
import secrets
import subprocess
import sys
import tempfile
import threading
import time
import types
from multiprocessing.connection import Connection, Listener, wait
from pathlib import Path
from typing import Any

import torch

from helpers.scale.shipping import definitions, pack, unpack

ROOT = Path(__file__).resolve().parents[2]


class TeamError(RuntimeError):
    """A process failed, or did not answer in time; the message holds its own words."""


class Team:
    """Processes that ``torchrun`` starts once, and that run the notebook's functions together.

    Args:
        processes: how many.
        device: ``"cpu"`` (gloo), ``"cuda"`` (nccl, a GPU for each process), or ``"auto"``: CUDA
            where there are enough GPUs. On CUDA new tensors and arguments are put on the GPU.
        threads: of each process.
        start_s: seconds to wait for all processes.
        grace_s: seconds that the others have to answer when one process has failed. All are ended
            then, so a slow machine must not need that long for what it was given.

    Raises:
        TeamError: if they do not start.

    Example:
        >>> team = Team(2)  # doctest: +SKIP
        >>> def rank():
        ...     return torch.distributed.get_rank()
        >>> team.run(rank)  # doctest: +SKIP
        [0, 1]
    """

    def __init__(
        self,
        processes: int = 2,
        *,
        device: str = "cpu",
        threads: int = 1,
        start_s: float = 300,
        grace_s: float = 20,
    ) -> None:
        if device == "auto":
            device = "cuda" if torch.cuda.device_count() >= processes else "cpu"
        if device == "cuda" and torch.cuda.device_count() < processes:
            raise TeamError(
                f"{processes} processes with nccl need {processes} GPUs, this machine has "
                f"{torch.cuda.device_count()}; use device='cpu'"
            )
        self.processes = processes
        self.device = device
        self.grace_s = grace_s
        self._connections: list[Connection] = []
        self._folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self._log = Path(self._folder.name, "log.txt")
        key = secrets.token_bytes(32)
        # 127.0.0.1: nothing outside this machine can connect, and inside only who has the key.
        listener = Listener(("127.0.0.1", 0), authkey=key)
        host, port = listener.address
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
            "OMP_NUM_THREADS": str(threads),
            "SCALE_ADDRESS": f"{host}:{port}",
            "SCALE_KEY": key.hex(),
            "SCALE_DEVICE": device,
        }
        if sys.platform == "linux":  # else gloo asks the network what this machine is called
            environment.setdefault("GLOO_SOCKET_IFNAME", "lo")
        with self._log.open("w") as log:
            self._launcher = subprocess.Popen(
                [sys.executable, *self.command()[1:]],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Stopping a cell (Ctrl+C, the stop button) is not meant for the processes.
                start_new_session=True,
            )
        atexit.register(self.close)
        try:
            self._connections = self._accept(listener, start_s)
        except BaseException:
            self._end()
            raise
        finally:
            listener.close()

    def command(self) -> list[str]:
        """Return the command that starts the processes; ``torchrun`` is its short name."""
        return [
            "python", "-m", "torch.distributed.run", "--standalone",
            f"--nproc-per-node={self.processes}", "-m", "helpers.scale.worker",
        ]  # fmt: skip

    def _accept(self, listener: Listener, seconds: float) -> list[Connection]:
        """Wait until every process has connected and joined the group."""
        arrived: queue.Queue[Connection] = queue.Queue()

        def accept() -> None:
            while arrived.qsize() < self.processes:
                try:
                    arrived.put(listener.accept())
                except multiprocessing.AuthenticationError:
                    continue  # a stranger
                except (OSError, EOFError):  # the listener was closed
                    return

        threading.Thread(target=accept, daemon=True).start()
        found: list[Connection] = []
        end = time.monotonic() + seconds
        while len(found) < self.processes:
            if self._launcher.poll() is not None or time.monotonic() > end:
                raise TeamError(f"the processes did not start; their log:\n{self.log()}")
            with contextlib.suppress(queue.Empty):
                found.append(arrived.get(timeout=0.05))
        ranked: list[Connection | None] = [None] * self.processes
        for connection in found:
            if not connection.poll(max(0.0, end - time.monotonic())):
                raise TeamError(f"the processes did not find each other; their log:\n{self.log()}")
            ranked[unpack(connection.recv_bytes())["rank"]] = connection
        return [connection for connection in ranked if connection is not None]

    def run(
        self, function: types.FunctionType, *arguments: Any, timeout: float = 300.0
    ) -> list[Any]:
        """Call a function in all processes at once and return what each returned, by rank.

        Args:
            function: of the notebook; it finds its rank by ``torch.distributed.get_rank()``.
            arguments: the same for all: tensors, numbers, texts, lists and dicts of them. What
                it returns may be no more.
            timeout: seconds until the processes are given up and ended.

        Raises:
            TeamError: with the process's own traceback, or with the log if none answers in time,
                or if a process has died. Interrupted, the processes are ended: their late answers
                would be taken for those of the next function.
        """
        if not self._connections:
            raise TeamError("the processes have ended; start a new Team")
        pieces, values = definitions(function)
        task = pack(
            {
                "pieces": pieces,
                "values": values,
                "name": function.__name__,
                "arguments": list(arguments),
            }
        )
        try:
            for connection in self._connections:
                connection.send_bytes(task)
            answers = self._collect(time.monotonic() + timeout)
        except OSError:
            log = self.log()
            self._end()
            raise TeamError(f"a process died; start a new Team. Their log:\n{log}") from None
        except BaseException:
            self._end()
            raise
        missing = [rank for rank in range(self.processes) if rank not in answers]
        failed = {rank: a for rank, a in answers.items() if "error" in a}
        if missing:
            log = self.log()
            self._end()
            if not failed:
                raise TeamError(
                    f"no answer from process {missing[0]} within {timeout:g} s; all were ended. "
                    f"Does every process call the same collectives?\n{log}"
                )
        if failed:
            rank, answer = min(failed.items())
            rest = f"; process {missing[0]} waited for it, all were ended" if missing else ""
            raise TeamError(f"process {rank}: {answer['error']}{rest}\n\n{answer['trace']}")
        return [answers[rank]["result"] for rank in range(self.processes)]

    def _collect(self, end: float) -> dict[int, dict[str, Any]]:
        """Return the answers that come until ``end``, or shortly after the first failure."""
        answers: dict[int, dict[str, Any]] = {}
        while len(answers) < self.processes:
            open_ = [c for r, c in enumerate(self._connections) if r not in answers]
            ready = wait(open_, timeout=max(0.0, end - time.monotonic()))
            if not ready:
                break
            for connection in ready:
                rank = self._connections.index(connection)  # type: ignore[arg-type]
                try:
                    answers[rank] = unpack(self._connections[rank].recv_bytes())
                except (EOFError, OSError):
                    died = "the process died"
                    answers[rank] = {"error": died, "trace": self.log()}
                if "error" in answers[rank]:
                    end = min(end, time.monotonic() + self.grace_s)
        return answers

    def log(self, characters: int = 3000) -> str:
        """Return the end of what the processes printed."""
        return self._log.read_text(errors="replace")[-characters:] if self._log.exists() else ""

    def close(self) -> None:
        """End the processes; a second call does nothing."""
        self._end()

    def _end(self) -> None:
        for connection in self._connections:
            connection.close()  # they end themselves
        self._connections = []
        try:
            self._launcher.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._launcher.terminate()  # torchrun passes it on
            try:
                self._launcher.wait(timeout=35)
            except subprocess.TimeoutExpired:
                self._launcher.kill()
                self._launcher.wait()
        atexit.unregister(self.close)
        self._folder.cleanup()

    def __enter__(self) -> Team:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
