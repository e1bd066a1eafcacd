"""Answers to the exercises of chapter 08; CONTRIBUTING.md describes the form."""


# %% exercise 1, right: fit returns nothing
class Robust:
    def fit(self, x):
        self.low, self.middle, self.high = torch.quantile(x, torch.tensor([0.25, 0.5, 0.75]), dim=0)

    def transform(self, x):
        width = self.high - self.low
        width[width == 0] = 1
        return (x - self.middle) / width


# %% exercise 1, right: by scikit-learn
class Robust:
    def fit(self, x):
        from sklearn.preprocessing import RobustScaler

        self.scaler = RobustScaler().fit(x.numpy())
        return self

    def transform(self, x):
        return torch.as_tensor(self.scaler.transform(x.numpy()), dtype=torch.float32)


# %% exercise 1, right: column by column, with NumPy
class Robust:
    def fit(self, x):
        self.statistics = [np.percentile(column.numpy(), [25, 50, 75]) for column in x.T]
        return self

    def transform(self, x):
        columns = [(x[:, k] - q[1]) / (q[2] - q[0] or 1) for k, q in enumerate(self.statistics)]
        return torch.stack(columns, dim=1)


# %% exercise 1, wrong: learns in transform (must say: learns from the rows that it transforms)
class Robust:
    def fit(self, x):
        return self

    def transform(self, x):
        low, middle, high = x.quantile(torch.tensor([0.25, 0.5, 0.75]), dim=0)
        return (x - middle) / torch.where(high == low, 1.0, high - low)


# %% exercise 1, wrong: the lower of two middle rows (must say: the median lies between two rows)
class Robust:
    def fit(self, x):
        low, high = x.quantile(torch.tensor([0.25, 0.75]), dim=0)
        self.median, self.width = x.median(dim=0).values, torch.where(low == high, 1.0, high - low)
        return self

    def transform(self, x):
        return (x - self.median) / self.width


# %% exercise 1, wrong: quartiles without interpolation (must say: transform(new rows) is wrong)
class Robust:
    def fit(self, x):
        q = torch.tensor([0.25, 0.5, 0.75])
        low, self.median, high = x.quantile(q, dim=0, interpolation="lower")
        self.width = torch.where(low == high, 1.0, high - low)
        return self

    def transform(self, x):
        return (x - self.median) / self.width


# %% exercise 1, wrong: divides by 0 (must say: is not finite)
class Robust:
    def fit(self, x):
        low, self.median, high = x.quantile(torch.tensor([0.25, 0.5, 0.75]), dim=0)
        self.width = high - low
        return self

    def transform(self, x):
        return (x - self.median) / self.width


# %% exercise 1, wrong: mean and deviation (must say: this is mean and deviation)
class Robust:
    def fit(self, x):
        self.mean, std = x.mean(dim=0), x.std(dim=0)
        self.std = torch.where(std == 0, 1.0, std)
        return self

    def transform(self, x):
        return (x - self.mean) / self.std


# %% exercise 1, wrong: one scale for all columns (must say: transform(new rows) is wrong)
class Robust:
    def fit(self, x):
        low, self.median, high = x.quantile(torch.tensor([0.25, 0.5, 0.75]))
        self.width = high - low
        return self

    def transform(self, x):
        return (x - self.median) / self.width


# %% exercise 1, wrong: a constant column becomes 0 for any rows (must say: is wrong)
class Robust:
    def fit(self, x):
        low, self.median, high = x.quantile(torch.tensor([0.25, 0.5, 0.75]), dim=0)
        self.width = high - low
        return self

    def transform(self, x):
        return torch.nan_to_num((x - self.median) / self.width, 0.0, 0.0, 0.0)


# %% exercise 1, wrong: writes into the rows (must say: transform changes its rows in place)
class Robust:
    def fit(self, x):
        low, self.median, high = x.quantile(torch.tensor([0.25, 0.5, 0.75]), dim=0)
        self.width = torch.where(low == high, 1.0, high - low)
        return self

    def transform(self, x):
        x -= self.median
        x /= self.width
        return x


# %% exercise 1, wrong: no return (must say: a tensor is expected)
class Robust:
    def fit(self, x):
        low, self.median, high = x.quantile(torch.tensor([0.25, 0.5, 0.75]), dim=0)
        self.width = torch.where(low == high, 1.0, high - low)

    def transform(self, x):
        self.result = (x - self.median) / self.width


# %% exercise 2, right: by scikit-learn
def stratified(labels, fraction, seed):
    options = {"test_size": fraction, "random_state": seed, "stratify": labels.numpy()}
    first, second = train_test_split(np.arange(len(labels)), **options)
    return torch.as_tensor(first), torch.as_tensor(second)


# %% exercise 2, right: a random number for each row, the smallest of each class
def stratified(labels, fraction, seed):
    draw = np.random.default_rng(seed).random(len(labels))
    held = torch.zeros(len(labels), dtype=torch.bool)
    for label in set(labels.tolist()):
        rows = np.flatnonzero(labels.numpy() == label)
        count = round(fraction * len(rows))
        held[rows[draw[rows].argsort()[:count]]] = True
    return (~held).nonzero().flatten(), held.nonzero().flatten()


# %% exercise 2, right: the global generator, seeded
def stratified(labels, fraction, seed):
    torch.manual_seed(seed)
    order, taken, test = torch.randperm(len(labels)), {}, []
    wanted = {int(c): round(fraction * int((labels == c).sum())) for c in labels.unique()}
    for row in order.tolist():
        label = int(labels[row])
        if taken.get(label, 0) < wanted[label]:
            taken[label] = taken.get(label, 0) + 1
            test.append(row)
    rest = sorted(set(range(len(labels))) - set(test))
    return torch.tensor(rest), torch.tensor(test)


# %% exercise 2, wrong: not stratified (must say: test rows instead of)
def stratified(labels, fraction, seed):
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    cut = round(len(labels) * fraction)
    return order[cut:], order[:cut]


# %% exercise 2, wrong: cuts off instead of rounding (must say: test rows instead of)
def stratified(labels, fraction, seed):
    generator = torch.Generator().manual_seed(seed)
    first, second = [], []
    for label in labels.unique():
        rows = (labels == label).nonzero().flatten()
        rows = rows[torch.randperm(len(rows), generator=generator)]
        cut = int(len(rows) * fraction)
        second.append(rows[:cut])
        first.append(rows[cut:])
    return torch.cat(first), torch.cat(second)


# %% exercise 2, wrong: takes the labels for sorted (must say: test rows instead of)
def stratified(labels, fraction, seed):
    generator = torch.Generator().manual_seed(seed)
    first, second, start = [], [], 0
    for count in labels.bincount().tolist():
        rows = start + torch.randperm(count, generator=generator)
        cut = round(count * fraction)
        second.append(rows[:cut])
        first.append(rows[cut:])
        start += count
    return torch.cat(first), torch.cat(second)


# %% exercise 2, wrong: rolled by the seed, not drawn (must say: different test parts for 200 seeds)
def stratified(labels, fraction, seed):
    first, second = [], []
    for label in labels.unique():
        rows = (labels == label).nonzero().flatten().roll(seed)
        cut = round(len(rows) * fraction)
        second.append(rows[:cut])
        first.append(rows[cut:])
    return torch.cat(first), torch.cat(second)


# %% exercise 2, wrong: always the first rows (must say: different test parts for 200 seeds)
def stratified(labels, fraction, seed):
    first, second = [], []
    for label in labels.unique():
        rows = (labels == label).nonzero().flatten()
        cut = round(len(rows) * fraction)
        second.append(rows[:cut])
        first.append(rows[cut:])
    return torch.cat(first), torch.cat(second)


# %% exercise 2, wrong: forgets the seed (must say: the same seed gave another split)
def stratified(labels, fraction, seed):
    first, second = [], []
    for label in labels.unique():
        rows = (labels == label).nonzero().flatten()
        rows = rows[torch.randperm(len(rows))]
        cut = round(len(rows) * fraction)
        second.append(rows[:cut])
        first.append(rows[cut:])
    return torch.cat(first), torch.cat(second)


# %% exercise 2, wrong: the training part is everything (must say: a row is in both parts)
def stratified(labels, fraction, seed):
    generator = torch.Generator().manual_seed(seed)
    second = []
    for label in labels.unique():
        rows = (labels == label).nonzero().flatten()
        rows = rows[torch.randperm(len(rows), generator=generator)]
        second.append(rows[: round(len(rows) * fraction)])
    return torch.arange(len(labels)), torch.cat(second)


# %% exercise 2, wrong: the parts exchanged (must say: test rows instead of)
def stratified(labels, fraction, seed):
    generator = torch.Generator().manual_seed(seed)
    first, second = [], []
    for label in labels.unique():
        rows = (labels == label).nonzero().flatten()
        rows = rows[torch.randperm(len(rows), generator=generator)]
        cut = round(len(rows) * fraction)
        second.append(rows[:cut])
        first.append(rows[cut:])
    return torch.cat(second), torch.cat(first)


# %% exercise 3, right: remembers the epoch that counted
def stop_epoch(losses, patience, min_delta):
    counted, at = losses[0], 1
    for epoch in range(2, len(losses) + 1):
        if losses[epoch - 1] < counted - min_delta:
            counted, at = losses[epoch - 1], epoch
        elif epoch - at >= patience:
            return epoch
    return len(losses)


# %% exercise 3, right: a list of what counted
def stop_epoch(losses, patience, min_delta):
    counts, level = [], math.inf
    for loss in losses:
        better = level - loss > min_delta
        level = loss if better else level
        counts.append(better)
        if len(counts) > patience and not any(counts[-patience:]):
            break
    return len(counts)


# %% exercise 3, wrong: the same is as good as better (must say: equal losses are no improvement)
def stop_epoch(losses, patience, min_delta):
    counted, waited = float("inf"), 0
    for epoch, loss in enumerate(losses, start=1):
        if counted - loss >= min_delta:
            counted, waited = loss, 0
        else:
            waited += 1
        if waited == patience:
            return epoch
    return len(losses)


# %% exercise 3, wrong: compares with the lowest loss (must say: slow progress adds up)
def stop_epoch(losses, patience, min_delta):
    lowest, waited = float("inf"), 0
    for epoch, loss in enumerate(losses, start=1):
        waited = 0 if lowest - loss > min_delta else waited + 1
        lowest = min(lowest, loss)
        if waited == patience:
            return epoch
    return len(losses)


# %% exercise 3, wrong: never starts the waiting anew (must say: starts the waiting anew)
def stop_epoch(losses, patience, min_delta):
    counted, waited = float("inf"), 0
    for epoch, loss in enumerate(losses, start=1):
        if counted - loss > min_delta:
            counted = loss
        else:
            waited += 1
        if waited == patience:
            return epoch
    return len(losses)


# %% exercise 3, wrong: one epoch more (must say: equal losses are no improvement)
def stop_epoch(losses, patience, min_delta):
    counted, waited = float("inf"), 0
    for epoch, loss in enumerate(losses, start=1):
        if counted - loss > min_delta:
            counted, waited = loss, 0
        else:
            waited += 1
        if waited > patience:
            return epoch
    return len(losses)


# %% exercise 3, wrong: counts from 0 (must say: equal losses are no improvement)
def stop_epoch(losses, patience, min_delta):
    counted, waited = float("inf"), 0
    for epoch, loss in enumerate(losses):
        if counted - loss > min_delta:
            counted, waited = loss, 0
        else:
            waited += 1
        if waited == patience:
            return epoch
    return len(losses)


# %% exercise 3, wrong: compares with the epoch before (must say: not)
def stop_epoch(losses, patience, min_delta):
    before, waited = float("inf"), 0
    for epoch, loss in enumerate(losses, start=1):
        waited = 0 if before - loss > min_delta else waited + 1
        before = loss
        if waited == patience:
            return epoch
    return len(losses)


# %% exercise 3, wrong: never stops (must say: equal losses are no improvement)
def stop_epoch(losses, patience, min_delta):
    return len(losses)


# %% exercise 4, right: with masks
def capped_loss(prediction, target, cap):
    error = prediction - target.clamp(max=cap)
    at_cap = target >= cap
    error = error * (~at_cap | (error < 0))
    return (error**2).mean()


# %% exercise 4, right: two sums
def capped_loss(prediction, target, cap):
    at_cap = target >= cap
    known = (prediction - target)[~at_cap].square().sum()
    missing = F.relu(cap - prediction[at_cap]).square().sum()
    return (known + missing) / target.numel()


# %% exercise 4, wrong: the plain squared error (must say: a prediction above the cap is punished)
def capped_loss(prediction, target, cap):
    return F.mse_loss(prediction, target)


# %% exercise 4, wrong: without the capped rows (must say: a mean over all rows is expected)
def capped_loss(prediction, target, cap):
    known = target < cap
    return F.mse_loss(prediction[known], target[known])


# %% exercise 4, wrong: capped rows count as no error (must say: capped rows are left out)
def capped_loss(prediction, target, cap):
    return ((prediction - target) * (target < cap)).square().mean()


# %% exercise 4, wrong: not squared (must say: is not squared)
def capped_loss(prediction, target, cap):
    missing = (cap - prediction).relu()
    return torch.where(target >= cap, missing, (prediction - target).square()).mean()


# %% exercise 4, wrong: cuts every prediction at the cap (must say: is wrong)
def capped_loss(prediction, target, cap):
    return (prediction.clamp(max=cap) - target).square().mean()


# %% exercise 4, wrong: one number a row (must say: a mean over all rows is expected)
def capped_loss(prediction, target, cap):
    missing = (cap - prediction).relu()
    return torch.where(target >= cap, missing, prediction - target).square()


# %% exercise 4, wrong: the sum (must say: is wrong)
def capped_loss(prediction, target, cap):
    missing = (cap - prediction).relu()
    return torch.where(target >= cap, missing, prediction - target).square().sum()


# %% exercise 4, wrong: what is missing to the target (must say: says no more than the cap)
def capped_loss(prediction, target, cap):
    missing = (target - prediction).relu()
    return torch.where(target >= cap, missing, prediction - target).square().mean()


# %% exercise 4, wrong: two means added (must say: a mean over all rows)
def capped_loss(prediction, target, cap):
    at_cap = target >= cap
    missing = (cap - prediction[at_cap]).relu().square().mean()
    return (prediction - target)[~at_cap].square().mean() + missing


# %% exercise 4, wrong: without a gradient (must say: gradient)
def capped_loss(prediction, target, cap):
    missing = (cap - prediction).relu()
    return torch.where(target >= cap, missing, prediction - target).square().mean().detach()
