"""The source's Flask service, mended: an upload in place of an address, limits, a factory."""

from __future__ import annotations

from flask import Flask, Response, jsonify, request

from helpers.serve.preprocess import MAX_BYTES
from helpers.serve.service import Service

__all__ = ["create_app"]


def create_app() -> Flask:
    """Return the application: ``/`` for the state, ``POST /predict`` for a picture.

    Serve it with waitress or gunicorn, not with Flask's own server, which is for development.
    """
    app = Flask("catfish")
    app.config["MAX_CONTENT_LENGTH"] = MAX_BYTES
    service = Service()

    @app.route("/")
    def status() -> Response:
        return jsonify(status="ok")

    @app.route("/health")
    def health() -> Response:
        return jsonify(status="ok", model=service.version)

    @app.route("/metrics")
    def metrics() -> Response:
        return Response(service.metrics(), mimetype="text/plain")

    @app.route("/predict", methods=["POST"])
    def predict() -> tuple[Response, int]:
        code, told = service.answer(request.get_data())
        return jsonify(told), code

    @app.errorhandler(413)
    def too_large(_: Exception) -> tuple[Response, int]:
        code, told = service.refuse(413, f"more than {MAX_BYTES:,} bytes")
        return jsonify(told), code

    return app
