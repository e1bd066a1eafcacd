"""The transformer, its cache, and translation with it."""

import itertools
import math
import struct

import pytest
import torch
from torch import nn

from data_scripts import load
from data_scripts.sets import multi30k
from helpers import ledger, models
from helpers.translation import (
    BOS,
    EOS,
    PAD,
    SPECIAL,
    beam_search,
    collate_pairs,
    encode_pairs,
    greedy,
    train_bpe,
    translate,
)

SIZES = {"width": 16, "layers": 2, "heads": 4, "hidden": 32}


def made(words=20, **options):
    torch.manual_seed(0)
    return models.Transformer(words, words, **{**SIZES, **options}).eval()


def batch(words=20, rows=4):
    torch.manual_seed(1)
    source, target = torch.randint(4, words, (rows, 7)), torch.randint(4, words, (rows, 5))
    source[1, 3:] = PAD
    return source, target


@pytest.mark.parametrize("norm_first", [True, False])
def test_the_model_computes_what_pytorchs_layers_compute(norm_first):
    model, source = made(norm_first=norm_first, dropout=0.0), batch()[0]
    options = {"dropout": 0.0, "batch_first": True, "norm_first": norm_first}
    x = torch.randn(4, 7, 16)
    hidden = source == PAD
    for block, kind in ((model.encoder[0], nn.TransformerEncoderLayer),
                        (model.decoder[0], nn.TransformerDecoderLayer)):  # fmt: skip
        layer = kind(16, 4, 32, **options)
        pairs = [(layer.self_attn, block.attention)]
        if block.cross is not None:
            pairs.append((layer.multihead_attn, block.cross))
        for theirs, ours in pairs:
            maps = torch.cat([ours.query.weight, ours.key.weight, ours.value.weight])
            theirs.in_proj_weight.data.copy_(maps)
            theirs.out_proj.weight.data.copy_(ours.out.weight)
        layer.linear1.load_state_dict(block.feed_forward[0].state_dict())
        layer.linear2.load_state_dict(block.feed_forward[3].state_dict())
        if block.cross is None:
            wanted = layer(x, src_key_padding_mask=hidden)
            torch.testing.assert_close(block(x, ~hidden[:, None, None]), wanted)
        else:
            y, causal = torch.randn(4, 5, 16), torch.ones(5, 5, dtype=torch.bool).tril()
            wanted = layer(y, x, tgt_mask=~causal, memory_key_padding_mask=hidden)
            torch.testing.assert_close(block(y, causal, x, ~hidden[:, None, None]), wanted)


def test_attention_weights_are_those_it_uses():
    torch.manual_seed(0)
    attention, x = models.MultiHeadAttention(8, 2), torch.randn(3, 5, 8)
    mask = torch.ones(5, 5, dtype=torch.bool).tril()
    weights = attention.weights(x, mask=mask)
    mixed = weights @ attention.split(attention.value(x))
    torch.testing.assert_close(
        attention.out(mixed.transpose(1, 2).flatten(2)), attention(x, mask=mask)
    )
    assert (weights[..., ~mask] == 0).all()


def test_base_size_is_the_ledgers():
    with torch.device("meta"):
        count = models.count_parameters(models.Transformer(7, 11)) - 512 * 18 - 513 * 11
    assert f"{count:,}" == "44,103,680"
    assert "44,103,680" in next(row.show for row in ledger.items() if row.id == "K9.r1")


def test_position_codes_are_the_formulas():
    table = models.sinusoidal_positions(50, 6)
    for place, pair in itertools.product((0, 1, 49), range(3)):
        angle = place / 10_000 ** (2 * pair / 6)
        expected = torch.tensor([math.sin(angle), math.cos(angle)])
        torch.testing.assert_close(table[place, 2 * pair : 2 * pair + 2], expected)
    with pytest.raises(ValueError, match="even width"):
        models.sinusoidal_positions(3, 5)


def test_order_matters_and_long_sentences_follow_short_ones():
    model, (source, target) = made(), batch()
    turned = source.flip(1)
    assert not torch.allclose(model(source, target), model(turned, target))
    model(torch.randint(4, 20, (1, 200)), target[:1])  # the table of places grows


def test_padding_changes_nothing():
    model, (source, target) = made(), batch()
    wide = torch.cat([source, torch.full((4, 9), PAD)], dim=1)
    torch.testing.assert_close(model(wide, target), model(source, target))
    longer = torch.cat([target, torch.full((4, 3), PAD)], dim=1)
    torch.testing.assert_close(model(source, longer)[:, :5], model(source, target))


def test_the_future_changes_nothing():
    model, (source, target) = made(), batch()
    other = target.clone()
    other[:, 3:] = 4
    assert not torch.equal(other, target)
    torch.testing.assert_close(model(source, other)[:, :3], model(source, target)[:, :3])
    first = model(source, target)
    source[0, 0] = 4 if source[0, 0] != 4 else 5
    assert (model(source, target)[0] - first[0]).abs().min(dim=1).values.max() > 0


@pytest.mark.parametrize("norm_first", [True, False])
def test_a_cache_changes_nothing(norm_first):
    model, (source, target) = made(norm_first=norm_first), batch()
    memory, mask, cache = model.encode(source), model.keep(source), model.new_cache()
    whole = model.decode(target, memory, mask)
    parts = [model.decode(some, memory, mask, cache) for some in target.split([2, 1, 2], dim=1)]
    torch.testing.assert_close(torch.cat(parts, dim=1), whole)
    assert cache.length == 5
    assert greedy(model, source) == greedy(model, source, cache=False)


def test_a_cache_can_be_reordered():
    model, (source, target) = made(), batch()
    rows, cache = torch.tensor([2, 2, 0]), model.new_cache()
    memory, mask = model.encode(source), model.keep(source)
    model.decode(target[:, :4], memory, mask, cache)
    cache.reorder(rows)
    got = model.decode(target[rows, 4:], memory[rows], mask[rows], cache)
    torch.testing.assert_close(got, model.decode(target, memory, mask)[rows, 4:])


def test_tied_weights():
    assert models.count_parameters(made()) - models.count_parameters(made(tied="output")) == 20 * 17
    all_tied = made(tied="all")
    assert all_tied.head.weight is all_tied.target.weight is all_tied.source.weight
    with pytest.raises(ValueError, match="one vocabulary"):
        models.Transformer(5, 6, **SIZES, tied="all")
    with pytest.raises(ValueError, match="tied must be"):
        models.Transformer(5, 5, **SIZES, tied="both")
    with pytest.raises(ValueError, match="shared out"):
        models.MultiHeadAttention(10, 3)


def best_sentence(model, source, limit, penalty):
    """Try every sentence: ended by EOS, or cut by the limit."""
    words = [n for n in range(model.head.out_features) if n not in (PAD, BOS, EOS)]
    sentences = [[*s, EOS] for n in range(limit) for s in itertools.product(words, repeat=n)]
    sentences += [list(s) for s in itertools.product(words, repeat=limit)]

    def score(sentence):
        logs = model(source, torch.tensor([[BOS, *sentence[:-1]]])).log_softmax(2)[0]
        return sum(logs[t, n].item() for t, n in enumerate(sentence)) / len(sentence) ** penalty

    return [n for n in max(sentences, key=score) if n != EOS]


@torch.no_grad()
@pytest.mark.parametrize("penalty", [0.0, 1.0])
def test_a_beam_is_greedy_if_narrow_and_exhaustive_if_wide(penalty):
    differ = 0
    for seed in range(6):
        torch.manual_seed(seed)
        model = models.Transformer(6, 6, width=8, layers=1, heads=2, hidden=16).eval()
        source = torch.tensor([[4, 5, EOS], [5, EOS, PAD]])
        narrow = beam_search(model, source, beam=1, penalty=penalty, max_length=3)
        assert narrow == greedy(model, source, max_length=3)
        wide = beam_search(model, source, beam=60, penalty=penalty, max_length=3)
        alone = [source[:1], source[1:, :2]]
        assert wide == [best_sentence(model, row, 3, penalty) for row in alone]
        differ += wide != narrow
    assert differ
    with pytest.raises(ValueError, match="at least one"):
        beam_search(model, source, beam=0)


def test_a_sentence_is_translated_alike_in_any_company():
    tokenizer = train_bpe(["a bb ccc dddd", "dddd a"], vocab_size=30)
    model = made(tokenizer.get_vocab_size())
    texts = ["a bb", "ccc dddd a bb a a", "dddd", "bb"]
    model.train()
    searches = itertools.product((1, 3), ({}, {"max_length": 8}))  # {}: each sentence's own limit
    for beam, options in searches:
        options |= {"beam": beam}
        together = translate(model, texts, tokenizer, tokenizer, **options)
        alone = [translate(model, [text], tokenizer, tokenizer, **options)[0] for text in texts]
        assert together == alone
    assert model.training
    with pytest.raises(TypeError):
        translate(model, texts, tokenizer, tokenizer, breadth=3)
    assert model.training


def test_limits_and_empty_batches():
    model, source = made(), batch()[0]
    for search in (greedy, beam_search):
        own = [2 * n + 10 for n in (source != PAD).sum(dim=1).tolist()]
        found = [len(row) for row in search(model, source)]
        assert all(n <= most for n, most in zip(found, own, strict=True))
        assert search(model, source, max_length=0) == [[]] * 4
        assert search(model, source[:0]) == []


def test_subwords_give_the_text_back():
    texts = ["Der Hund (braun) läuft, schnell!", "Ein Mädchen läuft - allein."] * 3
    tokenizer = train_bpe(texts, vocab_size=60)
    for text in texts[:2]:
        assert tokenizer.decode(tokenizer.encode(text).ids) == text
    assert [tokenizer.token_to_id(name) for name in SPECIAL] == [0, 1, 2, 3]
    assert 1 in tokenizer.encode("Ω").ids


def test_batches_are_shifted_and_padded_behind():
    tokenizer = train_bpe(["a b c d"], vocab_size=16)
    rows = encode_pairs([("a b", "c"), ("d", "a b c"), ("a b c d", "d")], tokenizer, tokenizer,
                        max_length=4)  # fmt: skip
    assert len(rows) == 2  # the long one is left out
    (source, shifted), target = collate_pairs(rows)
    assert source[1, -1] == PAD
    assert (shifted[:, 0] == BOS).all()
    for row, right in zip(shifted, target, strict=True):
        n = int((right != PAD).sum())
        assert right[n - 1] == EOS
        assert torch.equal(row[1:n], right[: n - 1])
        assert (row[n:] == PAD).all()
    assert encode_pairs([], tokenizer, tokenizer) == []
    with pytest.raises(ValueError, match="sentence pairs"):
        collate_pairs([])


def test_the_stand_in_has_no_source_sentence_twice():
    loaded = load("multi30k", "standin")
    parts = [loaded[part] for part in ("train", "val", "test")]
    sources = [source.casefold() for part in parts for source, _ in part]
    assert len(set(sources)) == len(sources) == len(multi30k.catalogues())
    assert min(len(part) for part in parts) > 30
    assert loaded["languages"] == ("English", "Russian")
    assert all("\n" not in text and "%" not in text for pair in parts[0] for text in pair)
    assert loaded.content == load("multi30k", "standin").content


def test_a_catalogue_is_read_with_plurals_and_contexts(tmp_path):
    head = "Content-Type: text/plain; charset=UTF-8\nPlural-Forms: nplurals=2; plural=(n != 1);\n"
    keys = {"": head, "cat\0cats": "кот\0коты", "month\x04May": "Май"}  # fmt: skip
    entries = [(k.encode(), v.encode()) for k, v in sorted(keys.items())]
    n = len(entries)
    blob, tables, offset = b"", ([], []), 28 + 16 * n
    for side in (0, 1):
        for entry in entries:
            tables[side].append(struct.pack("<II", len(entry[side]), offset + len(blob)))
            blob += entry[side] + b"\0"
    head = struct.pack("<7I", 0x950412DE, 0, n, 28, 28 + 8 * n, 0, 0)
    file = tmp_path / "x.mo"
    file.write_bytes(head + b"".join(tables[0]) + b"".join(tables[1]) + blob)
    assert sorted(multi30k.read_catalogue(file)) == [("May", "Май"), ("cat", "кот")]
