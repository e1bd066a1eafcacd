"""What a decoder keeps from one step of writing to the next."""

from __future__ import annotations

from torch import Tensor


class KeyValueCache:
    """Keys and values of the decoder's attentions, kept from one step of decoding to the next.

    A decoder that writes one token at a time needs, of all earlier tokens, only their keys and
    values. Those of the encoder's output never change. Made by ``Transformer.new_cache``, one for
    each batch of sentences.

    Attributes:
        length: tokens that went through the decoder.

    Example:
        >>> import torch
        >>> cache = KeyValueCache()
        >>> cache.put(0, "self", torch.zeros(3, 2, 5, 4), torch.zeros(3, 2, 5, 4))
        >>> cache.reorder(torch.tensor([2, 2]))
        >>> cache.get(0, "self")[0].shape
        torch.Size([2, 2, 5, 4])
    """

    def __init__(self) -> None:
        self.length = 0
        self._kept: dict[tuple[int, str], tuple[Tensor, Tensor]] = {}

    def get(self, layer: int, kind: str) -> tuple[Tensor, Tensor] | None:
        """Return keys and values ``(N, heads, L, width / heads)`` of a layer, None at first."""
        return self._kept.get((layer, kind))

    def put(self, layer: int, kind: str, keys: Tensor, values: Tensor) -> None:
        """Keep keys and values."""
        self._kept[layer, kind] = keys, values

    def reorder(self, rows: Tensor) -> None:
        """Keep these rows of the batch, in this order: what beam search asks for."""
        self._kept = {
            place: (keys.index_select(0, rows), values.index_select(0, rows))
            for place, (keys, values) in self._kept.items()
        }
