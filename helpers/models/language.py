"""A transformer for text: one stack of blocks that is causal (as GPT) or sees both sides (BERT).

Taught in notebooks/30_language_in_the_wild.ipynb.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from helpers.models._shapes import check_tokens

__all__ = ["TextTransformer"]


class TextTransformer(nn.Module):
    """A small language model of transformer blocks, 69,312 parameters as in its example.

    Token and position vectors, blocks of attention and of two linear layers with the layer norm in
    front of each, a last layer norm, and the table of the token vectors once more as output layer
    ("tied"). With ``causal=True`` a place sees itself and what stands before it, after Radford et
    al.: Language models are unsupervised multitask learners, 2019 (GPT-2). Without it each place
    sees all tokens, as in Devlin et al.: BERT, NAACL 2019, arXiv:1810.04805; our output layer is
    plainer than BERT's.

    Shapes: token numbers ``(N, L)`` and a mask ``(N, L)``, True for tokens and False for padding,
    to logits ``(N, L, n_tokens)``. Positions count tokens only, so padding on either side changes
    no answer at a token.

    Args:
        n_tokens: size of the vocabulary.
        width: numbers of a token's vector; a multiple of ``heads``.
        heads: heads of attention in each block.
        layers: blocks.
        longest: largest number of tokens in a text.
        dropout: probability to zero a value in training.
        causal: forbid each place to see what comes after it.

    Raises:
        ValueError: for tokens that are not whole numbers ``(N, L)`` with L of 1 to ``longest``,
            or a mask of another shape.

    Example:
        >>> model = TextTransformer(200, width=48, heads=4, layers=2, causal=True)
        >>> model(torch.zeros(3, 7, dtype=torch.long)).shape
        torch.Size([3, 7, 200])
    """

    def __init__(
        self,
        n_tokens: int,
        *,
        width: int = 64,
        heads: int = 4,
        layers: int = 2,
        longest: int = 64,
        dropout: float = 0.0,
        causal: bool = True,
    ) -> None:
        super().__init__()
        self.causal, self.longest = causal, longest
        self.words = nn.Embedding(n_tokens, width)
        self.positions = nn.Embedding(longest, width)
        for table in (self.words, self.positions):  # small: the one is the output layer, too
            nn.init.normal_(table.weight, std=width**-0.5)
        block = nn.TransformerEncoderLayer(
            width, heads, 4 * width, dropout, F.gelu, batch_first=True, norm_first=True
        )
        norm = nn.LayerNorm(width)
        self.blocks = nn.TransformerEncoder(block, layers, norm, enable_nested_tensor=False)
        self.dropout = nn.Dropout(dropout)

    def states(self, tokens: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return what the last block says at each place, ``(N, L, width)``."""
        check_tokens(tokens, longest=self.longest)
        if mask is None:
            mask = torch.ones_like(tokens, dtype=torch.bool)
        if mask.shape != tokens.shape or mask.dtype != torch.bool:
            got = f"{tuple(mask.shape)} of type {mask.dtype}"
            raise ValueError(f"expected a mask of bools {tuple(tokens.shape)}, got {got}")
        places = (mask.cumsum(dim=1) - 1).clamp(min=0)
        x = self.dropout(self.words(tokens) + self.positions(places))
        length = tokens.shape[1]
        hidden = ~mask[:, None, :].expand(-1, length, -1)  # True: may not be looked at
        if self.causal:
            later = torch.ones(length, length, dtype=torch.bool, device=tokens.device).triu(1)
            hidden = hidden | later
        # A place of padding looks at itself, for a row in which all is hidden has no softmax.
        hidden = hidden & ~torch.eye(length, dtype=torch.bool, device=tokens.device)
        heads = self.blocks.layers[0].self_attn.num_heads
        return self.blocks(x, mask=hidden.repeat_interleave(heads, dim=0))

    def forward(self, tokens: Tensor, mask: Tensor | None = None) -> Tensor:
        """Map token numbers to the logits of a token at each place."""
        return F.linear(self.states(tokens, mask), self.words.weight)
