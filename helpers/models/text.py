"""Networks that read a text of word numbers and say what class it is."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence

from helpers.models._shapes import check_tokens, recurrent_layer

__all__ = ["BagOfEmbeddings", "RecurrentClassifier", "TextCNN"]


def _lengths(tokens: Tensor, lengths: Tensor | None) -> Tensor:
    """Return the lengths, those of the rows if none are given; refuse what does not fit."""
    check_tokens(tokens)
    if lengths is None:
        return torch.full(tokens.shape[:1], tokens.shape[1])
    if lengths.shape != tokens.shape[:1]:
        raise ValueError(
            f"expected lengths ({tokens.shape[0]},), one a text, got {tuple(lengths.shape)}"
        )
    return lengths


def _inside(tokens: Tensor, lengths: Tensor) -> Tensor:
    """Return a mask ``(N, L)``, True for words and False for padding."""
    places = torch.arange(tokens.shape[1], device=tokens.device)
    return places < lengths.to(tokens.device).unsqueeze(1)


class BagOfEmbeddings(nn.Module):
    """The mean of the word vectors and one linear layer, 6,001,202 parameters.

    The classifier of Joulin et al.: Bag of tricks for efficient text classification,
    arXiv:1607.01759, without its pairs of words, in the sizes of :class:`RecurrentClassifier`.
    It does not know the order of the words. Padding does not enter the mean; that of no words is 0.

    Shapes: word numbers ``(N, L)`` and lengths ``(N,)`` to logits ``(N, classes)``. Without lengths
    no row has padding.

    Args:
        vocab_size: rows of the table of word vectors; row 0 is padding.
        embedding_dim: numbers of a word vector.
        classes: number of logits.

    Raises:
        ValueError: for tokens that are not whole numbers ``(N, L)`` with a length each.

    Example:
        >>> model = BagOfEmbeddings()
        >>> model(torch.tensor([[5, 6, 7], [8, 0, 0]]), torch.tensor([3, 1])).shape
        torch.Size([2, 2])
    """

    def __init__(
        self, vocab_size: int = 20_002, embedding_dim: int = 300, classes: int = 2
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, embedding_dim, padding_idx=0)
        self.head = nn.Linear(embedding_dim, classes)

    def forward(self, tokens: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Map word numbers to logits; without lengths no row has padding."""
        lengths = _lengths(tokens, lengths)
        mask = _inside(tokens, lengths).unsqueeze(2)
        summed = (self.embedding(tokens) * mask).sum(dim=1)
        return self.head(summed / mask.sum(dim=1).clamp(min=1))


class TextCNN(nn.Module):
    """Convolutions over two to four words, the maximum over places, 6,271,502 parameters.

    Kim: Convolutional neural networks for sentence classification, EMNLP 2014, arXiv:1408.5882,
    in the sizes of :class:`RecurrentClassifier`. A window begins at each word and may hang over
    the end of the text; one that begins in the padding is left out of the maximum.

    Shapes: word numbers ``(N, L)`` and lengths ``(N,)`` to logits ``(N, classes)``. Without lengths
    no row has padding.

    Args:
        vocab_size: rows of the table of word vectors; row 0 is padding.
        embedding_dim: numbers of a word vector.
        channels: feature maps for each width.
        widths: numbers of words that a window covers.
        classes: number of logits.
        dropout: probability to zero a feature in training.

    Raises:
        ValueError: for tokens that are not whole numbers ``(N, L)`` with a length each.

    Example:
        >>> model = TextCNN()
        >>> model(torch.tensor([[5, 6, 7], [8, 0, 0]]), torch.tensor([3, 1])).shape
        torch.Size([2, 2])
    """

    def __init__(
        self,
        vocab_size: int = 20_002,
        embedding_dim: int = 300,
        channels: int = 100,
        widths: Sequence[int] = (2, 3, 4),
        classes: int = 2,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, embedding_dim, padding_idx=0)
        self.widths = tuple(widths)
        self.convs = nn.ModuleList(nn.Conv1d(embedding_dim, channels, width) for width in widths)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(channels * len(widths), classes)

    def forward(self, tokens: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Map word numbers to logits; without lengths no row has padding."""
        lengths = _lengths(tokens, lengths)
        mask = _inside(tokens, lengths).unsqueeze(1)  # (N, 1, L)
        vectors = self.embedding(tokens).transpose(1, 2) * mask  # (N, embedding_dim, L)
        found = []
        for width, conv in zip(self.widths, self.convs, strict=True):
            maps = F.relu(conv(F.pad(vectors, (0, width - 1))))  # (N, channels, L)
            found.append((maps * mask).amax(dim=2))  # ReLU gives at least 0
        return self.head(self.dropout(torch.cat(found, dim=1)))


class RecurrentClassifier(nn.Module):
    """The state after the last word of a recurrent network, 6,161,602 parameters with an LSTM.

    OurFirstLSTM of the source (B5.l8), with three of its faults mended: the state is taken after
    the last word and not after the padding, any number of layers and both directions work, and
    the batch comes first.

    Shapes: word numbers ``(N, L)`` and lengths ``(N,)`` to logits ``(N, classes)``. Without lengths
    no row has padding.

    Args:
        vocab_size: rows of the table of word vectors; row 0 is padding.
        embedding_dim: numbers of a word vector.
        hidden_size: numbers of the state, in each direction.
        classes: number of logits; 1 for binary cross-entropy.
        cell: ``"RNN"``, ``"GRU"`` or ``"LSTM"``.
        num_layers: layers on top of each other.
        bidirectional: read from the end as well; the head gets both last states.
        dropout: probability to zero a number of the state in training, before the head.

    Raises:
        ValueError: for an unknown cell, or tokens that are not whole numbers ``(N, L)`` with a
            length each.

    Example:
        >>> model = RecurrentClassifier()
        >>> model(torch.tensor([[5, 6, 7], [8, 0, 0]]), torch.tensor([3, 1])).shape
        torch.Size([2, 2])
    """

    def __init__(
        self,
        vocab_size: int = 20_002,
        embedding_dim: int = 300,
        hidden_size: int = 100,
        classes: int = 2,
        *,
        cell: str = "LSTM",
        num_layers: int = 1,
        bidirectional: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, embedding_dim, padding_idx=0)
        self.encoder = recurrent_layer(cell)(
            embedding_dim,
            hidden_size,
            num_layers=num_layers,
            bidirectional=bidirectional,
            batch_first=True,
        )
        self.directions = 2 if bidirectional else 1
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(self.directions * hidden_size, classes)

    def forward(self, tokens: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Map word numbers to logits; without lengths no row has padding."""
        lengths = _lengths(tokens, lengths)
        packed = pack_padded_sequence(
            self.embedding(tokens), lengths.cpu(), batch_first=True, enforce_sorted=False
        )
        _, hidden = self.encoder(packed)
        if isinstance(hidden, tuple):  # an LSTM has a cell state, too
            hidden = hidden[0]
        # hidden is (layers · directions, N, hidden_size); the last layer comes last
        last = torch.cat(list(hidden[-self.directions :]), dim=1)
        return self.head(self.dropout(last))
