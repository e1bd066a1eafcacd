"""Answers to the exercises of chapter 30; CONTRIBUTING.md describes the form."""


# %% exercise 1, right: through logits
def min_p(logits, share):
    limit = logits.amax(dim=-1, keepdim=True) + math.log(share)
    return logits.masked_fill(logits < limit, -math.inf).softmax(dim=-1)


# %% exercise 1, right: row by row
def min_p(logits, share):
    rows = []
    for row in logits:
        p = row.exp() / row.exp().sum()
        p[p < share * p.max()] = 0
        rows.append(p / p.sum())
    return torch.stack(rows)


# %% exercise 1, wrong: not divided (must say: must add up to 1)
def min_p(logits, share):
    p = logits.softmax(dim=1)
    return p * (p >= share * p.amax(dim=1, keepdim=True))


# %% exercise 1, wrong: an absolute limit (must say: absolute limit)
def min_p(logits, share):
    p = logits.softmax(dim=1)
    kept = p * (p >= share)
    return kept / kept.sum(dim=1, keepdim=True)


# %% exercise 1, wrong: one limit for all rows (must say: the largest of each row)
def min_p(logits, share):
    p = logits.softmax(dim=1)
    kept = p * (p >= share * p.max())
    return kept / kept.sum(dim=1, keepdim=True)


# %% exercise 1, wrong: logits come back (must say: probabilities are asked for)
def min_p(logits, share):
    p = logits.softmax(dim=1)
    return logits.masked_fill(p < share * p.amax(dim=1, keepdim=True), -math.inf)


# %% exercise 2, right: a loop
def targets(tokens, lengths):
    out = torch.full((len(tokens), tokens.shape[1] - 1), -100)
    for i, length in enumerate(lengths.tolist()):
        out[i, : length - 1] = tokens[i, 1:length]
    return out


# %% exercise 2, right: torch.where
def targets(tokens, lengths):
    counts = torch.arange(tokens.shape[1])[None, :] < lengths[:, None]
    return torch.where(counts, tokens, -100)[:, 1:]


# %% exercise 2, wrong: every end token is hidden (must say: the end is not learned)
def targets(tokens, lengths):
    return tokens[:, 1:].masked_fill(tokens[:, 1:] == 1, -100)


# %% exercise 2, wrong: one place too many is hidden (must say: the end is not learned)
def targets(tokens, lengths):
    places = torch.arange(1, tokens.shape[1])
    return tokens[:, 1:].masked_fill(places >= lengths[:, None] - 1, -100)


# %% exercise 2, wrong: nothing is hidden (must say: the padding counts)
def targets(tokens, lengths):
    return tokens[:, 1:].clone()


# %% exercise 2, wrong: not shifted (must say: shift by one)
def targets(tokens, lengths):
    places = torch.arange(tokens.shape[1])
    return tokens.masked_fill(places >= lengths[:, None], -100)[:, :-1]


# %% exercise 2, wrong: written into the tokens (must say: you changed the tokens)
def targets(tokens, lengths):
    places = torch.arange(tokens.shape[1])
    tokens[places >= lengths[:, None]] = -100
    return tokens[:, 1:]


# %% exercise 3, right: sorted
def exposure(losses, secret):
    rank = sorted(losses.tolist()).index(losses[secret].item()) + 1
    return math.log(len(losses) / rank, 2)


# %% exercise 3, right: a tensor
def exposure(losses, secret):
    smaller = torch.lt(losses, losses[secret]).double().sum()
    return torch.log2(len(losses) / (1 + smaller)).item()


# %% exercise 3, wrong: from the other end (must say: rank 1 for the smallest loss)
def exposure(losses, secret):
    rank = 1 + (losses > losses[secret]).sum().item()
    return math.log2(len(losses)) - math.log2(rank)


# %% exercise 3, wrong: nats (must say: in bits)
def exposure(losses, secret):
    rank = 1 + (losses < losses[secret]).sum().item()
    return math.log(len(losses)) - math.log(rank)


# %% exercise 3, wrong: the rank begins with 0 (must say: the rank begins with 1)
def exposure(losses, secret):
    rank = (losses < losses[secret]).sum().item()
    return math.log2(len(losses)) - math.log2(rank)


# %% exercise 3, wrong: the place in the list (must say: at rank)
def exposure(losses, secret):
    return math.log2(len(losses)) - math.log2(secret + 1)


# %% exercise 3, wrong: equal ones come first (must say: equally likely alternatives)
def exposure(losses, secret):
    rank = (losses <= losses[secret]).sum().item()
    return math.log2(len(losses)) - math.log2(rank)
