"""Answers to the exercises of chapter 06; CONTRIBUTING.md describes the form."""


# %% exercise 1, right: an nn.Linear and SGD
def fit_standardized(t_u, t_c, n_epochs):
    z = ((t_u - t_u.mean()) / t_u.std(correction=0)).unsqueeze(1)
    line = nn.Linear(1, 1)
    optimizer = optim.SGD(line.parameters(), lr=0.1)
    for _ in range(n_epochs):
        loss = (line(z)[:, 0] - t_c).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    w = line.weight[0, 0] / t_u.std(correction=0)
    return w, line.bias[0] - w * t_u.mean()


# %% exercise 1, right: gradients by hand, plain numbers returned
def fit_standardized(t_u, t_c, n_epochs):
    mean, std = t_u.mean().item(), t_u.std().item()
    z, w, b = (t_u - mean) / std, 0.0, 0.0
    for _ in range(n_epochs):
        grad_w, grad_b = gradient(w, b, z, t_c)
        w, b = w - 0.1 * grad_w.item(), b - 0.1 * grad_b.item()
    return [w / std, b - w * mean / std]


# %% exercise 1, right: back by two predictions
def fit_standardized(t_u, t_c, n_epochs):
    mean, std = t_u.mean(), t_u.std()
    w, b = train_by_hand(n_epochs, 0.1, (t_u - mean) / std, t_c)[-1]
    at_zero, at_one = (w * (u - mean) / std + b for u in (0, 1))
    return torch.stack((at_one - at_zero, at_zero))


# %% exercise 1, wrong: not calculated back (must say: for the standardised readings)
def fit_standardized(t_u, t_c, n_epochs):
    z = (t_u - t_u.mean()) / t_u.std()
    return train_by_hand(n_epochs, 0.1, z, t_c)[-1]


# %% exercise 1, wrong: b is not moved (must say: w is right and b is not)
def fit_standardized(t_u, t_c, n_epochs):
    mean, std = t_u.mean(), t_u.std()
    w, b = train_by_hand(n_epochs, 0.1, (t_u - mean) / std, t_c)[-1]
    return w / std, b


# %% exercise 1, wrong: the mean without the scale (must say: w is right and b is not)
def fit_standardized(t_u, t_c, n_epochs):
    mean, std = t_u.mean(), t_u.std()
    w, b = train_by_hand(n_epochs, 0.1, (t_u - mean) / std, t_c)[-1]
    return w / std, b - w * mean


# %% exercise 1, wrong: multiplied by the scale (must say: least squares give)
def fit_standardized(t_u, t_c, n_epochs):
    mean, std = t_u.mean(), t_u.std()
    w, b = train_by_hand(n_epochs, 0.1, (t_u - mean) / std, t_c)[-1]
    return w * std, b - w * std * mean


# %% exercise 1, wrong: no training at all (must say: one epoch gives the same)
def fit_standardized(t_u, t_c, n_epochs):
    return least_squares(t_u, t_c)


# %% exercise 1, wrong: its own number of epochs (must say: one epoch gives the same)
def fit_standardized(t_u, t_c, n_epochs):
    mean, std = t_u.mean(), t_u.std()
    w, b = train_by_hand(300, 0.1, (t_u - mean) / std, t_c)[-1]
    return w / std, b - w / std * mean


# %% exercise 1, wrong: trained on raw readings (must say: not finite)
def fit_standardized(t_u, t_c, n_epochs):
    return train_by_hand(n_epochs, 0.1, t_u, t_c)[-1]


# %% exercise 1, wrong: the whole way (must say: a pair (w, b) is expected)
def fit_standardized(t_u, t_c, n_epochs):
    z = (t_u - t_u.mean()) / t_u.std()
    return train_by_hand(n_epochs, 0.1, z, t_c)


# %% exercise 1, wrong: no return (must say: is the return missing)
def fit_standardized(t_u, t_c, n_epochs):
    mean, std = t_u.mean(), t_u.std()
    w, b = train_by_hand(n_epochs, 0.1, (t_u - mean) / std, t_c)[-1]
    w, b = w / std, b - w / std * mean


# %% exercise 2, right: every k-th index of a NumPy shuffle, and polyfit
def cross_validate(t_u, t_c, k, seed):
    x, y = t_u.double().numpy(), t_c.double().numpy()
    order, total = np.random.default_rng(seed).permutation(len(x)), 0.0
    for start in range(k):
        part = order[start::k]
        rest = np.setdiff1d(order, part)
        line = np.polyfit(x[rest], y[rest], 1)
        total += ((np.polyval(line, x[part]) - y[part]) ** 2).sum()
    return total / len(x)


# %% exercise 2, right: sizes by hand, and a mask
def cross_validate(t_u, t_c, k, seed):
    order = torch.randperm(len(t_u), generator=torch.Generator().manual_seed(seed))
    squares = torch.empty_like(t_u)
    for part in order.split([len(t_u) // k + (i < len(t_u) % k) for i in range(k)]):
        keep = torch.ones(len(t_u), dtype=torch.bool)
        keep[part] = False
        w, b = least_squares(t_u[keep], t_c[keep])
        squares[part] = (w * t_u[part] + b - t_c[part]) ** 2
    return squares.mean()


# %% exercise 2, wrong: the mean of the means (must say: every part counts alike)
def cross_validate(t_u, t_c, k, seed):
    order = torch.randperm(len(t_u), generator=torch.Generator().manual_seed(seed))
    losses = []
    for part in order.tensor_split(k):
        rest = order[~torch.isin(order, part)]
        w, b = least_squares(t_u[rest], t_c[rest])
        losses.append(((model(t_u[part], w, b) - t_c[part]) ** 2).mean().item())
    return sum(losses) / k


# %% exercise 2, wrong: the remainder is dropped (must say: not the mean over all 5 pairs)
def cross_validate(t_u, t_c, k, seed):
    order = torch.randperm(len(t_u), generator=torch.Generator().manual_seed(seed))
    size, squares = len(t_u) // k, []
    for i in range(k):
        part = order[i * size : (i + 1) * size]
        rest = order[~torch.isin(order, part)]
        w, b = least_squares(t_u[rest], t_c[rest])
        squares.append((model(t_u[part], w, b) - t_c[part]) ** 2)
    return torch.cat(squares).mean().item()


# %% exercise 2, wrong: chunk gives three parts (must say: the mean over all 6 pairs in 4 parts)
def cross_validate(t_u, t_c, k, seed):
    order = torch.randperm(len(t_u), generator=torch.Generator().manual_seed(seed))
    squares = torch.empty_like(t_u)
    for part in torch.chunk(order, k):
        keep = torch.ones(len(t_u), dtype=torch.bool)
        keep[part] = False
        w, b = least_squares(t_u[keep], t_c[keep])
        squares[part] = (w * t_u[part] + b - t_c[part]) ** 2
    return squares.mean()


# %% exercise 2, wrong: validated on what was fitted (must say: the pairs that were fitted)
def cross_validate(t_u, t_c, k, seed):
    order = torch.randperm(len(t_u), generator=torch.Generator().manual_seed(seed))
    w, b = least_squares(t_u, t_c)
    squares = [(model(t_u[part], w, b) - t_c[part]) ** 2 for part in order.tensor_split(k)]
    return torch.cat(squares).mean().item()


# %% exercise 2, wrong: fitted to the part (must say: not the mean over all 5 pairs)
def cross_validate(t_u, t_c, k, seed):
    order = torch.randperm(len(t_u), generator=torch.Generator().manual_seed(seed))
    squares = []
    for i in range(k):
        part = order[[j % len(order) for j in range(2 * i, 2 * i + 2)]]
        rest = order[~torch.isin(order, part)]
        w, b = least_squares(t_u[part], t_c[part])
        squares.append((model(t_u[rest], w, b) - t_c[rest]) ** 2)
    return torch.cat(squares).mean().item()


# %% exercise 2, wrong: one split only (must say: not the mean over all 5 pairs)
def cross_validate(t_u, t_c, k, seed):
    return losses_over_splits(t_u, t_c, max(1, len(t_u) // k), [seed])[0]


# %% exercise 2, wrong: no shuffle (must say: the seed must decide)
def cross_validate(t_u, t_c, k, seed):
    squares = []
    for part in torch.arange(len(t_u)).tensor_split(k):
        rest = [i for i in range(len(t_u)) if i not in part]
        w, b = least_squares(t_u[rest], t_c[rest])
        squares.append((model(t_u[part], w, b) - t_c[part]) ** 2)
    return torch.cat(squares).mean().item()


# %% exercise 2, wrong: the roots of the errors (must say: not the mean over all 5 pairs)
def cross_validate(t_u, t_c, k, seed):
    order = torch.randperm(len(t_u), generator=torch.Generator().manual_seed(seed))
    squares = []
    for part in order.tensor_split(k):
        rest = order[~torch.isin(order, part)]
        w, b = least_squares(t_u[rest], t_c[rest])
        squares.append((model(t_u[part], w, b) - t_c[part]) ** 2)
    return torch.cat(squares).mean().sqrt().item()


# %% exercise 2, wrong: no return (must say: is the return missing)
def cross_validate(t_u, t_c, k, seed):
    order = torch.randperm(len(t_u), generator=torch.Generator().manual_seed(seed))
    print(len(order.tensor_split(k)))


# %% exercise 3, right: everything in one Sequential
class Tower(nn.Module):
    def __init__(self, depth, width):
        super().__init__()
        layers = [nn.Linear(1, width), nn.Tanh()]
        for _ in range(depth - 1):
            layers += [nn.Linear(width, width), nn.Tanh()]
        self.stack = nn.Sequential(*layers, nn.Linear(width, 1))

    def forward(self, x):
        return self.stack(x)


# %% exercise 3, right: the output layer first, the others by name
class Tower(nn.Module):
    def __init__(self, depth, width):
        super().__init__()
        self.out, self.depth = nn.Linear(width, 1), depth
        for number in range(depth):
            setattr(self, f"layer{number}", nn.Linear(width if number else 1, width))

    def forward(self, x):
        for number in range(self.depth):
            x = getattr(self, f"layer{number}")(x).tanh()
        return self.out(x)


# %% exercise 3, right: built from the end to the beginning
class Tower(nn.Module):
    def __init__(self, depth, width):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(width, 1)])
        for number in reversed(range(depth)):
            self.layers.append(nn.Linear(width if number else 1, width))

    def forward(self, x):
        for layer in reversed(self.layers[1:]):
            x = torch.tanh(layer(x))
        return self.layers[0](x)


# %% exercise 3, right: a function that returns a helper's model
def Tower(depth, width):
    return models.MLP((1, *[width] * depth, 1), activation=nn.Tanh)


# %% exercise 3, wrong: layers in a plain list (must say: the module shows 1 linear layers)
class Tower(nn.Module):
    def __init__(self, depth, width):
        super().__init__()
        sizes = [1] + [width] * depth
        self.hidden = [nn.Linear(sizes[i], sizes[i + 1]) for i in range(len(sizes) - 1)]
        self.output = nn.Linear(width, 1)

    def forward(self, x):
        for layer in self.hidden:
            x = torch.tanh(layer(x))
        return self.output(x)


# %% exercise 3, wrong: tanh on the output (must say: the output layer has an activation)
class Tower(nn.Module):
    def __init__(self, depth, width):
        super().__init__()
        sizes = [1] + [width] * depth + [1]
        self.layers = nn.ModuleList(
            nn.Linear(sizes[i], sizes[i + 1]) for i in range(len(sizes) - 1)
        )

    def forward(self, x):
        for layer in self.layers:
            x = torch.tanh(layer(x))
        return x


# %% exercise 3, wrong: ReLU (must say: a tanh after each but the last)
def Tower(depth, width):
    return models.MLP((1, *[width] * depth, 1), activation=nn.ReLU)


# %% exercise 3, wrong: sigmoid (must say: a tanh after each but the last)
def Tower(depth, width):
    return models.MLP((1, *[width] * depth, 1), activation=nn.Sigmoid)


# %% exercise 3, wrong: tanh after the first layer only (must say: a tanh after each but the last)
class Tower(nn.Module):
    def __init__(self, depth, width):
        super().__init__()
        sizes = [1] + [width] * depth + [1]
        self.layers = nn.ModuleList(
            nn.Linear(sizes[i], sizes[i + 1]) for i in range(len(sizes) - 1)
        )

    def forward(self, x):
        for number, layer in enumerate(self.layers):
            x = torch.tanh(layer(x)) if number == 0 else layer(x)
        return x


# %% exercise 3, wrong: tanh before the output only (must say: a tanh after each but the last)
class Tower(nn.Module):
    def __init__(self, depth, width):
        super().__init__()
        sizes = [1] + [width] * depth + [1]
        self.layers = nn.ModuleList(
            nn.Linear(sizes[i], sizes[i + 1]) for i in range(len(sizes) - 1)
        )

    def forward(self, x):
        for layer in self.layers[:-1]:
            x = layer(x)
        return self.layers[-1](torch.tanh(x))


# %% exercise 3, wrong: no activation (must say: a tanh after each but the last)
class Tower(nn.Module):
    def __init__(self, depth, width):
        super().__init__()
        sizes = [1] + [width] * depth + [1]
        self.layers = nn.Sequential(
            *(nn.Linear(sizes[i], sizes[i + 1]) for i in range(len(sizes) - 1))
        )

    def forward(self, x):
        return self.layers(x)


# %% exercise 3, wrong: one layer too many (must say: and depth 1 needs 2)
def Tower(depth, width):
    return models.MLP((1, *[width] * (depth + 1), 1), activation=nn.Tanh)


# %% exercise 3, wrong: one layer used again and again (must say: and depth 4 needs 5)
class Tower(nn.Module):
    def __init__(self, depth, width):
        super().__init__()
        self.first, self.depth = nn.Linear(1, width), depth
        self.middle = nn.Linear(width, width) if depth > 1 else None
        self.output = nn.Linear(width, 1)

    def forward(self, x):
        x = torch.tanh(self.first(x))
        for _ in range(self.depth - 1):
            x = torch.tanh(self.middle(x))
        return self.output(x)


# %% exercise 3, wrong: cut out of the graph (must say: no gradient arrives)
class Tower(nn.Module):
    def __init__(self, depth, width):
        super().__init__()
        sizes = [1] + [width] * depth
        self.hidden = nn.ModuleList(
            nn.Linear(sizes[i], sizes[i + 1]) for i in range(len(sizes) - 1)
        )
        self.output = nn.Linear(width, 1)

    def forward(self, x):
        for layer in self.hidden:
            x = torch.tanh(layer(x)).detach()
        return self.output(x)


# %% exercise 3, wrong: no return (must say: is the return missing)
class Tower(nn.Module):
    def __init__(self, depth, width):
        super().__init__()
        sizes = [1] + [width] * depth
        self.hidden = nn.ModuleList(
            nn.Linear(sizes[i], sizes[i + 1]) for i in range(len(sizes) - 1)
        )
        self.output = nn.Linear(width, 1)

    def forward(self, x):
        for layer in self.hidden:
            x = torch.tanh(layer(x))
        self.output(x)


# %% exercise 4, right: the sum, without the constant
def laplace_loss(t_p, t_c):
    return torch.sum(torch.maximum(t_p - t_c, t_c - t_p))


# %% exercise 4, right: PyTorch's own density, with a scale
def laplace_loss(t_p, t_c):
    return -Laplace(t_p, torch.tensor(2.0)).log_prob(t_c).mean()


# %% exercise 4, right: the loss of nn
laplace_loss = nn.L1Loss()


# %% exercise 4, wrong: squares (must say: the loss of Gaussian noise)
def laplace_loss(t_p, t_c):
    return ((t_p - t_c) ** 2).mean()


# %% exercise 4, wrong: absolute value of the mean (must say: opposite sign cancel)
def laplace_loss(t_p, t_c):
    return (t_p - t_c).mean().abs()


# %% exercise 4, wrong: the logarithm without the minus (must say: the sign is turned)
def laplace_loss(t_p, t_c):
    return -(t_p - t_c).abs().sum()


# %% exercise 4, wrong: one value each (must say: one number is expected)
def laplace_loss(t_p, t_c):
    return (t_p - t_c).abs()


# %% exercise 4, wrong: the root of the mean square (must say: does not belong to this density)
def laplace_loss(t_p, t_c):
    return (t_p - t_c).square().mean().sqrt()


# %% exercise 4, wrong: the median distance (must say: does not belong to this density)
def laplace_loss(t_p, t_c):
    return (t_p - t_c).abs().median()


# %% exercise 4, wrong: the density, not its logarithm (must say: does not belong to this density)
def laplace_loss(t_p, t_c):
    return -torch.exp(-(t_p - t_c).abs()).mean()


# %% exercise 4, wrong: a plain number (must say: no gradient)
def laplace_loss(t_p, t_c):
    return (t_p - t_c).abs().mean().item()


# %% exercise 4, wrong: no return (must say: is the return missing)
def laplace_loss(t_p, t_c):
    (t_p - t_c).abs().mean()
