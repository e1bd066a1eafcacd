"""The files of deploy/: checked without Docker and without a cluster, the C++ built for real."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()


def test_hadolint_finds_nothing():
    tool = shutil.which("hadolint") or Path(sys.executable).with_name("hadolint")
    if not Path(tool).exists():
        pytest.skip("hadolint is not installed")
    run = [tool, "-"]
    done = subprocess.run(run, input=DOCKERFILE, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    bad = DOCKERFILE.replace("python:3.12-slim-bookworm", "python:latest")
    assert subprocess.run(run, input=bad, capture_output=True, text=True).returncode != 0


def test_the_image_is_not_root_and_watched_and_listens():
    assert re.search(r"^USER [1-9]\d*$", DOCKERFILE, flags=re.M)
    assert re.search(r"^HEALTHCHECK ", DOCKERFILE, flags=re.M)
    assert "--host 0.0.0.0" in DOCKERFILE
    commands = DOCKERFILE.replace("\\\n", " ").replace("&&", "\n")
    packages = [
        word
        for command in re.findall(r"pip install (.*)", commands)
        for word in command.split()
        if re.match(r"[a-z]+(==|$)", word)
    ]
    assert len(packages) >= 6
    assert all("==" in package for package in packages)


def test_what_the_dockerfile_copies_is_enough_for_the_server():
    for source in re.findall(r"^COPY (\S+) \S+$", DOCKERFILE, flags=re.M):
        assert (ROOT / source).exists()
    installed = set(re.findall(r"([a-z]+)==", DOCKERFILE))
    program = (
        "import sys, helpers.serve.app\n"
        "print(*sorted(m for m in sys.modules if m.startswith('helpers')))\n"
        "print(*{'torchvision', 'pandas', 'matplotlib', 'sklearn'} & {*sys.modules})"
    )
    pytest.importorskip("fastapi")
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    ours, others = (done.stdout + "\n").split("\n")[:2]
    assert all(name == "helpers" or name.startswith("helpers.serve") for name in ours.split())
    assert not others.split()
    assert installed >= {"torch", "fastapi", "uvicorn", "pillow", "numpy", "safetensors"}


def test_compose_and_manifests_agree_with_the_dockerfile():
    service = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]["catfish"]
    assert (DEPLOY / service["build"]["context"] / service["build"]["dockerfile"]).is_file()
    port = int(re.search(r"^ARG port=(\d+)$", DOCKERFILE, flags=re.M)[1])
    assert service["ports"] == [f"127.0.0.1:{port}:{port}"]
    deployment, balancer = (
        yaml.safe_load((DEPLOY / "k8s" / name).read_text())
        for name in ("deployment.yaml", "service.yaml")
    )
    template = deployment["spec"]["template"]
    (container,) = template["spec"]["containers"]
    assert deployment["spec"]["selector"]["matchLabels"] == template["metadata"]["labels"]
    assert balancer["spec"]["selector"].items() <= template["metadata"]["labels"].items()
    assert container["ports"] == [{"containerPort": port}]
    assert balancer["spec"]["ports"][0]["targetPort"] == port
    assert container["readinessProbe"]["httpGet"]["port"] == port
    assert not container["image"].endswith(":latest")


@pytest.mark.parametrize("name", ["deployment.yaml", "service.yaml"])
def test_manifests_keep_to_the_schema(name):
    kubernetes_validate = pytest.importorskip("kubernetes_validate")
    manifest = yaml.safe_load((DEPLOY / "k8s" / name).read_text())
    version = str(kubernetes_validate.latest_version())
    kubernetes_validate.validate(manifest, version, strict=True)
    manifest["spec"]["selektor"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(manifest, version, strict=True)


def test_cpp_answers_as_python_does(tmp_path):
    if not (shutil.which("cmake") and (shutil.which("c++") or shutil.which("g++"))):
        pytest.skip("no cmake or no C++ compiler on this machine")
    root = Path(torch.__file__).parent
    for command in (
        ["cmake", "-S", DEPLOY / "cpp", "-B", tmp_path, f"-DTORCH_ROOT={root}"],
        ["cmake", "--build", tmp_path],
    ):
        done = subprocess.run(command, capture_output=True, text=True, timeout=900)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    hello = subprocess.run([tmp_path / "helloworld"], capture_output=True, text=True, timeout=60)
    assert hello.stdout.split() == ["1", "1", "1", "1", "[", "CPUFloatType{2,2}", "]"]

    torch.manual_seed(0)
    net = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 11, stride=4),
        torch.nn.ReLU(),
        torch.nn.AdaptiveAvgPool2d(2),
        torch.nn.Flatten(),
        torch.nn.Linear(16, 2),
    ).eval()
    inputs = torch.linspace(0, 1, 3 * 224 * 224).reshape(1, 3, 224, 224)
    with pytest.warns(FutureWarning, match="deprecated"):
        torch.jit.save(torch.jit.trace(net, inputs), tmp_path / "net.pt")
    program = tmp_path / "load-cnn"
    said = subprocess.run(
        [program, tmp_path / "net.pt"], capture_output=True, text=True, timeout=60
    )
    sizes, _, numbers = said.stdout.partition("]")
    assert sizes == "[1, 2"
    answer = torch.tensor([float(number) for number in numbers.split()])
    torch.testing.assert_close(answer, net(inputs)[0].detach(), rtol=1e-5, atol=1e-6)
    missing = subprocess.run([program, tmp_path / "none.pt"], capture_output=True, timeout=60)
    assert missing.returncode == 1
