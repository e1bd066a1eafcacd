"""Texts for a network: words, numbers for words, batches of texts of similar length.

Taught in notebooks/19_text_classification.ipynb.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import Dataset, Sampler

__all__ = ["PAD", "UNK", "BucketSampler", "TextDataset", "Vocabulary", "collate", "tokenize"]

PAD, UNK = "<pad>", "<unk>"
_TOKEN = re.compile(r"[@#]?\w+(?:['’]\w+)*|[^\w\s]")


def tokenize(text: str, *, lower: bool = True) -> list[str]:
    """Cut a text into words, each sign of punctuation by itself.

    ``isn't``, ``#monday`` and ``@anna`` stay whole.

    Args:
        text: any text.
        lower: write all words in small letters.

    Example:
        >>> tokenize("It isn't GOOD!! #monday")
        ['it', "isn't", 'good', '!', '!', '#monday']
    """
    return _TOKEN.findall(text.lower() if lower else text)


def _words(text: Any) -> Any:
    """Return the text; a string is refused, because its parts are letters and no words."""
    if isinstance(text, str):
        raise TypeError("a text must be a list of words: tokenize it first")
    return text


class Vocabulary:
    """Words and their numbers; 0 is padding, 1 stands for every unknown word.

    Args:
        words: the known words in order; they get the numbers from 2 on. To save a vocabulary
            beside the weights of a model, keep ``vocabulary.words[2:]``.

    Raises:
        ValueError: for a word that comes twice, or has the name of a special one.

    Example:
        >>> vocabulary = Vocabulary.build([["the", "cat"], ["the", "mat"]])
        >>> vocabulary.words
        ['<pad>', '<unk>', 'the', 'cat', 'mat']
        >>> vocabulary.encode(["the", "dog"])
        [2, 1]
        >>> vocabulary.decode([2, 1])
        ['the', '<unk>']
    """

    pad, unk = 0, 1

    def __init__(self, words: Iterable[str]) -> None:
        self.words = [PAD, UNK, *words]
        self.numbers = {word: number for number, word in enumerate(self.words)}
        if len(self.numbers) != len(self.words):
            twice = Counter(self.words).most_common(1)[0][0]
            raise ValueError(f"the word {twice!r} comes twice in the vocabulary")

    @classmethod
    def build(
        cls, texts: Iterable[Sequence[str]], *, max_size: int | None = None, min_count: int = 1
    ) -> Vocabulary:
        """Collect the words of tokenised texts, the most frequent first.

        Args:
            texts: lists of words, of the training part only: what a model has never been trained
                on must stay unknown.
            max_size: keep so many words, the special ones not counted.
            min_count: leave out words that are rarer.

        Raises:
            TypeError: for a text that is not yet cut into words.
            ValueError: if ``max_size`` or ``min_count`` is below 1.

        Example:
            >>> len(Vocabulary.build([["a", "b", "a"], ["c"]], max_size=2))
            4
        """
        if min_count < 1 or (max_size is not None and max_size < 1):
            raise ValueError(
                f"max_size and min_count must be at least 1, got {max_size} and {min_count}"
            )
        counts: Counter[str] = Counter()
        for text in texts:
            counts.update(_words(text))
        for special in (PAD, UNK):  # a text may contain these very words
            counts.pop(special, None)
        frequent = [word for word, n in counts.most_common() if n >= min_count]
        return cls(frequent[:max_size])

    def __len__(self) -> int:
        return len(self.words)

    def __contains__(self, word: str) -> bool:
        return word in self.numbers

    def encode(self, tokens: Iterable[str]) -> list[int]:
        """Return the number of each word, 1 for an unknown one; refuse a text that is not cut."""
        return [self.numbers.get(token, self.unk) for token in _words(tokens)]

    def decode(self, numbers: Iterable[int]) -> list[str]:
        """Return the word of each number."""
        return [self.words[number] for number in numbers]


class TextDataset(Dataset):
    """Tokenised texts with labels, numbered by a vocabulary when they are asked for.

    Args:
        texts: lists of words.
        labels: a whole number for each text.
        vocabulary: made of the training part.
        transform: called with a copy of the list of words each time the text is asked for, returns
            another list; for augmentation, in the training part only.

    Raises:
        TypeError: for a text that is not yet cut into words.
        ValueError: if texts and labels differ in number.

    Example:
        >>> texts = [["good"], ["not", "good"]]
        >>> TextDataset(texts, [1, 0], Vocabulary.build(texts))[1]
        ([3, 2], 0)
    """

    def __init__(
        self,
        texts: Sequence[Sequence[str]],
        labels: Sequence[int] | Tensor,
        vocabulary: Vocabulary,
        transform: Callable[[list[str]], Sequence[str]] | None = None,
    ) -> None:
        if len(texts) != len(labels):
            raise ValueError(f"{len(texts)} texts and {len(labels)} labels do not belong together")
        self.texts, self.vocabulary, self.transform = texts, vocabulary, transform
        self.labels = [int(label) for label in labels]
        self.lengths = [max(1, len(_words(text))) for text in texts]
        self._numbers = None if transform else [self._encode(text) for text in texts]

    def _encode(self, tokens: Sequence[str]) -> list[int]:
        return self.vocabulary.encode(tokens) or [self.vocabulary.unk]  # no text is empty

    def __len__(self) -> int:
        return len(self.texts)

    def __getitem__(self, index: int) -> tuple[list[int], int]:
        if self._numbers is not None:
            return self._numbers[index], self.labels[index]
        assert self.transform is not None
        return self._encode(self.transform(list(self.texts[index]))), self.labels[index]


def collate(
    batch: Sequence[tuple[Sequence[int], Any]], *, pad: int = 0
) -> tuple[tuple[Tensor, Tensor], Tensor]:
    """Join texts of different lengths into one batch, filled up behind with padding.

    Args:
        batch: pairs of the word numbers of a text and its label.
        pad: the number of the padding.

    Returns:
        ``((tokens, lengths), labels)``: whole numbers ``(N, L)``, ``(N,)`` and the labels
        ``(N,)``. :func:`helpers.train.fit` calls the model with tokens and lengths.

    Raises:
        ValueError: for a text without words, whose last state is nowhere.

    Example:
        >>> (tokens, lengths), labels = collate([([5, 6, 7], 1), ([8], 0)])
        >>> tokens.tolist(), lengths.tolist(), labels.tolist()
        ([[5, 6, 7], [8, 0, 0]], [3, 1], [1, 0])
    """
    lengths = [len(numbers) for numbers, _ in batch]
    if min(lengths) < 1:
        raise ValueError("a text without words can't be batched: give it the unknown word")
    texts = [torch.as_tensor(numbers, dtype=torch.long) for numbers, _ in batch]
    tokens = pad_sequence(texts, batch_first=True, padding_value=pad)
    labels = torch.tensor([label for _, label in batch])
    return (tokens, torch.tensor(lengths)), labels


class BucketSampler(Sampler[list[int]]):
    """Batches of texts of similar length, in a new order in each pass.

    All texts are shuffled and cut into pools of many batches; a pool is sorted by length and cut
    into batches; the batches are shuffled. For a ``DataLoader``'s ``batch_sampler``.

    Args:
        lengths: of the texts.
        batch_size: texts in a batch; the last one may be smaller.
        pool: batches in a pool. One batch is plain shuffling; a pool of all batches pads least,
            and then texts of one length always meet each other.
        generator: the source of the order; default torch's global one.

    Raises:
        ValueError: without texts, or for a batch size or pool below 1.

    Example:
        >>> sampler = BucketSampler([3, 9, 4, 8], batch_size=2)
        >>> sorted(sorted(batch) for batch in sampler)
        [[0, 2], [1, 3]]
    """

    def __init__(
        self,
        lengths: Sequence[int],
        batch_size: int,
        *,
        pool: int = 20,
        generator: torch.Generator | None = None,
    ) -> None:
        if not len(lengths) or batch_size < 1 or pool < 1:
            raise ValueError(
                "BucketSampler needs texts, and a batch size and a pool of at least 1, got "
                f"{len(lengths)} texts, {batch_size} and {pool}"
            )
        self.lengths = list(lengths)
        self.batch_size, self.pool, self.generator = batch_size, pool, generator

    def __len__(self) -> int:
        return -(-len(self.lengths) // self.batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        order = torch.randperm(len(self.lengths), generator=self.generator).tolist()
        size = self.pool * self.batch_size
        batches = []
        for start in range(0, len(order), size):
            near = sorted(order[start : start + size], key=self.lengths.__getitem__)
            starts = range(0, len(near), self.batch_size)
            batches += [near[i : i + self.batch_size] for i in starts]
        for place in torch.randperm(len(batches), generator=self.generator).tolist():
            yield batches[place]
