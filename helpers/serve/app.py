"""The server of today: FastAPI under uvicorn. ``create_app()`` is what a server calls."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from helpers.serve.preprocess import MAX_BYTES
from helpers.serve.service import Service

__all__ = ["create_app"]

TYPES = ("image/jpeg", "image/png")


async def read_body(request: Request, limit: int, seconds: float) -> bytes:
    """Read an upload piece by piece, and stop at the limit of bytes or of time."""
    content = bytearray()
    async with asyncio.timeout(seconds):
        async for piece in request.stream():
            content += piece
            if len(content) > limit:
                raise OverflowError
    return bytes(content)


async def drop_rest(request: Request, limit: int, seconds: float) -> None:
    """Read and forget what still comes: a client that is cut off while it sends reads no answer."""
    with suppress(TimeoutError, ClientDisconnect, RuntimeError):  # the last: nothing is left
        async with asyncio.timeout(seconds):
            async for piece in request.stream():
                limit -= len(piece)
                if limit < 0:
                    return


def create_app(*, patience_s: float = 5.0) -> FastAPI:
    """Return the application: ``/health``, ``/metrics`` and ``POST /predict``.

    Args:
        patience_s: seconds that an upload may take.
    """
    service = Service()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await run_in_threadpool(service.close)

    app = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None)

    @app.exception_handler(HTTPException)
    async def refused(_: Request, error: HTTPException) -> JSONResponse:
        return reply(*service.refuse(error.status_code, str(error.detail)))

    @app.get("/health")
    def health() -> dict[str, str]:
        return {"status": "ok", "model": service.version}

    @app.get("/metrics")
    def metrics() -> PlainTextResponse:
        return PlainTextResponse(service.metrics())

    @app.post("/predict")
    async def predict(request: Request) -> JSONResponse:
        try:
            declared = int(request.headers.get("content-length", "0"))
            if declared > MAX_BYTES:
                raise OverflowError
            if request.headers.get("content-type", "") not in TYPES:
                return reply(*service.refuse(415, "send image/jpeg or image/png"))
            content = await read_body(request, MAX_BYTES, patience_s)
        except OverflowError:
            await drop_rest(request, 4 * MAX_BYTES, 0.3)
            return reply(*service.refuse(413, f"more than {MAX_BYTES:,} bytes"))
        except TimeoutError:
            return reply(*service.refuse(408, "the upload took too long"))
        except ClientDisconnect:
            return reply(*service.refuse(499, "the client went away"))
        # Decoding and waiting are done in a thread: the event loop stays free for others.
        return reply(*await run_in_threadpool(service.answer, content))

    def reply(status: int, told: dict[str, str]) -> JSONResponse:
        headers = {"Retry-After": "1"} if status == 503 else {}
        if status in (408, 413):  # the rest of the body is not read: this connection ends
            headers["Connection"] = "close"
        return JSONResponse(told, status_code=status, headers=headers)

    return app
