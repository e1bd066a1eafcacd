"""One of a team's processes; :class:`helpers.scale.Team` has torchrun start it.

It connects to the notebook, and does what comes from there until the connection ends: a notebook
that dies takes its processes with it, also out of a collective that waits for ever.
"""

from __future__ import annotations

import linecache
import os
import queue
import sys
import threading
import traceback
import types
from datetime import timedelta
from multiprocessing.connection import Client, Connection

import torch
import torch.distributed as dist

from helpers.scale.shipping import pack, unpack


def listen(connection: Connection, tasks: queue.Queue[bytes]) -> None:
    """Pass on what comes; end the process when nobody is left to answer to."""
    try:
        while True:
            tasks.put(connection.recv_bytes())
    except (EOFError, OSError):
        os._exit(0)


def perform(task: bytes, space: types.ModuleType) -> bytes:
    """Define what a task brings, call its function, return its answer."""
    try:
        content = unpack(task, os.environ["SCALE_DEVICE"])
        for name, value in content["values"].items():
            setattr(space, name, value)
        for source in content["pieces"]:
            file = f"<cell {hash(source)}>"
            linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
            exec(compile(source, file, "exec"), vars(space))  # that is this process's purpose
        return pack({"result": getattr(space, content["name"])(*content["arguments"])})
    except BaseException as error:
        trace = traceback.format_exc()
        return pack({"error": f"{type(error).__name__}: {error}", "trace": trace})


def main() -> None:
    """Answer until the notebook closes the connection."""
    host, port = os.environ["SCALE_ADDRESS"].rsplit(":", 1)
    key = bytes.fromhex(os.environ.pop("SCALE_KEY"))
    connection = Client((host, int(port)), authkey=key)
    tasks: queue.Queue[bytes] = queue.Queue()
    threading.Thread(target=listen, args=(connection, tasks), daemon=True).start()
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    local = int(os.environ["LOCAL_RANK"])
    cuda = os.environ["SCALE_DEVICE"] == "cuda"
    if cuda:
        torch.cuda.set_device(local)
        torch.set_default_device("cuda")
    dist.init_process_group("nccl" if cuda else "gloo", timeout=timedelta(minutes=4))
    space = types.ModuleType("team")
    sys.modules["team"] = space
    connection.send_bytes(pack({"rank": dist.get_rank()}))
    while True:
        connection.send_bytes(perform(tasks.get(), space))


if __name__ == "__main__":
    main()
