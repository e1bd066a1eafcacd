"""Answers to the exercises of chapter 21; CONTRIBUTING.md describes the form."""


# %% exercise 1, right: the distance from the nearest multiple
def heard_at(frequency, rate):
    return abs(frequency - rate * round(frequency / rate))


# %% exercise 1, right: a triangle, in a loop
def heard_at(frequency, rate):
    while frequency > rate:
        frequency -= rate
    return torch.tensor(rate - frequency if frequency > rate / 2 else frequency)


# %% exercise 1, right: a number of NumPy
def heard_at(frequency, rate):
    rest = np.int64(frequency) % rate
    return np.minimum(rest, rate - rest)


# %% exercise 1, wrong: the mirror for every tone (must say: a tone below half the rate stays)
def heard_at(frequency, rate):
    rest = frequency % rate
    return max(0, min(rate - rest, rate / 2))


# %% exercise 1, wrong: the remainder alone (must say: above half the rate)
def heard_at(frequency, rate):
    return frequency % rate


# %% exercise 1, wrong: no remainder for many times the rate (must say: above half the rate)
def heard_at(frequency, rate):
    return frequency if frequency <= rate / 2 else abs(frequency - rate)


# %% exercise 1, wrong: the sign is kept (must say: a negative frequency)
def heard_at(frequency, rate):
    rest = frequency % rate
    return rest if rest <= rate / 2 else rest - rate


# %% exercise 2, right: the ratio first
def to_db(power, top_db):
    loudest = power.flatten(1).max(dim=1).values.clamp(min=1e-30)
    ratio = power / loudest[:, None, None]
    return 10 * torch.log10(ratio.clamp(min=10 ** (-top_db / 10)))


# %% exercise 2, right: clip by clip, natural logarithms
def to_db(power, top_db):
    rows = []
    for one in power:
        db = one.clamp(min=1e-35).log() * (10 / math.log(10))
        rows.append(torch.maximum(db - db.max(), torch.tensor(-top_db)))
    return torch.stack(rows)


# %% exercise 2, wrong: one reference for the batch (must say: its own loudest value)
def to_db(power, top_db):
    return 10 * torch.log10((power / power.max()).clamp(min=10 ** (-top_db / 10)))


# %% exercise 2, wrong: amplitudes (must say: 10, not 20)
def to_db(power, top_db):
    db = 20 * torch.log10(power.clamp(min=1e-30))
    return (db - db.amax(dim=(1, 2), keepdim=True)).clamp(min=-top_db)


# %% exercise 2, wrong: a clamp too coarse (must say: a quiet clip)
def to_db(power, top_db):
    db = 10 * torch.log10(power.clamp(min=1e-9))
    return (db - db.amax(dim=(1, 2), keepdim=True)).clamp(min=-top_db)


# %% exercise 2, wrong: the logarithm of zero (must say: not finite)
def to_db(power, top_db):
    return 10 * torch.log10(power / power.amax(dim=(1, 2), keepdim=True))


# %% exercise 2, wrong: silence divided by silence (must say: a clip of silence)
def to_db(power, top_db):
    ratio = power / power.amax(dim=(1, 2), keepdim=True)
    return 10 * torch.log10(ratio.clamp(min=10 ** (-top_db / 10)))


# %% exercise 2, wrong: the reference is one (must say: its own loudest value)
def to_db(power, top_db):
    return (10 * torch.log10(power.clamp(min=1e-30))).clamp(min=-top_db, max=0)


# %% exercise 3, right: recordings in random order, the least filled fold
def group_folds(group, k):
    folds = torch.full_like(group, -1)
    numbers = group.unique()
    for number in numbers[torch.randperm(len(numbers))]:
        each = torch.tensor([(folds == fold).sum() for fold in range(k)])
        folds[group == number] = each.argmin()
    return folds


# %% exercise 3, right: cut the row of sorted recordings where a fold is full
def group_folds(group, k):
    _, place, counts = group.unique(return_inverse=True, return_counts=True)
    begin = counts.cumsum(0) - counts
    return (begin * k // len(group))[place]


# %% exercise 3, wrong: single clips dealt out (must say: lies in two folds)
def group_folds(group, k):
    return torch.arange(len(group)) % k


# %% exercise 3, wrong: the number modulo k (must say: a fold is empty)
def group_folds(group, k):
    return group % k


# %% exercise 3, wrong: clips shuffled first (must say: lies in two folds)
def group_folds(group, k):
    return torch.randperm(len(group)) % k


# %% exercise 3, wrong: the second fold gets all the rest (must say: has too many clips)
def group_folds(group, k):
    place = group.unique(return_inverse=True)[1]
    return place.clamp(max=k - 1)


# %% exercise 4, right: a comparison with the index
def time_mask(x, max_width):
    width = torch.randint(0, max_width + 1, (1,))
    start = torch.randint(0, int(x.shape[-1] - width) + 1, (1,))
    at = torch.arange(x.shape[-1])
    return x.masked_fill((at >= start) & (at < start + width), 0)


# %% exercise 4, right: three pieces put together
def time_mask(x, max_width):
    width = torch.randint(max_width + 1, ()).item()
    start = torch.randperm(x.shape[2] - width + 1)[0].item()
    hole = torch.zeros_like(x[:, :, :width])
    return torch.cat([x[:, :, :start], hole, x[:, :, start + width :]], dim=2)


# %% exercise 4, wrong: in place (must say: the input was changed)
def time_mask(x, max_width):
    width = int(torch.randint(max_width + 1, ()))
    start = int(torch.randint(x.shape[2] - width + 1, ()))
    x[:, :, start : start + width] = 0
    return x


# %% exercise 4, wrong: rows (must say: the time is the last dimension)
def time_mask(x, max_width):
    width = int(torch.randint(max_width + 1, ()))
    start = int(torch.randint(x.shape[1] - width + 1, ()))
    covered = x.clone()
    covered[:, start : start + width] = 0
    return covered


# %% exercise 4, wrong: the full width is missing (must say: is never drawn)
def time_mask(x, max_width):
    width = int(torch.randint(max_width, ()))
    start = int(torch.randint(x.shape[2] - width + 1, ()))
    covered = x.clone()
    covered[:, :, start : start + width] = 0
    return covered


# %% exercise 4, wrong: one place too few (must say: the last column is never covered)
def time_mask(x, max_width):
    width = int(torch.randint(max_width + 1, ()))
    start = int(torch.randint(x.shape[2] - width, ()))
    covered = x.clone()
    covered[:, :, start : start + width] = 0
    return covered


# %% exercise 4, wrong: the start from the number of rows (must say: the last column is never)
def time_mask(x, max_width):
    width = int(torch.randint(max_width + 1, ()))
    start = int(torch.randint(x.shape[1] - width + 1, ()))
    covered = x.clone()
    covered[:, :, start : start + width] = 0
    return covered


# %% exercise 4, wrong: always at one of the ends (must say: in the middle is never covered)
def time_mask(x, max_width):
    width = int(torch.randint(max_width + 1, ()))
    start = 0 if torch.rand(()) < 0.5 else x.shape[2] - width
    covered = x.clone()
    covered[:, :, start : start + width] = 0
    return covered


# %% exercise 4, wrong: another stripe in each channel (must say: all rows and all channels)
def time_mask(x, max_width):
    covered = x.clone()
    for channel in covered:
        width = int(torch.randint(1, max_width + 1, ()))
        start = int(torch.randint(x.shape[2] - width + 1, ()))
        channel[:, start : start + width] = 0
    return covered
