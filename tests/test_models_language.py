"""The transformer for text: who sees what, what padding changes, how many weights it has."""

import pytest
import torch

from helpers import models

LENGTH = 9


def made(causal, **options):
    torch.manual_seed(0)
    return models.TextTransformer(50, width=16, causal=causal, **options).eval()


@pytest.fixture
def tokens():
    return torch.randint(0, 50, (3, LENGTH), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("layers", [1, 3])
def test_a_later_token_never_changes_an_earlier_logit(tokens, layers):
    model = made(True, layers=layers)
    plain = model(tokens)
    for place in range(LENGTH):
        other = tokens.clone()
        other[:, place] = (other[:, place] + 7) % 50
        moved = (model(other) - plain).abs().amax(dim=2)
        assert (moved[:, :place] < 1e-6).all(), f"token {place} changed what stands before it"
        assert (moved[:, place:] > 1e-5).all(), f"token {place} is not seen by all that follow"


def test_no_gradient_flows_from_an_earlier_logit_to_a_later_token(tokens):
    model, hooked = made(True), []
    model.words.register_forward_hook(lambda *args: hooked.append(args[2]) or args[2].retain_grad())
    weights = torch.arange(16.0)  # a plain sum of what a layer norm returns is always 0
    (model.states(tokens)[:, 4] * weights).sum().backward()
    reached = hooked[0].grad.abs().amax(dim=(0, 2)) > 0
    assert reached.tolist() == [True] * 5 + [False] * (LENGTH - 5)


def test_without_a_causal_mask_every_place_sees_every_token(tokens):
    model = made(False)
    plain = model(tokens)
    for place in range(LENGTH):
        other = tokens.clone()
        other[:, place] = (other[:, place] + 7) % 50
        moved = (model(other) - plain).abs().amax(dim=2)
        assert (moved > 1e-5).all(), f"token {place} is not seen everywhere"


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize(("left", "right"), [(0, 4), (4, 0), (3, 2)])
@pytest.mark.parametrize("training", [True, False])
def test_padding_on_either_side_changes_no_answer(tokens, causal, left, right, training):
    model = made(causal).train(training)  # without dropout: both modes answer the same
    plain = model(tokens)
    for filler in (0, 17):  # whatever the padding is
        rows = torch.nn.functional.pad(tokens, (left, right), value=filler)
        mask = torch.nn.functional.pad(torch.ones_like(tokens, dtype=torch.bool), (left, right))
        got = model(rows, mask)
        assert got.isfinite().all(), "a row of padding has no softmax"
        torch.testing.assert_close(got[:, left : left + LENGTH], plain, atol=1e-5, rtol=0)


@pytest.mark.parametrize("causal", [True, False])
def test_texts_of_different_lengths_in_one_batch(tokens, causal):
    model = made(causal)
    lengths = (LENGTH, 4, 1)
    mask = torch.arange(LENGTH) < torch.tensor(lengths)[:, None]
    together = model(tokens, mask)
    for row, length in enumerate(lengths):
        alone = model(tokens[row : row + 1, :length])
        torch.testing.assert_close(together[row, :length], alone[0], atol=1e-5, rtol=0)


def test_the_order_of_the_tokens_counts(tokens):
    model = made(False)
    turned = model(tokens.flip(1)).flip(1)
    assert (turned - model(tokens)).abs().amax() > 1e-3


@pytest.mark.parametrize(("width", "layers", "longest"), [(16, 1, 64), (48, 2, 64), (32, 3, 96)])
def test_number_of_parameters(width, layers, longest):
    model = models.TextTransformer(200, width=width, layers=layers, longest=longest)
    attention = 4 * (width * width + width)
    linear = width * 4 * width + 4 * width + 4 * width * width + width
    block = attention + linear + 2 * 2 * width  # two layer norms
    wanted = (200 + longest) * width + layers * block + 2 * width  # the output is the token table
    assert models.count_parameters(model) == wanted


def test_what_does_not_fit_is_refused(tokens):
    model = made(True, longest=8)
    with pytest.raises(ValueError, match="L of 1 to 8"):
        model(tokens)
    with pytest.raises(ValueError, match="whole numbers"):
        model(tokens[:, :8].float())
    with pytest.raises(ValueError, match="a mask of bools"):
        model(tokens[:, :8], torch.ones(3, 8))
    with pytest.raises(ValueError, match="a mask of bools"):
        model(tokens[:, :8], torch.ones(3, 7, dtype=torch.bool))
