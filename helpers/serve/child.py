"""The program of a server's process: ``python -m helpers.serve.child fastapi``.

It takes a free port of 127.0.0.1, writes ``PORT 43211`` on its standard output, and serves. It
ends when its standard input ends: that is when whoever started it closes the pipe, exits, crashes
or is killed, because the operating system closes the pipes of a process that is gone.
"""

from __future__ import annotations

import logging
import os
import socket
import sys
import threading


def end_with_parent() -> None:
    """Leave at once when the standard input ends."""
    while os.read(0, 1024):
        pass
    os._exit(0)


def announce(port: int) -> None:
    """Tell the parent the port."""
    print(f"PORT {port}", flush=True)


def main(kind: str) -> None:
    """Serve until the parent is gone: ``"fastapi"``, ``"flask"`` or ``"grpc"``."""
    threading.Thread(target=end_with_parent, daemon=True).start()
    logging.basicConfig(format="%(message)s", level=logging.WARNING, stream=sys.stderr)
    logging.getLogger("catfish").setLevel(logging.INFO)
    if kind == "grpc":
        from helpers.serve import grpc_server

        server, port = grpc_server.serve()
        announce(port)
        server.wait_for_termination()
        return
    # With the protocol named, asyncio switches off Nagle's algorithm, which adds 40 ms an answer.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    if kind == "fastapi":
        import uvicorn

        from helpers.serve.app import create_app

        config = uvicorn.Config(
            create_app(), log_level="warning", timeout_keep_alive=5, timeout_graceful_shutdown=2
        )
        listener.listen(128)  # who asks before the server runs waits, and is not refused
        announce(listener.getsockname()[1])
        uvicorn.Server(config).run(sockets=[listener])
    elif kind == "flask":
        import waitress

        from helpers.serve import flask_app

        listener.listen(128)
        announce(listener.getsockname()[1])
        waitress.serve(flask_app.create_app(), sockets=[listener], threads=8)
    else:
        raise SystemExit(f"unknown kind of server {kind!r}: fastapi, flask or grpc")


if __name__ == "__main__":
    main(*sys.argv[1:])
