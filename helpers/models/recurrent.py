"""Recurrent networks over sequences of tokens."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from helpers.models._shapes import check_tokens, recurrent_layer

__all__ = ["TokenRNN"]


class TokenRNN(nn.Module):
    """A language model over characters or other tokens, 9,340 parameters as in its example.

    An embedding, recurrent layers, and a linear layer that gives the logits of the next token at
    every step. The layout follows Mikolov et al.: Recurrent neural network based language model,
    Interspeech 2010, with an embedding for their one-hot input.

    Shapes: tokens ``(N, L)`` to logits ``(N, L, n_tokens)``. The state is the layer's own:
    ``(layers, N, hidden)``, for an LSTM a pair of these.

    Args:
        n_tokens: size of the vocabulary.
        embedding: numbers that stand for one token.
        hidden: units in each recurrent layer.
        cell: ``"RNN"``, ``"GRU"`` or ``"LSTM"``.
        layers: recurrent layers, one on top of the other.
        dropout: probability to zero a value between two recurrent layers; needs two layers.

    Raises:
        ValueError: for an unknown cell, dropout with one layer, or input of another shape.

    Example:
        >>> import torch
        >>> model = TokenRNN(60, embedding=16, hidden=32, cell="LSTM")
        >>> logits, state = model(torch.zeros(2, 5, dtype=torch.long))
        >>> logits.shape, state[0].shape
        (torch.Size([2, 5, 60]), torch.Size([1, 2, 32]))
    """

    def __init__(
        self,
        n_tokens: int,
        *,
        embedding: int,
        hidden: int,
        cell: str = "LSTM",
        layers: int = 1,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if dropout and layers < 2:
            raise ValueError("dropout acts between recurrent layers: it needs at least two")
        self.embedding = nn.Embedding(n_tokens, embedding)
        self.recurrent = recurrent_layer(cell)(
            embedding, hidden, layers, batch_first=True, dropout=dropout
        )
        self.head = nn.Linear(hidden, n_tokens)

    def forward(self, tokens: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """Return the logits at every step, and the state after the last one."""
        check_tokens(tokens)
        outputs, state = self.recurrent(self.embedding(tokens), state)
        return self.head(outputs), state
