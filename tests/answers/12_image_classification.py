"""Answers to the exercises of chapter 12; CONTRIBUTING.md describes the form."""


# %% exercise 1, right: collect all pixels, then ask torch
def channel_statistics(batches):
    pixels = torch.cat([x.transpose(0, 1).flatten(1) for x in batches], dim=1)
    return pixels.mean(dim=1), pixels.std(dim=1)


# %% exercise 1, right: picture by picture, with NumPy, returned as a list
def channel_statistics(batches):
    rows = [picture.reshape(3, -1).numpy() for x in batches for picture in x]
    pixels = np.concatenate(rows, axis=1)
    return [torch.tensor(pixels.mean(axis=1)), torch.tensor(pixels.std(axis=1))]


# %% exercise 1, wrong: mean of the batch means (must say: counts as much as a full one)
def channel_statistics(batches):
    batches = list(batches)
    pixels = torch.cat([x.transpose(0, 1).flatten(1) for x in batches], dim=1)
    mean = torch.stack([x.mean(dim=(0, 2, 3)) for x in batches]).mean(dim=0)
    return mean, pixels.std(dim=1)


# %% exercise 1, wrong: mean of the pictures' means (must say: a small picture counts)
def channel_statistics(batches):
    batches = list(batches)
    pixels = torch.cat([x.transpose(0, 1).flatten(1) for x in batches], dim=1)
    mean = torch.cat([x.mean(dim=(2, 3)) for x in batches]).mean(dim=0)
    return mean, pixels.std(dim=1)


# %% exercise 1, wrong: mean deviation of single pictures (must say: spread between photographs)
def channel_statistics(batches):
    batches = list(batches)
    pixels = torch.cat([x.transpose(0, 1).flatten(1) for x in batches], dim=1)
    return pixels.mean(dim=1), torch.cat([x.std(dim=(2, 3)) for x in batches]).mean(dim=0)


# %% exercise 1, wrong: mean deviation of batches (must say: spread between photographs)
def channel_statistics(batches):
    batches = list(batches)
    pixels = torch.cat([x.transpose(0, 1).flatten(1) for x in batches], dim=1)
    return pixels.mean(dim=1), torch.stack([x.std(dim=(0, 2, 3)) for x in batches]).mean(dim=0)


# %% exercise 1, wrong: all channels together (must say: one number for all channels)
def channel_statistics(batches):
    pixels = torch.cat([x.flatten() for x in batches])
    return pixels.mean(), pixels.std()


# %% exercise 1, wrong: the variance (must say: this is the variance)
def channel_statistics(batches):
    pixels = torch.cat([x.transpose(0, 1).flatten(1) for x in batches], dim=1)
    return pixels.mean(dim=1), pixels.var(dim=1)


# %% exercise 1, wrong: one pass for the mean, one for the deviation (must say: a second time)
def channel_statistics(batches):
    count, total = 0, torch.zeros(3)
    for x in batches:
        count, total = count + x.numel() // 3, total + x.sum(dim=(0, 2, 3))
    mean, squares = total / count, torch.zeros(3)
    for x in batches:
        squares += (x - mean[:, None, None]).square().sum(dim=(0, 2, 3))
    return mean, (squares / count).sqrt()


# %% exercise 1, wrong: nothing is returned (must say: two tensors are expected)
def channel_statistics(batches):
    pixels = torch.cat([x.transpose(0, 1).flatten(1) for x in batches], dim=1)
    (pixels.mean(dim=1), pixels.std(dim=1))


# %% exercise 2, right: a class of its own with a list of layers
class simple_net(nn.Module):
    def __init__(self, side, hidden, classes):
        super().__init__()
        sizes = [3 * side * side, *hidden, classes]
        self.layers = nn.ModuleList(nn.Linear(*sizes[k : k + 2]) for k in range(len(hidden) + 1))

    def forward(self, x):
        x = x.flatten(1)
        for layer in self.layers[:-1]:
            x = layer(x).relu()
        return self.layers[-1](x)


# %% exercise 2, right: the course's MLP behind a Flatten
def simple_net(side, hidden, classes):
    return nn.Sequential(nn.Flatten(), models.MLP((3 * side * side, *hidden, classes)))


# %% exercise 2, wrong: view cuts pictures (must say: become 6 answers)
class simple_net(nn.Module):
    def __init__(self, side, hidden, classes):
        super().__init__()
        self.n = 3 * side * side
        self.net = models.MLP((self.n, *hidden, classes))

    def forward(self, x):
        return self.net(x.reshape(-1, self.n))


# %% exercise 2, wrong: softmax at the end (must say: no softmax at the end)
def simple_net(side, hidden, classes):
    net = models.MLP((3 * side * side, *hidden, classes))
    return nn.Sequential(nn.Flatten(), net, nn.Softmax(dim=1))


# %% exercise 2, wrong: no activation (must say: nothing lies between two layers)
def simple_net(side, hidden, classes):
    net = models.MLP((3 * side * side, *hidden, classes), activation=nn.Identity)
    return nn.Sequential(nn.Flatten(), net)


# %% exercise 2, wrong: tanh (must say: ReLU after each hidden layer)
def simple_net(side, hidden, classes):
    net = models.MLP((3 * side * side, *hidden, classes), activation=nn.Tanh)
    return nn.Sequential(nn.Flatten(), net)


# %% exercise 2, wrong: ReLU at the end, too (must say: none at the end)
def simple_net(side, hidden, classes):
    net = models.MLP((3 * side * side, *hidden, classes))
    return nn.Sequential(nn.Flatten(), net, nn.ReLU())


# %% exercise 2, wrong: layers in a plain list (must say: 0 trainable parameters)
class simple_net(nn.Module):
    def __init__(self, side, hidden, classes):
        super().__init__()
        sizes = [3 * side * side, *hidden, classes]
        self.layers = [nn.Linear(*sizes[k : k + 2]) for k in range(len(hidden) + 1)]

    def forward(self, x):
        x = x.flatten(1)
        for layer in self.layers[:-1]:
            x = layer(x).relu()
        return self.layers[-1](x)


# %% exercise 2, wrong: always the sizes of the book (must say: trainable parameters instead of)
def simple_net(side, hidden, classes):
    return nn.Sequential(nn.Flatten(), models.MLP((3 * side * side, 84, 50, classes)))


# %% exercise 3, right: with the course's predict
def classify(model, loader):
    predicted = train.predict(model, loader).argmax(dim=1)
    target = torch.cat([y for _, y in loader])
    return predicted, float((predicted == target).float().mean())


# %% exercise 3, right: counted along the way, under no_grad
def classify(model, loader):
    mode = model.training
    device = next(model.parameters()).device
    model.eval()
    said, right, count = [], 0, 0
    with torch.no_grad():
        for x, y in loader:
            said += model(x.to(device)).argmax(1).tolist()
            right += sum(int(a == b) for a, b in zip(said[count:], y.tolist()))
            count += len(y)
    if mode:
        model.train()
    return torch.tensor(said), right / count


# %% exercise 3, wrong: mean of the batches' accuracies (must say: accuracy:)
def classify(model, loader):
    predicted = train.predict(model, loader).argmax(dim=1)
    parts = predicted.split(10)
    shares = [(p == y).float().mean().item() for p, (_, y) in zip(parts, loader)]
    return predicted, sum(shares) / len(shares)


# %% exercise 3, wrong: without eval (must say: wrong classes)
def classify(model, loader):
    device = next(model.parameters()).device
    with torch.no_grad():
        predicted = torch.cat([model(x.to(device)).argmax(dim=1).cpu() for x, _ in loader])
    target = torch.cat([y for _, y in loader])
    return predicted, (predicted == target).float().mean().item()


# %% exercise 3, wrong: the graph is recorded (must say: a graph is recorded)
def classify(model, loader):
    mode, device = model.training, next(model.parameters()).device
    model.eval()
    predicted = torch.cat([model(x.to(device)).argmax(dim=1).cpu() for x, _ in loader])
    model.train(mode)
    target = torch.cat([y for _, y in loader])
    return predicted, (predicted == target).float().mean().item()


# %% exercise 3, wrong: left in evaluation mode (must say: another mode than before)
def classify(model, loader):
    device = next(model.parameters()).device
    model.eval()
    with torch.no_grad():
        predicted = torch.cat([model(x.to(device)).argmax(dim=1).cpu() for x, _ in loader])
    target = torch.cat([y for _, y in loader])
    return predicted, (predicted == target).float().mean().item()


# %% exercise 3, wrong: always left in training mode (must say: another mode than before)
def classify(model, loader):
    device = next(model.parameters()).device
    model.eval()
    with torch.no_grad():
        predicted = torch.cat([model(x.to(device)).argmax(dim=1).cpu() for x, _ in loader])
    model.train()
    target = torch.cat([y for _, y in loader])
    return predicted, (predicted == target).float().mean().item()


# %% exercise 3, wrong: argmax without dim (must say: one class a picture)
def classify(model, loader):
    mode, device = model.training, next(model.parameters()).device
    model.eval()
    with torch.no_grad():
        predicted = torch.stack([model(x.to(device)).argmax().cpu() for x, _ in loader])
    model.train(mode)
    return predicted, 0.5


# %% exercise 3, wrong: the accuracy stays a tensor (must say: no Python float)
def classify(model, loader):
    predicted = train.predict(model, loader).argmax(dim=1)
    target = torch.cat([y for _, y in loader])
    return predicted, (predicted == target).float().mean()


# %% exercise 4, right: SciPy's binomial test
def paired_p(right_a, right_b):
    b, c = int((right_a & ~right_b).sum()), int((~right_a & right_b).sum())
    return binomtest(b, b + c).pvalue if b + c else 1.0


# %% exercise 4, right: all divisions at least as far from the middle
def paired_p(right_a, right_b):
    difference = right_a.int() - right_b.int()
    n, gap = int(difference.abs().sum()), abs(int(difference.sum()))
    return sum(math.comb(n, k) for k in range(n + 1) if abs(n - 2 * k) >= gap) / 2**n


# %% exercise 4, wrong: one side (must say: only one side is counted)
def paired_p(right_a, right_b):
    b, c = int((right_a & ~right_b).sum()), int((~right_a & right_b).sum())
    if b + c == 0:
        return 1.0
    return sum(math.comb(b + c, k) for k in range(min(b, c) + 1)) / 2 ** (b + c)


# %% exercise 4, wrong: above 1 (must say: a probability above 1)
def paired_p(right_a, right_b):
    b, c = int((right_a & ~right_b).sum()), int((~right_a & right_b).sum())
    if b + c == 0:
        return 1.0
    return 2 * sum(math.comb(b + c, k) for k in range(min(b, c) + 1)) / 2 ** (b + c)


# %% exercise 4, wrong: two shares compared (must say: on which both agree must not count)
def paired_p(right_a, right_b):
    a, b, n = right_a.float().mean().item(), right_b.float().mean().item(), len(right_a)
    if torch.equal(right_a, right_b):
        return 1.0
    mean = (a + b) / 2
    z = abs(a - b) / math.sqrt(2 * mean * (1 - mean) / n)
    return math.erfc(z / math.sqrt(2))


# %% exercise 4, wrong: McNemar's approximation (must say: summed wrongly)
def paired_p(right_a, right_b):
    b, c = int((right_a & ~right_b).sum()), int((~right_a & right_b).sum())
    return math.erfc(abs(b - c) / math.sqrt(2 * (b + c))) if b + c else 1.0


# %% exercise 4, wrong: only this very division (must say: summed wrongly)
def paired_p(right_a, right_b):
    b, c = int((right_a & ~right_b).sum()), int((~right_a & right_b).sum())
    return min(1.0, 2 * math.comb(b + c, b) / 2 ** (b + c)) if b + c else 1.0


# %% exercise 4, wrong: nothing is returned (must say: one number is expected)
def paired_p(right_a, right_b):
    b, c = int((right_a & ~right_b).sum()), int((~right_a & right_b).sum())
    print(binomtest(b, b + c).pvalue if b + c else 1.0)
