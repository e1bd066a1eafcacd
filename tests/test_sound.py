"""Sound as numbers: resampling, spectrogram, mel bands, decibels, and life without torchaudio."""

import math
import re
import sys

import librosa
import numpy as np
import pytest
import torch

from helpers import models, sound
from tools.notebook import ROOT

RATE = 22_050


def tone(hz, rate=RATE, seconds=1.0):
    return torch.sin(2 * math.pi * hz * torch.arange(int(rate * seconds)) / rate)


@pytest.mark.parametrize("length", [1, 5, 9])
def test_fix_length_cuts_or_adds_zeros(length):
    x = torch.arange(1.0, 6.0)
    wanted = torch.tensor([1.0, 2, 3, 4, 5, 0, 0, 0, 0])[:length]
    assert torch.equal(sound.fix_length(x, length), wanted)
    assert sound.fix_length(x.expand(2, 3, 5), length).shape == (2, 3, length)


def test_resample_keeps_what_fits_and_removes_the_rest():
    for hz, power in ((1_000, 0.5), (3_000, 0.5), (7_000, 0.0), (10_000, 0.0)):
        made = sound.resample(tone(hz), RATE, 11_025)[500:-500]
        assert len(made) + 1_000 == 11_025
        assert abs(made.square().mean().item() - power) < 0.01, hz
    x = torch.randn(2, 3, 441)
    assert sound.resample(x, 44_100, 8_000).shape == (2, 3, 80)
    assert sound.resample(x, 44_100, 8_000).dtype == x.dtype
    same = sound.resample(x, RATE, RATE)
    assert torch.equal(same, x)
    assert same.data_ptr() != x.data_ptr()
    for rates in ((0, 8_000), (44_100, -1), (44_100.5, 8_000)):
        with pytest.raises(ValueError, match="positive whole numbers"):
            sound.resample(x, *rates)


@pytest.mark.parametrize("scale", ["slaney", "htk"])
def test_mel_is_that_of_librosa(scale):
    htk = scale == "htk"
    hz = torch.tensor([0.0, 40, 999, 1_000, 1_001, 8_000], dtype=torch.float64)
    mel = sound.hz_to_mel(hz, scale)
    np.testing.assert_allclose(mel, librosa.hz_to_mel(hz.numpy(), htk=htk), atol=1e-9)
    np.testing.assert_allclose(sound.mel_to_hz(mel, scale), hz, atol=1e-6)
    for area in (True, False):
        ours = sound.mel_filters(RATE, n_fft=512, n_mels=40, scale=scale, area=area)
        norm = "slaney" if area else None
        theirs = librosa.filters.mel(sr=RATE, n_fft=512, n_mels=40, htk=htk, norm=norm)
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_an_unknown_scale_is_refused():
    for function in (sound.hz_to_mel, sound.mel_to_hz):
        with pytest.raises(ValueError, match="slaney, htk"):
            function(torch.tensor(1.0), "bark")


def test_spectrogram_and_decibels():
    x = torch.randn(2, 3, 4_000, dtype=torch.float64)
    power = sound.spectrogram(x, n_fft=256, hop=100)
    assert power.shape == (2, 3, 129, 41)
    theirs = np.abs(librosa.stft(x[1, 2].numpy(), n_fft=256, hop_length=100, pad_mode="reflect"))
    np.testing.assert_allclose(power[1, 2], theirs**2, rtol=1e-5, atol=1e-6)
    db = sound.decibels(power[1, 2], top_db=30)
    np.testing.assert_allclose(db, librosa.power_to_db(theirs**2, ref=np.max, top_db=30), atol=1e-3)
    each = sound.decibels(power * torch.tensor([1.0, 1e-4, 1e3])[:, None, None])
    assert torch.allclose(each.amax(dim=(-2, -1)), torch.zeros(2, 3, dtype=torch.float64))
    with pytest.raises(ValueError, match="more than 128 samples"):
        sound.spectrogram(x[..., :128], n_fft=256)


def test_log_mel_finds_a_tone():
    picture = sound.log_mel(tone(2_000), RATE)
    band = picture.mean(dim=1).argmax().item()
    edges = librosa.mel_frequencies(n_mels=66, fmax=RATE / 2)
    assert edges[band] < 2_000 < edges[band + 2]
    assert picture.max() == 0
    assert picture.min() >= -80
    assert (sound.log_mel(torch.zeros(RATE), RATE) == 0).all(), "silence is finite"


@pytest.mark.parametrize("text", [None, "raise RuntimeError('other CUDA')", "import nothing_here"])
def test_a_library_that_does_not_import_is_left_out(text, tmp_path, monkeypatch, capsys):
    if text is None:
        monkeypatch.setitem(sys.modules, "torchaudio", None)  # as if it were not installed
    else:
        (tmp_path / "torchaudio.py").write_text(text)
        monkeypatch.delitem(sys.modules, "torchaudio", raising=False)
        monkeypatch.syspath_prepend(tmp_path)
    assert sound.optional_library("torchaudio") is None
    assert "torchaudio does not import here" in capsys.readouterr().out
    assert sound.optional_library("math") is math


def test_an_error_of_our_own_is_not_hidden(tmp_path, monkeypatch):
    (tmp_path / "broken_by_us.py").write_text("1 / 0")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ZeroDivisionError):
        sound.optional_library("broken_by_us")


CELLS_WITH_TORCHAUDIO = 4


def test_the_chapter_runs_without_torchaudio(monkeypatch, capsys):
    """The cells that name torchaudio run where it cannot be imported; no other cell needs it."""
    import nbformat

    notebook = nbformat.read(ROOT / "notebooks" / "21_sound.ipynb", 4)
    cells = [c.source for c in notebook.cells if c.cell_type == "code"]
    named = [source for source in cells if re.search(r"\btorchaudio\b", source)]
    assert len(named) == CELLS_WITH_TORCHAUDIO, "a cell more or less: look at it, then count here"
    assert not any(re.search(r"^\s*(import|from) torchaudio", c, re.M) for c in cells)
    monkeypatch.setitem(sys.modules, "torchaudio", None)
    namespace = {"sound": sound}
    for source in named:
        exec(source, namespace)
    said = capsys.readouterr().out
    assert said.count("torchaudio") >= 3
    assert namespace["torchaudio"] is None


def test_audionet_takes_clips_of_any_length():
    net = models.AudioNet(7, channels=4).eval()
    with torch.no_grad():
        for samples in (1_772, 32_000, 40_001):
            assert net(torch.zeros(2, 1, samples)).shape == (2, 7)
    for shape in ((2, 1, 1_771), (2, 8_000), (2, 2, 8_000)):
        with pytest.raises(ValueError, match="expected waveforms"):
            net(torch.zeros(shape))
