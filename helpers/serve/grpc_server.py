"""The same service over gRPC. The stubs are made from ``catfish.proto`` when they are needed."""

from __future__ import annotations

import importlib
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from helpers.serve.preprocess import MAX_BYTES
from helpers.serve.service import Service

__all__ = ["PROTO", "serve", "stubs"]

PROTO = Path(__file__).with_name("catfish.proto")


@cache
def stubs() -> tuple[ModuleType, ModuleType]:
    """Generate and import the two modules of the protocol: messages, and client with server.

    Returns:
        ``(catfish_pb2, catfish_pb2_grpc)``.

    Raises:
        RuntimeError: the compiler of the protocol refuses the file.

    Example:
        >>> messages, services = stubs()  # doctest: +SKIP
    """
    from grpc_tools import protoc

    with tempfile.TemporaryDirectory(prefix="catfish-") as folder:
        options = [f"-I{PROTO.parent}", f"--python_out={folder}", f"--grpc_python_out={folder}"]
        if protoc.main(["protoc", *options, PROTO.name]) != 0:
            raise RuntimeError(f"{PROTO.name} could not be compiled")
        sys.path.insert(0, folder)
        try:
            names = ("catfish_pb2", "catfish_pb2_grpc")
            messages, services = (importlib.import_module(name) for name in names)
        finally:
            sys.path.remove(folder)
    return messages, services


def serve(port: int = 0) -> tuple[Any, int]:
    """Start a gRPC server on 127.0.0.1.

    Args:
        port: 0 takes a free one.

    Returns:
        The server, which runs, and its port.
    """
    import grpc

    messages, services = stubs()
    service = Service()
    codes = {
        413: grpc.StatusCode.RESOURCE_EXHAUSTED,
        415: grpc.StatusCode.INVALID_ARGUMENT,
        422: grpc.StatusCode.INVALID_ARGUMENT,
        503: grpc.StatusCode.UNAVAILABLE,
    }

    class Catfish(services.CatfishServicer):  # type: ignore[name-defined]
        def Predict(self, request: Any, context: Any) -> Any:
            status, told = service.answer(request.content)
            if status != 200:
                context.abort(codes.get(status, grpc.StatusCode.INTERNAL), told["error"])
            return messages.Prediction(prediction=told["prediction"], id=told["id"])

        def Health(self, request: Any, context: Any) -> Any:
            return messages.State(status="ok", model=service.version)

    # A little more than the picture: the message around it. Larger ones never reach our code.
    options = [("grpc.max_receive_message_length", MAX_BYTES + 1000), ("grpc.so_reuseport", 0)]
    server = grpc.server(ThreadPoolExecutor(max_workers=8), options=options)
    services.add_CatfishServicer_to_server(Catfish(), server)
    port = server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    return server, port
