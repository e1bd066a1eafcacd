"""Translation: subwords, batches of sentence pairs, greedy and beam search.

Taught in notebooks/20_transformers.ipynb.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

from helpers.models.transformer import Transformer

if TYPE_CHECKING:
    from tokenizers import Tokenizer

__all__ = [
    "BOS",
    "EOS",
    "PAD",
    "SPECIAL",
    "UNK",
    "beam_search",
    "collate_pairs",
    "encode_pairs",
    "greedy",
    "train_bpe",
    "translate",
]

SPECIAL = ("<pad>", "<unk>", "<s>", "</s>")
PAD, UNK, BOS, EOS = range(4)


def train_bpe(texts: Iterable[str], vocab_size: int) -> Tokenizer:
    """Train byte-pair encoding: start with letters, join the most frequent pair, again and again.

    Sennrich, Haddow, Birch: Neural machine translation of rare words with subword units, ACL 2016,
    arXiv:1508.07909. Words keep the blank before them as ``▁``, so decoding gives the text back, if
    its letters are known, it begins with none, and NFKC leaves it as it is (``½`` becomes
    ``1⁄2``). Unknown letters are lost. Punctuation is never joined to a word.

    Args:
        texts: of the training part only.
        vocab_size: tokens at most, the four special ones and all letters of the texts included.

    Returns:
        A ``tokenizers.Tokenizer``; numbers 0 to 3 are ``SPECIAL``.

    Example:
        >>> tokenizer = train_bpe(["low lower lowest"] * 3, vocab_size=20)
        >>> tokenizer.encode("low lowest").tokens
        ['▁low', '▁lowest']
        >>> tokenizer.decode(tokenizer.encode("low lowest").ids)
        'low lowest'
    """
    from tokenizers import Tokenizer, decoders, normalizers, pre_tokenizers
    from tokenizers.models import BPE
    from tokenizers.trainers import BpeTrainer

    tokenizer = Tokenizer(BPE(unk_token=SPECIAL[UNK]))
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Metaspace(), pre_tokenizers.Punctuation()]
    )
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.train_from_iterator(
        texts,
        BpeTrainer(vocab_size=vocab_size, special_tokens=list(SPECIAL), show_progress=False),
    )
    return tokenizer


def encode_pairs(
    pairs: Sequence[tuple[str, str]],
    source: Tokenizer,
    target: Tokenizer,
    *,
    max_length: int | None = None,
) -> list[tuple[list[int], list[int]]]:
    """Turn sentence pairs into pairs of token numbers, each with ``</s>`` at its end.

    Args:
        pairs: a sentence and its translation.
        source, target: tokenizers of the two languages; may be the same.
        max_length: leave out pairs in which one side has more tokens.

    Example:
        >>> tokenizer = train_bpe(["a b c"], vocab_size=12)
        >>> [(source, target)] = encode_pairs([("a b", "c")], tokenizer, tokenizer)
        >>> len(source), len(target), target[-1] == EOS
        (3, 2, True)
    """
    both = zip(*pairs, strict=True) if pairs else ((), ())
    sides = [
        [[*e.ids, EOS] for e in tokenizer.encode_batch(list(texts))]
        for tokenizer, texts in zip((source, target), both, strict=True)
    ]
    return [
        (left, right)
        for left, right in zip(*sides, strict=True)
        if max_length is None or max(len(left), len(right)) <= max_length
    ]


def _padded(rows: Sequence[Sequence[int]], pad: int) -> Tensor:
    texts = [torch.as_tensor(numbers, dtype=torch.long) for numbers in rows]
    return pad_sequence(texts, batch_first=True, padding_value=pad)


def collate_pairs(
    batch: Sequence[tuple[Sequence[int], Sequence[int]]],
) -> tuple[tuple[Tensor, Tensor], Tensor]:
    """Join sentence pairs into one batch, filled up behind with padding.

    Returns:
        ``((source, shifted), target)``: ``shifted`` is the target with ``<s>`` in front and
        without its last token, so at each place the decoder has seen what comes before.

    Raises:
        ValueError: for an empty batch or an empty sentence.

    Example:
        >>> (source, shifted), target = collate_pairs([([7, 8, 3], [9, 3]), ([7, 3], [5, 6, 3])])
        >>> source.tolist(), shifted.tolist(), target.tolist()
        ([[7, 8, 3], [7, 3, 0]], [[2, 9, 0], [2, 5, 6]], [[9, 3, 0], [5, 6, 3]])
    """
    if not batch or not all(left and right for left, right in batch):
        raise ValueError("a batch needs sentence pairs with at least the end sign on each side")
    source = _padded([left for left, _ in batch], PAD)
    target = _padded([right for _, right in batch], PAD)
    shifted = _padded([[BOS, *right[:-1]] for _, right in batch], PAD)
    return (source, shifted), target


def _allowed(scores: Tensor) -> Tensor:
    """Take padding and the start sign out of the choice: a sentence has neither inside."""
    scores = scores.clone()
    for token in (PAD, BOS):
        scores[:, token] = -torch.inf
    return scores


def _limits(source: Tensor, max_length: int | None) -> Tensor:
    """Return the most tokens of each translation: a sentence's own, whatever its batch is."""
    if max_length is None:
        return 2 * (source != PAD).sum(dim=1) + 10
    return torch.full((len(source),), max_length, device=source.device)


def _cut(row: list[int]) -> list[int]:
    """Return the tokens in front of the end sign, or of the padding behind a full sentence."""
    return list(itertools.takewhile(lambda token: token not in (EOS, PAD), row))


@torch.no_grad()
def greedy(
    model: Transformer, source: Tensor, *, max_length: int | None = None, cache: bool = True
) -> list[list[int]]:
    """Translate by taking the most probable token at each step, never ``<pad>`` or ``<s>``.

    Args:
        model: in evaluation mode.
        source: token numbers ``(N, S)``.
        max_length: stop after so many tokens; default twice the source's own and ten more.
        cache: keep keys and values instead of computing them anew at each step. The result is
            the same but for rounding: in half precision a near tie can fall the other way.

    Returns:
        Token numbers of each translation, without ``<s>`` and ``</s>``.

    Example:
        >>> model = Transformer(20, 20, width=8, layers=1, heads=2, hidden=16).eval()
        >>> len(greedy(model, torch.tensor([[5, 6, 3]]), max_length=4)[0]) <= 4
        True
    """
    limits = _limits(source, max_length)
    memory, mask = model.encode(source), model.keep(source)
    kept = model.new_cache() if cache else None
    tokens = torch.full((len(source), 1), BOS, device=source.device)
    done = limits <= 0
    while not done.all():
        new = tokens[:, -1:] if cache else tokens
        best = _allowed(model.decode(new, memory, mask, kept)[:, -1]).argmax(dim=1)
        best = best.masked_fill(done, PAD)
        tokens = torch.cat([tokens, best[:, None]], dim=1)
        done = done | (best == EOS) | (tokens.shape[1] > limits)
    return [_cut(row) for row in tokens[:, 1:].tolist()]


@torch.no_grad()
def beam_search(
    model: Transformer,
    source: Tensor,
    *,
    beam: int = 4,
    penalty: float = 1.0,
    max_length: int | None = None,
) -> list[list[int]]:
    """Translate by keeping the best few beginnings at each step.

    Args:
        model: in evaluation mode.
        source: token numbers ``(N, S)``.
        beam: beginnings that are kept. With 1 the result is that of :func:`greedy`, but for ties,
            which half precision has.
        penalty: beginnings are ranked by the sum of their log-probabilities, divided by their
            number of tokens (the end sign counts) to this power. With 0 short translations win.
            A finished translation keeps its place only as long as it is among the best, so
            beginnings that end badly can push it out.
        max_length: stop after so many tokens; default twice the source's own and ten more.

    Returns:
        Token numbers of each translation, without ``<s>`` and ``</s>``.

    Raises:
        ValueError: for a beam below 1.

    Example:
        >>> model = Transformer(20, 20, width=8, layers=1, heads=2, hidden=16).eval()
        >>> source = torch.tensor([[5, 6, 3]])
        >>> beam_search(model, source, beam=1, max_length=5) == greedy(model, source, max_length=5)
        True
    """
    if beam < 1:
        raise ValueError(f"a beam needs at least one place, got {beam}")
    limits, n, device = _limits(source, max_length), len(source), source.device
    if n == 0:
        return []
    rows = torch.arange(n, device=device).repeat_interleave(beam)
    memory, mask = model.encode(source)[rows], model.keep(source)[rows]
    kept = model.new_cache()
    tokens = torch.full((n * beam, 1), BOS, device=device)
    sums = torch.full((n, beam), -torch.inf, device=device)
    sums[:, 0] = 0.0  # all beginnings are the same at first: one of them counts
    lengths = torch.zeros(n, beam, device=device)
    done = (limits <= 0)[:, None].expand(n, beam)
    while not done.all():
        logits = model.decode(tokens[:, -1:], memory, mask, kept)[:, -1]
        step = _allowed(F.log_softmax(logits.float(), dim=1)).view(n, beam, -1)
        words = step.shape[2]
        ended = torch.full((words,), -torch.inf, device=device)
        ended[PAD] = 0.0  # what is finished goes on with padding, at no cost
        step = torch.where(done[:, :, None], ended, step)
        total = sums[:, :, None] + step
        grown = lengths + (~done).to(lengths.dtype)
        ranked = total / grown.clamp(min=1)[:, :, None] ** penalty
        chosen = ranked.flatten(1).topk(beam, dim=1).indices
        parent, token = chosen // words, chosen % words
        sums = total.flatten(1).gather(1, chosen)
        lengths = grown.gather(1, parent)
        done = done.gather(1, parent) | (token == EOS) | (lengths >= limits[:, None])
        place = (torch.arange(n, device=device)[:, None] * beam + parent).flatten()
        tokens = torch.cat([tokens[place], token.view(-1, 1)], dim=1)
        kept.reorder(place)
    best = (sums / lengths.clamp(min=1) ** penalty).argmax(dim=1)
    found = tokens.view(n, beam, -1)[torch.arange(n, device=device), best, 1:]
    return [_cut(row) for row in found.tolist()]


def translate(
    model: Transformer,
    texts: Sequence[str],
    source: Tokenizer,
    target: Tokenizer,
    *,
    beam: int = 1,
    batch_size: int = 100,
    **options: Any,
) -> list[str]:
    """Translate sentences with a model in any mode; it is evaluated and left as it was.

    Sentences of similar length are computed together: less padding, the same translations (but
    for rounding).

    Args:
        model: trained with pairs of :func:`encode_pairs`.
        texts: sentences.
        source, target: tokenizers of the two languages.
        beam: 1 is :func:`greedy`, more is :func:`beam_search`.
        batch_size: sentences that are computed together.
        options: of the search, such as ``max_length``.

    Example:
        >>> tokenizer = train_bpe(["a b c"], vocab_size=12)
        >>> n = tokenizer.get_vocab_size()
        >>> model = Transformer(n, n, width=8, layers=1, heads=2, hidden=16)
        >>> len(translate(model, ["a b", "c"], tokenizer, tokenizer, max_length=5))
        2
    """
    was_training, device = model.training, next(model.parameters()).device
    rows = [[*e.ids, EOS] for e in source.encode_batch(list(texts))]
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
    found: dict[int, str] = {}
    model.eval()
    try:
        for start in range(0, len(order), batch_size):
            places = order[start : start + batch_size]
            batch = _padded([rows[i] for i in places], PAD).to(device)
            if beam == 1:
                numbers = greedy(model, batch, **options)
            else:
                numbers = beam_search(model, batch, beam=beam, **options)
            found.update(zip(places, target.decode_batch(numbers), strict=True))
    finally:
        model.train(was_training)
    return [found[i] for i in range(len(rows))]
