"""The transformer of Vaswani et al.: an encoder, a decoder, and attention between them.

Taught in notebooks/20_transformers.ipynb.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from helpers.models._cache import KeyValueCache
from helpers.models._shapes import check_tokens

__all__ = ["MultiHeadAttention", "Transformer", "sinusoidal_positions"]


def sinusoidal_positions(length: int, width: int) -> Tensor:
    """Return the table of position codes ``(length, width)``.

    Columns 2i and 2i + 1 hold sine and cosine of ``place / 10000 ** (2 * i / width)`` (Vaswani et
    al., section 3.5), so the wavelengths grow from 2π to nearly 10,000 · 2π places.

    Raises:
        ValueError: for an odd width or a negative length.

    Example:
        >>> sinusoidal_positions(2, 4)[0].tolist()
        [0.0, 1.0, 0.0, 1.0]
    """
    if width % 2 or width < 2 or length < 0:
        raise ValueError(f"expected an even width and a length, got {width} and {length}")
    places = torch.arange(length, dtype=torch.float64).unsqueeze(1)
    angles = places * torch.exp(
        torch.arange(0, width, 2, dtype=torch.float64) * (-math.log(10_000) / width)
    )
    return torch.stack([angles.sin(), angles.cos()], dim=2).flatten(1).float()


class MultiHeadAttention(nn.Module):
    """Attention in several heads at once, 1,048,576 parameters.

    Section 3.2 of Vaswani et al., arXiv:1706.03762, without biases, in the size of the paper
    (K9.r1).

    Shapes: queries ``(N, Q, width)`` and keys ``(N, K, width)`` to ``(N, Q, width)``. The mask is
    True where a query may look: ``(N, 1, 1, K)``, ``(Q, K)``, or whatever broadcasts to
    ``(N, heads, Q, K)``. This is the polarity of ``F.scaled_dot_product_attention``;
    ``nn.MultiheadAttention`` has the opposite one.

    Args:
        width: numbers of a token's vector, a multiple of ``heads``.
        heads: each works on ``width / heads`` numbers.
        dropout: share of the weights that are set to 0 in training.

    Raises:
        ValueError: if ``heads`` does not divide ``width``, or for vectors of another width.

    Example:
        >>> attention = MultiHeadAttention(512, 8)
        >>> attention(torch.zeros(2, 3, 512), torch.zeros(2, 5, 512)).shape
        torch.Size([2, 3, 512])
    """

    def __init__(self, width: int, heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        if heads < 1 or width % heads:
            raise ValueError(f"the width {width} can't be shared out to {heads} heads")
        self.width, self.heads, self.dropout = width, heads, dropout
        self.query = nn.Linear(width, width, bias=False)
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width, bias=False)
        self.out = nn.Linear(width, width, bias=False)

    def split(self, x: Tensor) -> Tensor:
        """Share the width out: ``(N, L, width)`` to ``(N, heads, L, width / heads)``."""
        return x.unflatten(2, (self.heads, -1)).transpose(1, 2)

    def keys_and_values(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the keys and the values of the vectors, split into heads."""
        return self.split(self.key(x)), self.split(self.value(x))

    def attend(self, x: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None = None) -> Tensor:
        """Let each of the vectors ``(N, Q, width)`` look at keys that are split already."""
        dropout = self.dropout if self.training else 0.0
        found = F.scaled_dot_product_attention(
            self.split(self.query(x)), keys, values, mask, dropout
        )
        return self.out(found.transpose(1, 2).flatten(2))

    def weights(self, x: Tensor, other: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        """Return the weights ``(N, heads, Q, K)``, before dropout: each row adds up to 1."""
        keys, _ = self.keys_and_values(x if other is None else other)
        scores = self.split(self.query(x)) @ keys.transpose(2, 3) / math.sqrt(keys.shape[3])
        if mask is not None:
            scores = scores.masked_fill(~mask, -math.inf)
        return scores.softmax(dim=3)

    def forward(self, x: Tensor, other: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        """Let the vectors look at the others, at themselves without others."""
        for vectors in (x, x if other is None else other):
            if vectors.ndim != 3 or vectors.shape[2] != self.width:
                raise ValueError(
                    f"expected vectors (N, L, {self.width}), got {tuple(vectors.shape)}"
                )
        return self.attend(x, *self.keys_and_values(x if other is None else other), mask)


class _FeedForward(nn.Sequential):
    """The same two layers for each token by itself."""

    def __init__(self, width: int, hidden: int, dropout: float) -> None:
        super().__init__(
            nn.Linear(width, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, width)
        )


class _Residual(nn.Module):
    """``x + dropout(sublayer(norm(x)))``, or the paper's ``norm(x + dropout(sublayer(x)))``."""

    def __init__(self, width: int, dropout: float, norm_first: bool) -> None:
        super().__init__()
        self.norm, self.dropout = nn.LayerNorm(width), nn.Dropout(dropout)
        self.norm_first = norm_first

    def before(self, x: Tensor) -> Tensor:
        """Return what the sublayer gets."""
        return self.norm(x) if self.norm_first else x

    def after(self, x: Tensor, change: Tensor) -> Tensor:
        """Add what the sublayer returned."""
        x = x + self.dropout(change)
        return x if self.norm_first else self.norm(x)


class _Block(nn.Module):
    """One block of the encoder, or of the decoder with attention to the encoder's output."""

    def __init__(
        self, width: int, heads: int, hidden: int, dropout: float, norm_first: bool, crossed: bool
    ) -> None:
        super().__init__()
        self.attention = MultiHeadAttention(width, heads, dropout)
        self.cross = MultiHeadAttention(width, heads, dropout) if crossed else None
        self.feed_forward = _FeedForward(width, hidden, dropout)
        self.around_self = _Residual(width, dropout, norm_first)
        self.around_cross = _Residual(width, dropout, norm_first) if crossed else None
        self.around_feed = _Residual(width, dropout, norm_first)

    def forward(
        self,
        x: Tensor,
        mask: Tensor | None,
        memory: Tensor | None = None,
        memory_mask: Tensor | None = None,
        cache: KeyValueCache | None = None,
        layer: int = 0,
    ) -> Tensor:
        inside = self.around_self.before(x)
        keys, values = self.attention.keys_and_values(inside)
        if cache is not None:
            if (kept := cache.get(layer, "self")) is not None:
                keys = torch.cat([kept[0], keys], dim=2)
                values = torch.cat([kept[1], values], dim=2)
            cache.put(layer, "self", keys, values)
        x = self.around_self.after(x, self.attention.attend(inside, keys, values, mask))
        if self.cross is not None and self.around_cross is not None and memory is not None:
            found = cache.get(layer, "cross") if cache is not None else None
            keys, values = self.cross.keys_and_values(memory) if found is None else found
            if cache is not None:
                cache.put(layer, "cross", keys, values)
            inside = self.around_cross.before(x)
            found_there = self.cross.attend(inside, keys, values, memory_mask)
            x = self.around_cross.after(x, found_there)
        return self.around_feed.after(x, self.feed_forward(self.around_feed.before(x)))


class Transformer(nn.Module):
    """An encoder and a decoder for two vocabularies of 10,000, 59,473,680 parameters.

    Vaswani et al.: Attention is all you need, NeurIPS 2017, arXiv:1706.03762, in the size of its
    base model, with attention without biases and the norm before each sublayer. The vocabularies
    take 15,370,000 parameters; without them it has 44,103,680. The vectors of words
    are multiplied by the root of the width before the position codes are added.

    Shapes: token numbers ``(N, S)`` and ``(N, T)`` to logits ``(N, T, target words)``. Place t
    sees the target up to t and all of the source, so its logits are about word t + 1. Padding of
    the source is seen by nobody; that of the target must stand behind the words.

    Args:
        source_words, target_words: sizes of the vocabularies.
        width: numbers of a token's vector.
        layers: blocks of the encoder and of the decoder.
        heads: of each attention; must divide ``width``.
        hidden: numbers between the two layers of the feed-forward net.
        dropout: after the embeddings and each sublayer, inside it, and on the weights.
        norm_first: normalise before each sublayer, as most models do today; False normalises after
            each residual sum, as the paper did.
        tied: ``"none"``, ``"output"`` (the last layer has the weights of the target's embedding
            and no bias) or ``"all"`` (the source's embedding is the same too: needs one common
            vocabulary).
        pad: number of the padding in both vocabularies.

    Raises:
        ValueError: for token numbers that are not whole or of another shape, unknown ``tied``, or
            vocabularies of different sizes that shall be one.

    Example:
        >>> with torch.device("meta"):  # sizes without the memory
        ...     base = Transformer(10_000, 10_000)
        >>> small = Transformer(20, 30, width=16, layers=1, heads=2, hidden=32)
        >>> small(torch.tensor([[5, 6, 7]]), torch.tensor([[2, 8]])).shape
        torch.Size([1, 2, 30])
    """

    def __init__(
        self,
        source_words: int,
        target_words: int,
        *,
        width: int = 512,
        layers: int = 6,
        heads: int = 8,
        hidden: int = 2048,
        dropout: float = 0.1,
        norm_first: bool = True,
        tied: str = "none",
        pad: int = 0,
    ) -> None:
        super().__init__()
        if tied not in ("none", "output", "all"):
            raise ValueError(f"tied must be 'none', 'output' or 'all', got {tied!r}")
        if tied == "all" and source_words != target_words:
            raise ValueError(
                "tied='all' needs one vocabulary for both languages, got "
                f"{source_words} and {target_words} words"
            )
        self.width, self.pad = width, pad
        shape = (width, heads, hidden, dropout, norm_first)
        self.target = nn.Embedding(target_words, width)
        self.source = self.target if tied == "all" else nn.Embedding(source_words, width)
        self.encoder = nn.ModuleList(_Block(*shape, crossed=False) for _ in range(layers))
        self.decoder = nn.ModuleList(_Block(*shape, crossed=True) for _ in range(layers))
        self.encoder_norm = nn.LayerNorm(width) if norm_first else nn.Identity()
        self.decoder_norm = nn.LayerNorm(width) if norm_first else nn.Identity()
        self.head = nn.Linear(width, target_words, bias=tied == "none")
        self.dropout = nn.Dropout(dropout)
        self.places: Tensor
        self.register_buffer("places", torch.empty(0, width), persistent=False)
        for parameter in self.parameters():
            if parameter.ndim > 1:
                nn.init.xavier_uniform_(parameter)
        if tied != "none":
            nn.init.normal_(self.target.weight, std=width**-0.5)
            self.head.weight = self.target.weight

    def _embedded(self, table: nn.Embedding, tokens: Tensor, start: int = 0) -> Tensor:
        end = start + tokens.shape[1]
        if len(self.places) < end:
            codes = sinusoidal_positions(max(64, 2 * end), self.width)
            self.places = codes.to(table.weight.device)
        x = table(tokens) * math.sqrt(self.width)
        return self.dropout(x + self.places[start:end].to(x.dtype))

    def new_cache(self) -> KeyValueCache:
        """Return an empty cache for :meth:`decode`, for one batch of sentences."""
        return KeyValueCache()

    def keep(self, source: Tensor) -> Tensor:
        """Return the mask ``(N, 1, 1, S)`` of the source: True for words, False for padding."""
        return (source != self.pad)[:, None, None, :]

    def encode(self, source: Tensor) -> Tensor:
        """Map token numbers ``(N, S)`` to vectors ``(N, S, width)``."""
        check_tokens(source)
        mask = self.keep(source)
        x = self._embedded(self.source, source)
        for block in self.encoder:
            x = block(x, mask)
        return self.encoder_norm(x)

    def decode(
        self,
        target: Tensor,
        memory: Tensor,
        mask: Tensor | None = None,
        cache: KeyValueCache | None = None,
    ) -> Tensor:
        """Map target tokens ``(N, T)`` and the encoder's output to logits ``(N, T, words)``.

        Args:
            target: with a cache only those tokens that are not in it yet.
            memory: what :meth:`encode` returned.
            mask: what :meth:`keep` returned; without it the source has no padding.
            cache: what :meth:`new_cache` returned, of the same batch; it is changed.
        """
        check_tokens(target)
        start = cache.length if cache is not None else 0
        end = start + target.shape[1]
        causal = torch.ones(target.shape[1], end, dtype=torch.bool, device=target.device)
        causal = causal.tril(diagonal=start)
        x = self._embedded(self.target, target, start)
        for layer, block in enumerate(self.decoder):
            x = block(x, causal, memory, mask, cache, layer)
        if cache is not None:
            cache.length = end
        return self.head(self.decoder_norm(x))

    def forward(self, source: Tensor, target: Tensor | None = None) -> Tensor:
        """Map a batch of both languages to logits."""
        check_tokens(source)
        if target is None:
            raise ValueError("the decoder needs the target (N, T) up to the word it shall predict")
        return self.decode(target, self.encode(source), self.keep(source))
