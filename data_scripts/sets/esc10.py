"""ESC-10: 400 recordings of 5 seconds, ten kinds of sound, in five folds.

Pieces of one original recording lie in the same fold, so a fair split is by fold.

Content: `files`, a list of encoded audio files (bytes, read them with
`soundfile.read(io.BytesIO(file))`); `labels`, int64 (N,), 0 to 9; `folds`, int64 (N,), 1 to 5;
`classes`, the ten names in the order of the labels; `names`, the names of the files.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from .._core import Content, DataSet, File, StandIn
from .._manifests import manifest

if TYPE_CHECKING:
    import numpy as np

CLASSES = (
    "dog bark",
    "rain",
    "sea waves",
    "baby cry",
    "clock tick",
    "person sneeze",
    "helicopter",
    "chainsaw",
    "rooster",
    "fire crackling",
)
RATE = 44_100  # samples a second
_HOST = "https://github.com/karolpiczak/ESC-10/raw/master"


def _flat(path: str) -> str:
    """Name in the cache: "001 - Dog bark/1-100032-A.ogg" becomes "001_1-100032-A.ogg"."""
    folder, name = path.split("/")
    return f"{folder[:3]}_{name}"


def _content(names: list[str], files: list[bytes]) -> Content:
    import torch

    return {
        "files": files,
        "labels": torch.tensor([int(name[:3]) - 1 for name in names]),
        "folds": torch.tensor([int(name[4]) for name in names]),
        "classes": list(CLASSES),
        "names": names,
    }


def _prepare(folder: Path) -> Content:
    names = [file.name for file in _FILES]
    return _content(names, [(folder / name).read_bytes() for name in names])


def make(seed: int) -> Content:
    """Generated sounds: for each kind one recording a fold, 5 s, one channel, as FLAC files.

    Kinds differ as the real ones do: steady noise, slow swells, clicks, calls with a pitch,
    engines. The recordings of a kind differ in pitch, pace, loudness, and in the noise of the
    place: its colour and its level.

    Args:
        seed: of the generator.
    """
    import soundfile

    names, files = [], []
    for label in range(len(CLASSES)):
        for fold in range(1, 6):
            file = io.BytesIO()
            samples = _sound(label, seed * 1000 + 10 * label + fold)
            soundfile.write(file, samples, RATE, format="FLAC", subtype="PCM_16")
            names.append(f"{label + 1:03d}_{fold}-made{label}{fold}-A.flac")
            files.append(file.getvalue())
    return _content(names, files)


def _sound(label: int, seed: int) -> object:
    """Five seconds of one kind of sound, float64 in -1 to 1."""
    import numpy as np

    rng = np.random.default_rng(seed)
    t = np.arange(5 * RATE) / RATE
    noise = rng.normal(0, 1, len(t))
    pace, pitch = rng.uniform(0.8, 1.25, 2)

    def pulses(rate: float, length: float) -> np.ndarray:
        """An envelope of decaying pulses: `rate` a second, `length` seconds each."""
        return np.exp(-((t * rate * pace) % 1) / (rate * length))

    def call(frequency: float, sweep: float, rate: float, length: float) -> np.ndarray:
        """A tone with overtones and a moving pitch, in pulses."""
        local = (t * rate * pace) % 1
        phase = 2 * np.pi * frequency * pitch * (t + sweep * local**2 / (2 * rate))
        tone = sum(np.sin(k * phase) / k for k in range(1, 6))
        return tone * pulses(rate, length)

    def hum(frequency: float) -> np.ndarray:
        """An engine: a low tone with many overtones."""
        return sum(np.sin(2 * np.pi * k * frequency * pitch * t) / k**0.5 for k in range(1, 12))

    def surf() -> np.ndarray:
        """Deep noise: the running sum of noise without its slow drift."""
        total = np.cumsum(noise - noise.mean())
        drift = np.interp(t, t[::2000], total[::2000])
        return (total - drift) / abs(total - drift).max()

    slow = 0.5 + 0.5 * np.sin(2 * np.pi * 0.25 * pace * t)
    kinds = (
        lambda: call(500, -0.5, 1.6, 0.07) + 0.2 * noise * pulses(1.6, 0.05),
        lambda: 0.5 * noise,
        lambda: surf() * (0.2 + slow**2) + 0.1 * noise * slow,
        lambda: call(420, 0.3, 0.8, 0.5),
        lambda: noise * pulses(2.0, 0.004),
        lambda: noise * pulses(0.4, 0.15),
        lambda: (hum(28) + noise) * pulses(11, 0.04),
        lambda: hum(110) * (0.7 + 0.3 * slow) + 0.5 * noise,
        lambda: call(800, 0.5, 0.35, 0.6),
        lambda: noise * (rng.random(len(t)) < 0.0006 * pace).astype(float) * 3 + 0.03 * noise,
    )
    sound = kinds[label]()
    sound = sound / sound.std() + _place(rng, len(t))
    return rng.uniform(0.4, 0.9) * sound / abs(sound).max()


def _place(rng: np.random.Generator, count: int) -> np.ndarray:
    """What a microphone adds at one place: steady noise of one colour and level."""
    import numpy as np

    hz = np.fft.rfftfreq(count, 1 / RATE)
    centre, slope, level = rng.uniform(200, 8000), rng.uniform(0, 1.2), rng.uniform(-8, 2)
    colour = (hz + 50) ** -slope * (1 + 3 * np.exp(-(((hz - centre) / (0.3 * centre)) ** 2)))
    noise = np.fft.irfft(colour * np.fft.rfft(rng.normal(0, 1, count)), count)
    return 10 ** (level / 20) * noise / noise.std()


_FILES = tuple(
    File(_flat(path), (f"{_HOST}/{quote(path)}",), sha256, size, f"esc-10/{path}")
    for path, size, sha256 in manifest("esc10.tsv")
)

DATASETS = (
    DataSet(
        name="esc10",
        title="ESC-10",
        home="https://github.com/karolpiczak/ESC-10",
        licence="CC BY 3.0",
        citation=(
            "Piczak: ESC: dataset for environmental sound classification, ACM Multimedia (2015), "
            "https://doi.org/10.1145/2733373.2806390"
        ),
        prepare=_prepare,
        files=_FILES,
        standin=StandIn(
            make,
            "generated sounds of the same ten kinds",
            "results are not ESC-10 results",
        ),
        extent=lambda content: f"{len(content['files'])} recordings of 5 s",
    ),
)
