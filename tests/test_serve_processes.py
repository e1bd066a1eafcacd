"""Servers as processes: they answer, survive bad input, and end with whoever started them."""

import json
import os
import queue
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from helpers.serve import catfish, load
from helpers.serve.drawings import draw, jpeg
from helpers.serve.preprocess import MAX_BYTES
from helpers.serve.process import Server, ServerFailed

ROOT = Path(__file__).parents[1]
GOOD = jpeg(draw("fish", 0))


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "v1.safetensors"
    save_file(catfish.create_model().state_dict(), path)
    return path


def gone(pid, deadline_s=20.0):
    """Wait until no process has this id, or it is a zombie that nobody has asked for."""
    until = time.monotonic() + deadline_s
    while time.monotonic() < until:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        state = Path(f"/proc/{pid}/stat")
        if state.exists() and state.read_text().rpartition(")")[2].split()[0] == "Z":
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize("kind", ["fastapi", "flask"])
def test_http(kind, weights):
    pytest.importorskip(kind)
    with Server(kind, weights) as server:
        assert server.ask("GET", "/health")[1]["model"] == catfish.fingerprint(weights)[:12]
        assert server.predict(GOOD)[0] == 200
        assert server.ask("GET", "/predict")[0] == 405
        assert server.predict(b"hello")[0] == 415
        assert server.predict(bytes(MAX_BYTES + 1))[0] == 413
        latency, status = load.open_loop(server.port, [GOOD], np.zeros(10), clients=4)
        assert set(status) == {200}
        assert np.isfinite(latency).all()
        assert {line["status"] for line in server.log()} >= {200, 413, 415}
        assert server.predict(GOOD)[0] == 200
        pid = server.process.pid
    assert gone(pid)


def test_a_slow_client_is_dropped_and_others_are_served(weights):
    pytest.importorskip("fastapi")
    head = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/jpeg\r\n"
    with Server("fastapi", weights) as server:
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as slow:
            slow.sendall(head + b"Content-Length: 5000\r\n\r\nabc")
            assert server.predict(GOOD)[0] == 200, "one slow client must not block the others"
            assert b" 408 " in slow.recv(100)
        assert server.predict(GOOD)[0] == 200


@pytest.mark.parametrize("pieces", [11, 40])
def test_an_upload_without_a_length_is_cut_off(weights, pieces):
    pytest.importorskip("fastapi")
    with Server("fastapi", weights) as server:
        body = (bytes(100_000) for _ in range(pieces))
        status, told = server.ask("POST", "/predict", body, {"Content-Type": "image/jpeg"})
        assert status == 413, told
        assert server.predict(GOOD)[0] == 200


def test_grpc(weights):
    grpc = pytest.importorskip("grpc")
    pytest.importorskip("grpc_tools")
    from helpers.serve import grpc_server

    messages, services = grpc_server.stubs()
    with Server("grpc", weights) as server:
        with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            client = services.CatfishStub(channel)
            told = client.Predict(messages.Picture(content=GOOD), timeout=20)
            assert told.prediction in catfish.CLASSES
            with pytest.raises(grpc.RpcError) as refused:
                client.Predict(messages.Picture(content=b"hello"), timeout=20)
            assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
        pid = server.process.pid
    assert gone(pid)


def test_a_server_without_weights_fails_and_leaves_nothing(tmp_path):
    pytest.importorskip("fastapi")
    with pytest.raises(ServerFailed, match="ended with status"):
        Server("fastapi", tmp_path / "none.safetensors")


def test_a_deadline_ends_a_server_that_says_nothing(tmp_path):
    note = tmp_path / "pid"
    program = f"import os, time; open({str(note)!r}, 'w').write(str(os.getpid())); time.sleep(99)"
    mute = [sys.executable, "-c", program]  # it does not watch its input either: it is killed
    with pytest.raises(ServerFailed, match="did not name its port"):
        Server("fastapi", tmp_path, command=mute, deadline_s=5)
    assert gone(int(note.read_text()))


def test_a_block_that_fails_ends_the_server(weights):
    pytest.importorskip("fastapi")
    pids = []

    def block():
        with Server("fastapi", weights) as server:
            pids.append(server.process.pid)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        block()
    assert gone(pids[0])


def test_a_killed_parent_takes_the_server_along(weights):
    pytest.importorskip("fastapi")
    program = (
        "import sys, time\nfrom helpers.serve.process import Server\n"
        "with Server('fastapi', sys.argv[1]) as server:\n"
        "    print(server.process.pid, flush=True)\n    time.sleep(99)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program, str(weights)], stdout=subprocess.PIPE, cwd=ROOT, text=True
    )
    try:
        pid = int(parent.stdout.readline())
        os.kill(pid, 0)  # it runs
        parent.send_signal(signal.SIGKILL)  # no handler, no atexit
        parent.wait(timeout=20)
        assert gone(pid), "the server outlives its parent"
    finally:
        parent.kill()
        parent.wait()
        parent.stdout.close()


def test_a_kernel_killed_in_mid_cell_takes_the_server_along(weights):
    pytest.importorskip("fastapi")
    from jupyter_client.manager import start_new_kernel

    manager, client = start_new_kernel(startup_timeout=60, cwd=str(ROOT))
    try:
        client.execute(
            "import time\nfrom helpers.serve.process import Server\n"
            f"with Server('fastapi', {str(weights)!r}) as server:\n"
            "    print(server.process.pid, flush=True)\n    time.sleep(99)\n"
        )
        until, pid = time.monotonic() + 60, None
        while pid is None and time.monotonic() < until:
            try:
                message = client.get_iopub_msg(timeout=5)
            except queue.Empty:
                continue
            text = message["content"].get("text", "") if message["msg_type"] == "stream" else ""
            pid = int(text) if text.strip().isdigit() else None
            assert message["msg_type"] != "error", json.dumps(message["content"].get("evalue"))
        assert pid, "the cell has not started its server"
        os.kill(pid, 0)
        manager.provisioner.process.kill()  # the cell is still running
        assert gone(pid), "the server outlives the kernel"
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
