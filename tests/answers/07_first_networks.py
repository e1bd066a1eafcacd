"""Answers to the exercises of chapter 07; CONTRIBUTING.md describes the form."""

# %% exercise 1, right: integers
majority = ([1, 1, 1], 1)

# %% exercise 1, right: unequal weights, as a tensor
majority = torch.tensor([2.0, 2.5, 3.0]), 4.0

# %% exercise 1, wrong: equal is not enough (must say: your neuron says 0, not 1)
majority = ([1.0, 1.0, 1.0], 2.0)

# %% exercise 1, wrong: any input (must say: your neuron says 1, not 0)
majority = ([1.0, 1.0, 1.0], 0.5)

# %% exercise 1, wrong: the bias instead of the threshold (must say: your neuron says 1, not 0)
majority = ([1.0, 1.0, 1.0], -1.5)

# %% exercise 1, wrong: two inputs only (must say: three weights are needed)
majority = ([1.0, 1.0], 1.5)

# %% exercise 1, wrong: weights and threshold in one list (must say: is a pair)
majority = [1.0, 1.0, 1.0, 1.5]

# %% exercise 1, wrong: the threshold alone (must say: is a pair)
majority = 1.5

# %% exercise 1, wrong: a column of weights (must say: in one list)
majority = torch.ones(3, 1), 1.5

# %% exercise 1, right: a tensor for the threshold, in a list
majority = [torch.full((3,), 0.4), torch.tensor(0.5)]


# %% exercise 2, right: one pair after the other, weights of the start
def delta_batch(W, b, X, D, lr):
    dW, db = torch.zeros_like(W), torch.zeros_like(b)
    for x, d in zip(X, D):
        error = W @ x + b - d
        dW += torch.outer(error, x)
        db += error
    return W - lr * dW / len(X), b - lr * db / len(X)


# %% exercise 2, right: einsum, returned as a list
def delta_batch(W, b, X, D, lr):
    error = (X @ W.mT + b - D) / X.shape[0]
    return [W - lr * torch.einsum("ni,nj->ij", error, X), b - lr * error.sum(0)]


# %% exercise 2, wrong: the sum over the batch (must say: changed by N times too much)
def delta_batch(W, b, X, D, lr):
    error = X @ W.T + b - D
    return W - lr * error.T @ X, b - lr * error.sum(dim=0)


# %% exercise 2, wrong: uphill (must say: the sign is wrong)
def delta_batch(W, b, X, D, lr):
    error = D - (X @ W.T + b)
    return W - lr * error.T @ X / len(X), b - lr * error.mean(dim=0)


# %% exercise 2, wrong: without the half (must say: changed by 2 times too much)
def delta_batch(W, b, X, D, lr):
    error = X @ W.T + b - D
    return W - 2 * lr * error.T @ X / len(X), b - 2 * lr * error.mean(dim=0)


# %% exercise 2, wrong: the mean over outputs, too (must say: the number of outputs times too little)
def delta_batch(W, b, X, D, lr):
    error = (X @ W.T + b - D) / D.numel()
    return W - lr * error.T @ X, b - lr * error.sum(dim=0)


# %% exercise 2, wrong: without the rate (must say: lr is missing)
def delta_batch(W, b, X, D, lr):
    error = X @ W.T + b - D
    return W - error.T @ X / len(X), b - error.mean(dim=0)


# %% exercise 2, wrong: the bias sees the new weights (must say: the change of b is not)
def delta_batch(W, b, X, D, lr):
    W = W - lr * (X @ W.T + b - D).T @ X / len(X)
    return W, b - lr * (X @ W.T + b - D).mean(dim=0)


# %% exercise 2, wrong: one mean for all biases (must say: the change of b is not)
def delta_batch(W, b, X, D, lr):
    error = X @ W.T + b - D
    return W - lr * error.T @ X / len(X), b - lr * error.mean()


# %% exercise 2, wrong: one pair after the other (must say: W is not the gradient step)
def delta_batch(W, b, X, D, lr):
    for x, d in zip(X, D):
        W, b, _ = delta_step(W, b, x, d, lr / len(X))
    return W, b


# %% exercise 2, wrong: in place (must say: changed in place)
def delta_batch(W, b, X, D, lr):
    error = X @ W.T + b - D
    W -= lr * error.T @ X / len(X)
    b -= lr * error.mean(dim=0)
    return W, b


# %% exercise 2, wrong: no return (must say: return two things)
def delta_batch(W, b, X, D, lr):
    error = X @ W.T + b - D
    W = W - lr * error.T @ X / len(X)
    b = b - lr * error.mean(dim=0)


# %% exercise 3, right: add_module, one after the other
class Branches(nn.Module):
    def __init__(self, n_in, n_out, n):
        super().__init__()
        self.n = n
        for k in range(n):
            self.add_module(f"branch{k}", nn.Linear(n_in, n_out))

    def forward(self, x):
        total = 0
        for k in range(self.n):
            total = total + torch.tanh(getattr(self, f"branch{k}")(x))
        return total


# %% exercise 3, right: chains in a ModuleDict, stacked
class Branches(nn.Module):
    def __init__(self, n_in, n_out, n):
        super().__init__()
        self.parts = nn.ModuleDict(
            {f"part {k}": nn.Sequential(nn.Linear(n_in, n_out), nn.Tanh()) for k in range(n)}
        )

    def forward(self, x):
        return torch.stack([part(x) for part in self.parts.values()]).sum(dim=0)


# %% exercise 3, wrong: a plain list (must say: 0 parameters are found)
class Branches(nn.Module):
    def __init__(self, n_in, n_out, n):
        super().__init__()
        self.layers = [nn.Linear(n_in, n_out) for _ in range(n)]

    def forward(self, x):
        return sum(torch.tanh(layer(x)) for layer in self.layers)


# %% exercise 3, wrong: one layer n times (must say: 10 parameters are found)
class Branches(nn.Module):
    def __init__(self, n_in, n_out, n):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(n_in, n_out)] * n)

    def forward(self, x):
        return sum(torch.tanh(layer(x)) for layer in self.layers)


# %% exercise 3, wrong: three branches, whatever n is (must say: 2 layers have)
class Branches(nn.Module):
    def __init__(self, n_in, n_out, n):
        super().__init__()
        self.one, self.two = nn.Linear(n_in, n_out), nn.Linear(n_in, n_out)
        self.three = nn.Linear(n_in, n_out)

    def forward(self, x):
        return sum(torch.tanh(layer(x)) for layer in (self.one, self.two, self.three))


# %% exercise 3, wrong: tanh of the sum (must say: is not the sum of tanh)
class Branches(nn.Module):
    def __init__(self, n_in, n_out, n):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(n_in, n_out) for _ in range(n))

    def forward(self, x):
        return torch.tanh(sum(layer(x) for layer in self.layers))


# %% exercise 3, wrong: without tanh (must say: the tanh is missing)
class Branches(nn.Module):
    def __init__(self, n_in, n_out, n):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(n_in, n_out) for _ in range(n))

    def forward(self, x):
        return sum(layer(x) for layer in self.layers)


# %% exercise 3, wrong: cut off from the graph (must say: is cut off from the graph)
class Branches(nn.Module):
    def __init__(self, n_in, n_out, n):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(n_in, n_out) for _ in range(n))

    def forward(self, x):
        return sum(torch.tanh(layer(x)).detach() for layer in self.layers)


# %% exercise 3, wrong: the mean (must say: not the sum of tanh of all)
class Branches(nn.Module):
    def __init__(self, n_in, n_out, n):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(n_in, n_out) for _ in range(n))

    def forward(self, x):
        return torch.stack([torch.tanh(layer(x)) for layer in self.layers]).mean(dim=0)


# %% exercise 3, wrong: no return (must say: is the return missing)
class Branches(nn.Module):
    def __init__(self, n_in, n_out, n):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(n_in, n_out) for _ in range(n))

    def forward(self, x):
        sum(torch.tanh(layer(x)) for layer in self.layers)


# %% exercise 4, right: new tensors for the buffers, the deviation with n
class Scaler(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.register_buffer("mean", torch.zeros(n))
        self.register_buffer("std", torch.ones(n))

    def fit(self, x):
        self.mean = x.mean(dim=0)
        self.std = x.std(dim=0, correction=0)
        return self

    def forward(self, x):
        return (x - self.mean) / self.std


# %% exercise 4, right: one buffer, fitted by load_state_dict
class Scaler(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.register_buffer("mean_and_std", torch.stack([torch.zeros(n), torch.ones(n)]))

    def fit(self, x):
        self.load_state_dict({"mean_and_std": torch.stack([x.mean(dim=0), x.std(dim=0)])})

    def forward(self, x):
        mean, std = self.mean_and_std
        return x.sub(mean).div(std)


# %% exercise 4, wrong: plain attributes (must say: loads the state_dict gives another output)
class Scaler(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.mean, self.std = torch.zeros(n), torch.ones(n)

    def fit(self, x):
        self.mean, self.std = x.mean(dim=0), x.std(dim=0)

    def forward(self, x):
        return (x - self.mean) / self.std


# %% exercise 4, wrong: parameters (must say: must not be parameters)
class Scaler(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.mean, self.std = nn.Parameter(torch.zeros(n)), nn.Parameter(torch.ones(n))

    def fit(self, x):
        self.mean.data, self.std.data = x.mean(dim=0), x.std(dim=0)

    def forward(self, x):
        return (x - self.mean) / self.std


# %% exercise 4, wrong: registered in fit (must say: no place for the state of a fitted one)
class Scaler(nn.Module):
    def __init__(self, n):
        super().__init__()

    def fit(self, x):
        self.register_buffer("mean", x.mean(dim=0))
        self.register_buffer("std", x.std(dim=0))

    def forward(self, x):
        return (x - self.mean) / self.std if hasattr(self, "mean") else x


# %% exercise 4, wrong: buffers that are not kept (must say: gives another output)
class Scaler(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.register_buffer("mean", torch.zeros(n), persistent=False)
        self.register_buffer("std", torch.ones(n), persistent=False)

    def fit(self, x):
        self.mean, self.std = x.mean(dim=0), x.std(dim=0)

    def forward(self, x):
        return (x - self.mean) / self.std


# %% exercise 4, wrong: one mean for all (must say: each column needs its own)
class Scaler(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.register_buffer("mean", torch.zeros(()))
        self.register_buffer("std", torch.ones(()))

    def fit(self, x):
        self.mean, self.std = x.mean(), x.std()

    def forward(self, x):
        return (x - self.mean) / self.std


# %% exercise 4, wrong: the second fit adds to the first (must say: the second one)
class Scaler(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.register_buffer("mean", torch.zeros(n))
        self.register_buffer("std", torch.ones(n))

    def fit(self, x):
        self.mean += x.mean(dim=0)
        self.std *= x.std(dim=0)

    def forward(self, x):
        return (x - self.mean) / self.std


# %% exercise 4, wrong: scales with what comes in (must say: through unchanged)
class Scaler(nn.Module):
    def __init__(self, n):
        super().__init__()

    def fit(self, x):
        pass

    def forward(self, x):
        return (x - x.mean(dim=0)) / x.std(dim=0)


# %% exercise 4, wrong: without the deviation (must say: is not (new - mean) / deviation of x)
class Scaler(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.register_buffer("mean", torch.zeros(n))

    def fit(self, x):
        self.mean.copy_(x.mean(dim=0))

    def forward(self, x):
        return x - self.mean
