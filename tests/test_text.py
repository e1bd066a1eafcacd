"""Words, numbers for words, batches of texts, and the networks that read them."""

import itertools

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader

from data_scripts import load
from data_scripts._made_texts import made_texts
from data_scripts.sets import rated_texts
from helpers import models, train
from helpers.text import BucketSampler, TextDataset, Vocabulary, collate, tokenize

NETWORKS = {
    "bag": lambda: models.BagOfEmbeddings(30, 8),
    "convolution": lambda: models.TextCNN(30, 8, 6),
    "lstm": lambda: models.RecurrentClassifier(30, 8, 6),
    "gru, both directions": lambda: models.RecurrentClassifier(
        30, 8, 6, cell="GRU", bidirectional=True
    ),
    "two layers": lambda: models.RecurrentClassifier(30, 8, 6, cell="RNN", num_layers=2),
}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("It isn't GOOD!!", ["it", "isn't", "good", "!", "!"]),
        ("  two\t spaces\n", ["two", "spaces"]),
        ("@anna likes #rain, café £5", ["@anna", "likes", "#rain", ",", "café", "£", "5"]),
        ("", []),
    ],
)
def test_tokenize(text, words):
    assert tokenize(text) == words


def test_tokenize_keeps_capitals_if_asked():
    assert tokenize("NOT now", lower=False) == ["NOT", "now"]


def test_vocabulary_counts_and_cuts():
    texts = [["b", "a", "b"], ["c", "b", "a"], ["d"]]
    vocabulary = Vocabulary.build(texts, max_size=2)
    assert vocabulary.words == ["<pad>", "<unk>", "b", "a"]
    assert vocabulary.encode(["a", "d", "<pad>"]) == [3, 1, 0]
    assert Vocabulary.build(texts, min_count=2).words[2:] == ["b", "a"]
    assert Vocabulary(vocabulary.words[2:]).numbers == vocabulary.numbers
    assert "a" in vocabulary
    assert "d" not in vocabulary
    assert len(vocabulary) == 4


def test_special_words_in_a_text_do_no_harm():
    assert Vocabulary.build([["<unk>", "a", "<pad>"]]).words == ["<pad>", "<unk>", "a"]


def test_vocabulary_refuses():
    with pytest.raises(TypeError, match="tokenize it first"):
        Vocabulary.build(["a text"])
    with pytest.raises(TypeError, match="tokenize it first"):
        Vocabulary(["a"]).encode("a text")
    with pytest.raises(ValueError, match="'a' comes twice"):
        Vocabulary(["a", "b", "a"])
    for options in ({"max_size": 0}, {"min_count": 0}):
        with pytest.raises(ValueError, match="must be at least 1"):
            Vocabulary.build([["a"]], **options)


def test_dataset_transforms_a_copy_each_time():
    texts = [["a", "b"], ["b"]]
    vocabulary = Vocabulary.build(texts)
    dropped = TextDataset(texts, [0, 1], vocabulary, transform=lambda words: words[1:])
    assert dropped[0] == ([vocabulary.numbers["b"]], 0)
    assert dropped[1] == ([1], 1)  # nothing left: the unknown word
    emptied = TextDataset(texts, [0, 1], vocabulary, transform=lambda words: words.clear() or [])
    assert emptied[0][0] == emptied[0][0] == [1]
    assert texts == [["a", "b"], ["b"]]
    with pytest.raises(ValueError, match="2 texts and 1 labels"):
        TextDataset(texts, [0], vocabulary)
    for transform in (None, list):
        with pytest.raises(TypeError, match="tokenize it first"):
            TextDataset(["a b"], [0], vocabulary, transform)


def test_collate_pads_behind():
    (tokens, lengths), labels = collate([([4], 1), ([5, 6, 7], 0)])
    assert tokens.tolist() == [[4, 0, 0], [5, 6, 7]]
    assert (lengths.tolist(), labels.tolist()) == ([1, 3], [1, 0])
    assert tokens.dtype == lengths.dtype == labels.dtype == torch.int64
    with pytest.raises(ValueError, match="without words"):
        collate([([], 1)])


@pytest.mark.parametrize(("count", "size", "pool"), [(1, 4, 20), (37, 5, 3), (64, 8, 100)])
def test_buckets_hold_each_text_once_and_change(count, size, pool):
    lengths = torch.randint(1, 30, (count,)).tolist()
    sampler = BucketSampler(lengths, size, pool=pool)
    first, second = list(sampler), list(sampler)
    for batches in (first, second):
        assert sorted(itertools.chain(*batches)) == list(range(count))
        assert len(batches) == len(sampler)
        assert max(map(len, batches)) <= size
    if count > size:
        assert first != second


def test_buckets_pad_less_and_can_be_repeated():
    lengths = torch.randint(1, 40, (400,)).tolist()

    def padded(pool):
        sampler = BucketSampler(lengths, 16, pool=pool, generator=torch.Generator().manual_seed(1))
        batches = list(sampler)
        return sum(len(b) * max(lengths[i] for i in b) for b in batches), batches

    assert padded(20)[0] < 0.8 * padded(1)[0]
    assert padded(20)[1] == padded(20)[1]
    with pytest.raises(ValueError, match="batch size and a pool"):
        BucketSampler([], 2)


@pytest.mark.parametrize("build", NETWORKS.values(), ids=NETWORKS)
def test_padding_never_changes_a_result(build):
    torch.manual_seed(0)
    model = build()
    rows = [torch.randint(1, 30, (n,)).tolist() for n in (1, 2, 3, 9, 5)]
    (tokens, lengths), _ = collate([(row, 0) for row in rows])
    alone = torch.cat([model(torch.tensor([row]), torch.tensor([len(row)])) for row in rows])
    torch.testing.assert_close(model(tokens, lengths), alone)
    garbage = tokens.masked_fill(tokens == 0, 7)  # whatever stands behind the words
    torch.testing.assert_close(model(garbage, lengths), alone)
    torch.testing.assert_close(model(tokens[3:4]), alone[3:4])  # no lengths: no padding
    model(tokens, lengths).sum().backward()
    assert not model.embedding.weight.grad[0].any()


@pytest.mark.parametrize("build", NETWORKS.values(), ids=NETWORKS)
def test_networks_refuse_wrong_input(build):
    model = build()
    whole = torch.ones(2, 3, dtype=torch.long)
    for tokens, lengths, message in (
        (whole.float(), whole[:, 0], r"whole numbers \(N, L\), got \(2, 3\) of type torch.float32"),
        (whole[0], whole[0], r"whole numbers \(N, L\), got \(3,\)"),
        (whole, whole[0], r"expected lengths \(2,\), one a text, got \(3,\)"),
    ):
        with pytest.raises(ValueError, match=message):
            model(tokens, lengths)
    with pytest.raises(ValueError, match="unknown cell"):
        models.RecurrentClassifier(5, cell="tcn")


def test_forward_passes_are_their_formulas():
    tokens, lengths = torch.tensor([[3, 4, 5, 6]]), torch.tensor([4])
    bag = models.BagOfEmbeddings(30, 8)
    vectors = bag.embedding.weight[tokens[0]]
    torch.testing.assert_close(bag(tokens, lengths)[0], bag.head(vectors.mean(dim=0)))
    torch.testing.assert_close(bag(tokens, torch.tensor([0]))[0], bag.head.bias)  # no words
    cnn = models.TextCNN(30, 8, 6, widths=(2, 3))
    vectors = F.pad(cnn.embedding.weight[tokens[0]].T, (0, 2))
    found = [
        F.relu(F.conv1d(vectors[:, : 4 + conv.kernel_size[0] - 1], conv.weight, conv.bias)).amax(1)
        for conv in cnn.convs
    ]
    torch.testing.assert_close(cnn(tokens, lengths)[0], cnn.head(torch.cat(found)))
    both = models.RecurrentClassifier(30, 8, 6, bidirectional=True, num_layers=2)
    out, _ = both.encoder(both.embedding(tokens))
    ends = torch.cat([out[0, -1, :6], out[0, 0, 6:]])  # forwards last, backwards first
    torch.testing.assert_close(both(tokens, lengths)[0], both.head(ends))


def test_fit_trains_on_texts():
    texts = [["good", "day"], ["bad", "day", "today"], ["good"], ["so", "bad"]] * 8
    labels = [1, 0, 1, 0] * 8
    dataset = TextDataset(texts, labels, Vocabulary.build(texts))
    sampler = BucketSampler(dataset.lengths, 8)
    loader = DataLoader(dataset, batch_sampler=sampler, collate_fn=collate)
    torch.manual_seed(0)
    model = models.RecurrentClassifier(len(dataset.vocabulary), 8, 8)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    train.fit(model, loader, None, nn.CrossEntropyLoss(), optimizer, epochs=8, verbose=0)
    found = train.evaluate(model, loader, nn.CrossEntropyLoss(),
                           metrics={"accuracy": train.accuracy})  # fmt: skip
    assert found["accuracy"] == 1


def test_made_texts_are_repeatable_and_of_both_moods():
    texts = made_texts(3, rows=400)
    assert texts == made_texts(3, rows=400)
    assert texts != made_texts(4, rows=400)
    share = sum(rating > 0 for _, rating in texts) / len(texts)
    assert 0.4 < share < 0.7
    assert any(not text.isascii() for text, _ in texts)


def test_toy_tweets_have_the_faults_of_the_original():
    content = load("toy_tweets")
    for name, labels in (("train_csv", {"0", "4"}), ("test_csv", {"0", "2", "4"})):
        with pytest.raises(UnicodeDecodeError):
            content[name].decode("utf-8")
        rows = content[name].decode("latin-1").splitlines()
        found = [row[1] for row in rows]
        assert set(found) == labels
        assert found == sorted(found)
    with pytest.raises(ValueError, match="at least 10 rows"):
        rated_texts.toy_tweets(rows=3)


def test_rated_texts_are_read_as_latin_1(tmp_path):
    path = tmp_path / "some.txt"
    path.write_bytes("1_1\t-0.5\tcaf\xe9 \x85 tab\there\r\n2\t1.25\tgood\n".encode("latin-1"))
    frame = rated_texts._prepare("some.txt", tmp_path)["frame"]
    assert frame["rating"].tolist() == [-0.5, 1.25]
    assert frame["text"].tolist() == ["café \x85 tab\there", "good"]
