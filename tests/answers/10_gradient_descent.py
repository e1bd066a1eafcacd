"""Answers to the exercises of chapter 10; CONTRIBUTING.md describes the form."""


# %% exercise 1, right: the norm of a symmetric matrix is its largest eigenvalue
def largest_lr(H, beta):
    return 2 * (1 + beta) / torch.linalg.matrix_norm(H, ord=2)


# %% exercise 1, right: power iteration
def largest_lr(H, beta):
    v = torch.ones(len(H), dtype=H.dtype)
    for _ in range(2000):
        v = H @ v
        v = v / v.norm()
    return ((2 + 2 * beta) / (v @ H @ v)).item()


# %% exercise 1, right: bisection on the roots
def largest_lr(H, beta):
    L = torch.linalg.eigvalsh(H)[-1].item()
    low, high = 0.0, 10 / L
    for _ in range(60):
        middle = (low + high) / 2
        companion = torch.tensor([[1 + beta - middle * L, -beta], [1.0, 0.0]], dtype=H.dtype)
        if torch.linalg.eigvals(companion).abs().max() < 1:
            low = middle
        else:
            high = middle
    return low


# %% exercise 1, wrong: without momentum (must say: converges at 1.02 of your value)
def largest_lr(H, beta):
    return 2 / torch.linalg.eigvalsh(H).max().item()


# %% exercise 1, wrong: right for 0 and 0.5 only (must say: diverges at 0.98 of your value)
def largest_lr(H, beta):
    return 2 * (1 + 2 * beta**2) / torch.linalg.eigvalsh(H).max().item()


# %% exercise 1, wrong: as if momentum made longer steps harmful (must say: converges at 1.02)
def largest_lr(H, beta):
    return 2 * (1 - beta) / torch.linalg.eigvalsh(H).max().item()


# %% exercise 1, wrong: the smallest eigenvalue (must say: diverges at 0.98 of your value)
def largest_lr(H, beta):
    return 2 * (1 + beta) / torch.linalg.eigvalsh(H).min().item()


# %% exercise 1, wrong: the largest element of the matrix (must say: diverges at 0.98)
def largest_lr(H, beta):
    return 2 * (1 + beta) / H.max().item()


# %% exercise 1, wrong: one rate for each direction (must say: a number is expected)
def largest_lr(H, beta):
    return 2 * (1 + beta) / torch.linalg.eigvalsh(H)


# %% exercise 1, wrong: far too small (must say: stands still)
def largest_lr(H, beta):
    return 1e-5


# %% exercise 1, wrong: no return (must say: is the return missing)
def largest_lr(H, beta):
    _rate = 2 * (1 + beta) / torch.linalg.eigvalsh(H).max().item()


# %% exercise 2, right: in place, with one root
class Adadelta(Descent):
    def direction(self, g, s):
        if not s:
            s["v"], s["a"] = torch.zeros_like(g), torch.zeros_like(g)
        s["v"].mul_(0.9).addcmul_(g, g, value=0.1)
        d = ((s["a"] + 1e-6) / (s["v"] + 1e-6)).sqrt() * g
        s["a"].mul_(0.9).addcmul_(d, d, value=0.1)
        return d


# %% exercise 2, right: on top of RMSProp, with lerp
class Adadelta(RMSProp):
    alpha = 0.9

    def direction(self, g, s):
        super().direction(g, s)
        old = s.setdefault("a", torch.zeros_like(g))
        d = g * torch.sqrt(old + 1e-6) * torch.rsqrt(s["v"] + 1e-6)
        s["a"] = old.lerp(d.square(), 0.1)
        return d


# %% exercise 2, wrong: a is renewed before it is used (must say: the first step is wrong)
class Adadelta(Descent):
    def direction(self, g, s):
        s["v"] = 0.9 * s.get("v", 0) + 0.1 * g**2
        s["a"] = 0.9 * s.get("a", torch.zeros_like(g)) + 0.1 * g**2
        return (s["a"] + 1e-6).sqrt() / (s["v"] + 1e-6).sqrt() * g


# %% exercise 2, wrong: ε behind the roots (must say: the first step is wrong)
class Adadelta(Descent):
    def direction(self, g, s):
        s["v"] = 0.9 * s.get("v", 0) + 0.1 * g**2
        a = s.get("a", torch.zeros_like(g))
        d = (a.sqrt() + 1e-6) / (s["v"].sqrt() + 1e-6) * g
        s["a"] = 0.9 * a + 0.1 * d**2
        return d


# %% exercise 2, wrong: the mean of the gradients' squares twice (must say: the second is not)
class Adadelta(Descent):
    def direction(self, g, s):
        s["v"] = 0.9 * s.get("v", 0) + 0.1 * g**2
        a = s.get("a", torch.zeros_like(g))
        d = (a + 1e-6).sqrt() / (s["v"] + 1e-6).sqrt() * g
        s["a"] = 0.9 * a + 0.1 * g**2
        return d


# %% exercise 2, wrong: a is not kept (must say: the second is not: is the memory right)
class Adadelta(Descent):
    def direction(self, g, s):
        s["v"] = 0.9 * s.get("v", 0) + 0.1 * g**2
        a = torch.zeros_like(g)
        d = (a + 1e-6).sqrt() / (s["v"] + 1e-6).sqrt() * g
        a = 0.9 * a + 0.1 * d**2
        return d


# %% exercise 2, wrong: the other ρ (must say: the first step is wrong)
class Adadelta(Descent):
    def direction(self, g, s):
        s["v"] = 0.99 * s.get("v", 0) + 0.01 * g**2
        a = s.get("a", torch.zeros_like(g))
        d = (a + 1e-6).sqrt() / (s["v"] + 1e-6).sqrt() * g
        s["a"] = 0.99 * a + 0.01 * d**2
        return d


# %% exercise 2, wrong: the memory in the optimiser, for all parameters (must say: second is not)
class Adadelta(Descent):
    v = a = 0.0

    def direction(self, g, s):
        if not isinstance(self.v, torch.Tensor) or self.v.shape != g.shape:
            self.v, self.a = torch.zeros_like(g), torch.zeros_like(g)
        self.v = 0.9 * self.v + 0.1 * g**2
        d = (self.a + 1e-6).sqrt() / (self.v + 1e-6).sqrt() * g
        self.a = 0.9 * self.a + 0.1 * d**2
        return d


# %% exercise 2, wrong: the memory in the class, shapes mixed (must say: the second)
class Adadelta(Descent):
    v = a = 0.0

    def direction(self, g, s):
        self.v = 0.9 * self.v + 0.1 * g**2
        d = (torch.as_tensor(self.a) + 1e-6).sqrt() / (self.v + 1e-6).sqrt() * g
        self.a = 0.9 * self.a + 0.1 * d**2
        return d


# %% exercise 2, wrong: no return (must say: is the return missing)
class Adadelta(Descent):
    def direction(self, g, s):
        s["v"] = 0.9 * s.get("v", 0) + 0.1 * g**2
        a = s.get("a", torch.zeros_like(g))
        d = (a + 1e-6).sqrt() / (s["v"] + 1e-6).sqrt() * g
        s["a"] = 0.9 * a + 0.1 * d**2


# %% exercise 2, wrong: uphill (must say: × -1 to -1)
class Adadelta(Descent):
    def direction(self, g, s):
        s["v"] = 0.9 * s.get("v", 0) + 0.1 * g**2
        a = s.get("a", torch.zeros_like(g))
        d = -(a + 1e-6).sqrt() / (s["v"] + 1e-6).sqrt() * g
        s["a"] = 0.9 * a + 0.1 * d**2
        return d


# %% exercise 2, wrong: PyTorch's own (must say: derived from Descent)
Adadelta = torch.optim.Adadelta


# %% exercise 3, right: with a mask over time
def averaged(path):
    late = torch.arange(len(path)) >= len(path) // 2
    return path[late].mean(dim=0)


# %% exercise 3, right: a running mean
def averaged(path):
    mean = torch.zeros_like(path[0])
    for count, point in enumerate(path[len(path) // 2 :], start=1):
        mean = mean + (point - mean) / count
    return mean


# %% exercise 3, right: the last points, counted from the end
def averaged(path):
    return path[-((len(path) + 1) // 2) :].sum(dim=0) / ((len(path) + 1) // 2)


# %% exercise 3, wrong: everything (must say: the whole path is averaged)
def averaged(path):
    return path.mean(dim=0)


# %% exercise 3, wrong: the last quarter (must say: only the last quarter is averaged)
def averaged(path):
    return path[-max(1, len(path) // 4) :].mean(dim=0)


# %% exercise 3, wrong: one number for all runs (must say: all runs are averaged together)
def averaged(path):
    return path[len(path) // 2 :].mean(dim=(0, 1)).expand(path.shape[1:])


# %% exercise 3, wrong: the known answer (must say: yours is another mean)
def averaged(path):
    return best.expand(path.shape[1:])


# %% exercise 3, wrong: without the point in the middle (must say: points the last)
def averaged(path):
    return path[(len(path) + 1) // 2 :].mean(dim=0)


# %% exercise 3, wrong: no return (must say: is the return missing)
def averaged(path):
    _mean = path[len(path) // 2 :].mean(dim=0)


# %% exercise 3, wrong: all coordinates in one mean (must say: the shape is)
def averaged(path):
    return path[len(path) // 2 :].mean()


# %% exercise 3, wrong: the last point (must say: that is the last point)
def averaged(path):
    return path[-1]


# %% exercise 4, right: generators, and no decay first
def decay_groups(model, weight_decay):
    plain = {"params": (p for p in model.parameters() if p.ndim < 2), "weight_decay": 0}
    return [
        plain,
        {"params": (p for p in model.parameters() if p.ndim > 1)} | {"weight_decay": weight_decay},
    ]


# %% exercise 4, right: a loop over the named parameters
def decay_groups(model, weight_decay):
    groups = {True: [], False: []}
    for _, p in model.named_parameters():
        groups[len(p.shape) >= 2].append(p)
    return [
        {"params": groups[True], "weight_decay": weight_decay},
        {"params": groups[False], "weight_decay": 0.0},
    ]


# %% exercise 4, right: by the kind of layer
def decay_groups(model, weight_decay):
    matrices = [m.weight for m in model.modules() if isinstance(m, (nn.Linear, nn.Conv1d))]
    known = {id(p) for p in matrices}
    rest = [p for p in model.parameters() if id(p) not in known]
    return [
        {"params": matrices, "weight_decay": weight_decay},
        {"params": rest, "weight_decay": 0.0},
    ]


# %% exercise 4, wrong: by name (must say: a bias or a scale is decayed)
def decay_groups(model, weight_decay):
    named = dict(model.named_parameters())
    return [
        {"params": [p for n, p in named.items() if "weight" in n], "weight_decay": weight_decay},
        {"params": [p for n, p in named.items() if "bias" in n], "weight_decay": 0.0},
    ]


# %% exercise 4, wrong: the second group says nothing (must say: a bias or a scale is decayed)
def decay_groups(model, weight_decay):
    return [
        {"params": [p for p in model.parameters() if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in model.parameters() if p.ndim < 2]},
    ]


# %% exercise 4, wrong: the matrices only (must say: is in no group)
def decay_groups(model, weight_decay):
    return [{"params": [p for p in model.parameters() if p.ndim > 1], "weight_decay": weight_decay}]


# %% exercise 4, wrong: linear layers only, the convolution is forgotten (must say: not decayed by)
def decay_groups(model, weight_decay):
    return [
        {"params": [p for p in model.parameters() if p.ndim == 2], "weight_decay": weight_decay},
        {"params": [p for p in model.parameters() if p.ndim != 2], "weight_decay": 0.0},
    ]


# %% exercise 4, wrong: all in one group (must say: a bias or a scale is decayed)
def decay_groups(model, weight_decay):
    return [{"params": list(model.parameters()), "weight_decay": weight_decay}]


# %% exercise 4, wrong: some twice (must say: 2 times)
def decay_groups(model, weight_decay):
    return [
        {"params": [p for p in model.parameters() if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in model.parameters() if p.ndim <= 2], "weight_decay": 0.0},
    ]


# %% exercise 4, wrong: lists of parameters (must say: a group is a dictionary)
def decay_groups(model, weight_decay):
    parameters = list(model.parameters())
    return [p for p in parameters if p.ndim >= 2], [p for p in parameters if p.ndim < 2]


# %% exercise 4, wrong: no return (must say: is the return missing)
def decay_groups(model, weight_decay):
    _matrices = [p for p in model.parameters() if p.ndim >= 2]
