"""Answers to the exercises of chapter 24; CONTRIBUTING.md describes the form."""


# %% exercise 1, right: two loops
def rank_quality(score, label):
    points = []
    for a, la in zip(score.tolist(), label.tolist(), strict=True):
        for b, lb in zip(score.tolist(), label.tolist(), strict=True):
            if la == 1 and lb == 0:
                points.append(1.0 if a > b else 0.5 if a == b else 0.0)
    return sum(points) / len(points) if points else math.nan


# %% exercise 1, right: mean ranks of the nodules
def rank_quality(score, label):
    ranks = torch.tensor(pd.Series(score.numpy()).rank().to_numpy(copy=True))
    n, m = int((label == 1).sum()), int((label == 0).sum())
    if n * m == 0:
        return float("nan")
    return float((ranks[label == 1].sum() - n * (n + 1) / 2) / (n * m))


# %% exercise 1, wrong: ties count nothing (must say: ties count one half)
def rank_quality(score, label):
    return (score[label == 1][:, None] > score[label == 0][None, :]).double().mean().item()


# %% exercise 1, wrong: ties count one (must say: ties count one half)
def rank_quality(score, label):
    return (score[label == 1][:, None] >= score[label == 0][None, :]).double().mean().item()


# %% exercise 1, wrong: the groups are exchanged (must say: the nodules must be above)
def rank_quality(score, label):
    difference = score[label == 0][:, None] - score[label == 1][None, :]
    return ((difference.sign() + 1) / 2).double().mean().item()


# %% exercise 1, wrong: zero without pairs (must say: without pairs the answer is nan)
def rank_quality(score, label):
    difference = score[label == 1][:, None] - score[label == 0][None, :]
    if difference.numel() == 0:
        return 0.0
    return ((difference.sign() + 1) / 2).double().mean().item()


# %% exercise 1, wrong: a tensor (must say: return a Python float)
def rank_quality(score, label):
    difference = score[label == 1][:, None] - score[label == 0][None, :]
    return ((difference.sign() + 1) / 2).double().mean()


# %% exercise 2, right: a loop that refills the nodules
def alternate(label, generator):
    ones, zeros = (label == 1).nonzero().flatten(), (label == 0).nonzero().flatten()
    bag, out = [], []
    for k in torch.randperm(len(zeros), generator=generator).tolist():
        if not bag:
            bag = torch.randperm(len(ones), generator=generator).tolist()
        out += [int(ones[bag.pop()]), int(zeros[k])]
    return torch.tensor(out)


# %% exercise 2, right: counting modulo, filled into every second place
def alternate(label, generator):
    ones, zeros = torch.where(label == 1)[0], torch.where(label == 0)[0]
    index = torch.empty(2 * len(zeros), dtype=torch.long)
    index[1::2] = zeros[torch.rand(len(zeros), generator=generator).argsort()]
    shuffled = ones[torch.randperm(len(ones), generator=generator)]
    even = shuffled[torch.arange(len(zeros)) % len(ones)]
    index[::2] = even[torch.randperm(len(zeros), generator=generator)]
    return index


# %% exercise 2, right: one order of the nodules again and again
def alternate(label, generator):
    ones, zeros = (label == 1).nonzero().flatten(), (label == 0).nonzero().flatten()
    others = zeros[torch.randperm(len(zeros), generator=generator)]
    ones = ones[torch.randperm(len(ones), generator=generator)]
    return torch.stack([ones[torch.arange(len(zeros)) % len(ones)], others], dim=1).flatten()


# %% exercise 2, wrong: nodules with replacement (must say: differ by at most one)
def alternate(label, generator):
    ones, zeros = (label == 1).nonzero().flatten(), (label == 0).nonzero().flatten()
    others = zeros[torch.randperm(len(zeros), generator=generator)]
    nodules = ones[torch.randint(len(ones), (len(zeros),), generator=generator)]
    nodules[: len(zeros) // 2] = ones[0]
    return torch.stack([nodules, others], dim=1).flatten()


# %% exercise 2, wrong: ends when the nodules are used up (must say: exactly once)
def alternate(label, generator):
    ones, zeros = (label == 1).nonzero().flatten(), (label == 0).nonzero().flatten()
    ones = ones[torch.randperm(len(ones), generator=generator)]
    others = zeros[torch.randperm(len(zeros), generator=generator)][: len(ones)]
    return torch.stack([ones, others], dim=1).flatten()


# %% exercise 2, wrong: nothing is shuffled (must say: the same order)
def alternate(label, generator):
    ones, zeros = (label == 1).nonzero().flatten(), (label == 0).nonzero().flatten()
    nodules = ones.repeat(len(zeros))[: len(zeros)]
    return torch.stack([nodules, zeros], dim=1).flatten()


# %% exercise 2, wrong: other candidates first (must say: a nodule comes first)
def alternate(label, generator):
    ones, zeros = (label == 1).nonzero().flatten(), (label == 0).nonzero().flatten()
    others = zeros[torch.randperm(len(zeros), generator=generator)]
    order = [torch.randperm(len(ones), generator=generator) for _ in zeros]
    nodules = ones[torch.cat(order)[: len(zeros)]]
    return torch.stack([others, nodules], dim=1).flatten()


# %% exercise 2, wrong: the global generator (must say: draw from it only)
def alternate(label, generator):
    ones, zeros = (label == 1).nonzero().flatten(), (label == 0).nonzero().flatten()
    others = zeros[torch.randperm(len(zeros))]
    nodules = ones[torch.cat([torch.randperm(len(ones)) for _ in zeros])[: len(zeros)]]
    return torch.stack([nodules, others], dim=1).flatten()


# %% exercise 3, right: a loop over the boxes
def mirror(x, generator):
    out = []
    for box in x:
        dims = [d for d in (1, 2, 3) if torch.rand((), generator=generator) < 0.5]
        out.append(box.flip(dims) if dims else box)
    return torch.stack(out)


# %% exercise 3, right: flips written into a copy
def mirror(x, generator):
    y = x.clone()
    for dim in (2, 3, 4):
        rows = torch.randint(0, 2, (len(x),), generator=generator).bool()
        y[rows] = y[rows].flip(dim)
    return y


# %% exercise 3, wrong: one coin for the batch (must say: all boxes were turned alike)
def mirror(x, generator):
    for dim in (2, 3, 4):
        if torch.rand((), generator=generator) < 0.5:
            x = x.flip(dim)
    return x.clone()


# %% exercise 3, wrong: one coin for all axes (must say: three independent coins)
def mirror(x, generator):
    coin = torch.rand(len(x), generator=generator) < 0.5
    return torch.where(coin.view(-1, 1, 1, 1, 1), x.flip((2, 3, 4)), x)


# %% exercise 3, wrong: written into the input (must say: the input was changed)
def mirror(x, generator):
    for dim in (2, 3, 4):
        rows = torch.rand(len(x), generator=generator) < 0.5
        x[rows] = x[rows].flip(dim)
    return x


# %% exercise 3, wrong: the order of the batch (must say: no mirror image of its own box)
def mirror(x, generator):
    for dim in (0, 2, 3, 4):
        coin = torch.rand(len(x), generator=generator) < 0.5
        x = torch.where(coin.view(-1, 1, 1, 1, 1), x.flip(dim), x)
    return x


# %% exercise 3, wrong: the slices are left out (must say: three independent coins)
def mirror(x, generator):
    for dim in (3, 4):
        coin = torch.rand(len(x), generator=generator) < 0.5
        x = torch.where(coin.view(-1, 1, 1, 1, 1), x.flip(dim), x)
    return x


# %% exercise 3, wrong: one time in four (must say: come far too)
def mirror(x, generator):
    for dim in (2, 3, 4):
        coin = torch.rand(len(x), generator=generator) < 0.25
        x = torch.where(coin.view(-1, 1, 1, 1, 1), x.flip(dim), x)
    return x
