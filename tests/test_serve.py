"""The parts of the service: the door, the queue, the weights, the log."""

import io
import json
import subprocess
import sys
import threading
from pickle import UnpicklingError

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from helpers.serve import batching, catfish, load
from helpers.serve.batching import Batcher, Busy
from helpers.serve.drawings import draw, jpeg
from helpers.serve.preprocess import MAX_BYTES, BadPicture, to_tensor
from helpers.serve.service import Service

GOOD = jpeg(draw("cat", 0))


def picture(mode, size, form="PNG", **options):
    buffer = io.BytesIO()
    Image.new(mode, size).save(buffer, form, **options)
    return buffer.getvalue()


@pytest.fixture
def weights(tmp_path, monkeypatch):
    torch.manual_seed(0)
    path = tmp_path / "v1.safetensors"
    save_file(catfish.create_model().state_dict(), path)
    monkeypatch.setenv(catfish.LOCATION, str(path))
    return path


def test_importing_the_package_imports_no_server():
    program = (
        "import sys, helpers, helpers.serve, helpers.serve.process, helpers.serve.load\n"
        "print([m for m in ('fastapi', 'flask', 'grpc', 'uvicorn', 'torchao', 'onnx')"
        " if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", 415),
        (b"GIF89a" + bytes(50), 415),
        (GOOD[: len(GOOD) // 2], 422),
        (bytes(MAX_BYTES + 1), 413),
        (picture("1", (3000, 3000)), 413),
        (picture("1", (20000, 20000)), 413),
    ],
)
def test_the_door_refuses(content, status):
    with pytest.raises(BadPicture) as refused:
        to_tensor(content)
    assert refused.value.status == status


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "1", "I;16"])
def test_the_door_takes_every_mode(mode):
    assert to_tensor(picture(mode, (50, 70))).shape == (3, 64, 64)


def test_the_note_how_to_turn_a_picture_is_obeyed():
    upright = draw("cat", 3)
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    upright.rotate(90, expand=True).save(buffer, "JPEG", exif=exif, quality=95)
    turned = to_tensor(buffer.getvalue())
    assert (turned - to_tensor(jpeg(upright, 95))).abs().mean() < 0.1


def test_drawings_differ_by_seed_and_kind():
    assert jpeg(draw("cat", 1)) == jpeg(draw("cat", 1))
    assert len({jpeg(draw(kind, seed)) for kind in ("cat", "fish", "dog") for seed in (1, 2)}) == 6
    with pytest.raises(ValueError, match="unknown kind"):
        draw("cow", 0)


def test_weights_come_from_outside_and_are_compared(weights, monkeypatch):
    model, version = catfish.load_model()
    assert not model.training
    assert version == catfish.fingerprint(weights)[:12]
    with pytest.raises(RuntimeError, match="another file than expected"):
        catfish.load_model(sha256="0" * 64)
    monkeypatch.delenv(catfish.LOCATION)
    with pytest.raises(RuntimeError, match="no weights"):
        catfish.load_model()


def test_a_pickle_with_a_program_is_not_run(tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    torch.save({"x": Evil()}, tmp_path / "evil.pt")
    with pytest.raises(UnpicklingError):
        catfish.load_model(str(tmp_path / "evil.pt"))
    assert not (tmp_path / "ran").exists()


class Gate(nn.Module):
    def __init__(self):
        super().__init__()
        self.begun, self.go = threading.Event(), threading.Event()

    def forward(self, x):
        self.begun.set()
        assert self.go.wait(timeout=20)
        return x


def test_what_waits_is_computed_together_and_the_queue_has_a_bound():
    gate = Gate()
    with Batcher(gate, max_batch=2, capacity=3) as batcher:
        futures = [batcher.submit(torch.tensor([0.0]))]
        assert gate.begun.wait(timeout=20)
        futures += [batcher.submit(torch.tensor([float(i)])) for i in (1, 2, 3)]
        with pytest.raises(Busy):
            batcher.submit(torch.tensor([4.0]))
        assert futures[2].cancel()  # who gave up is not computed
        gate.go.set()
        assert [futures[i].result(timeout=20).item() for i in (0, 1, 3)] == [0.0, 1.0, 3.0]
    assert batcher.sizes == [1, 1, 1]
    with pytest.raises(Busy):
        batcher.submit(torch.tensor([5.0]))


def test_a_batcher_that_runs_for_long_keeps_the_sizes_of_its_last_batches_only(monkeypatch):
    monkeypatch.setattr(batching, "KEPT_SIZES", 3)
    with Batcher(nn.Identity()) as batcher:
        for i in range(7):  # one after another: seven batches of one
            assert batcher.submit(torch.tensor([float(i)])).result(timeout=20).item() == i
            assert batcher.sizes == [1] * min(i + 1, 3)


def test_an_error_reaches_its_client_and_the_worker_lives_on():
    class Picky(nn.Module):
        def forward(self, x):
            if (x < 0).any():
                raise ValueError("negative")
            return x

    with Batcher(Picky(), max_batch=1) as batcher:
        with pytest.raises(ValueError, match="negative"):
            batcher.submit(torch.tensor([-1.0])).result(timeout=20)
        assert batcher.submit(torch.tensor([1.0])).result(timeout=20).item() == 1.0


def test_each_request_has_a_status_a_count_and_a_log_line(weights, caplog):
    service = Service()
    with caplog.at_level("INFO", logger="catfish"):
        status, told = service.answer(GOOD)
        assert (status, set(told)) == (200, {"prediction", "id"})
        assert service.answer(b"hello")[0] == 415
        assert service.refuse(408, "too slow")[0] == 408
    lines = [json.loads(record.message) for record in caplog.records]
    assert [line["status"] for line in lines] == [200, 415, 408]
    assert lines[0]["id"] == told["id"]
    assert len(lines[0]["scores"]) == 2
    metrics = service.metrics()
    for text in ('requests_total{status="200"} 1', 'requests_total{status="415"} 1',
                 "catfish_seconds_count 1", 'bucket{le="+Inf"} 1'):  # fmt: skip
        assert text in metrics
    service.close()
    assert service.answer(GOOD)[0] == 503, "a closed service refuses"


def test_an_answer_that_comes_too_late_is_503(weights):
    service = Service(patience_s=0.05)
    service.batcher.model = Gate()
    try:
        assert service.answer(GOOD)[0] == 503
    finally:
        service.batcher.model.go.set()
        service.close()


def test_arrivals_are_reproducible_and_have_the_rate():
    times = load.poisson(50.0, 20_000, seed=1)
    assert (times[1:] > times[:-1]).all()
    assert abs(len(times) / times[-1] / 50 - 1) < 0.05
