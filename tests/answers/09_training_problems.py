"""Answers to the exercises of chapter 09; CONTRIBUTING.md describes the form."""


# %% exercise 1, right: one factor in front
def swish_grad(z, alpha):
    s = torch.sigmoid(alpha * z)
    return s * (1 + alpha * z * (1 - s))


# %% exercise 1, right: the paper's form, from the value of swish
def swish_grad(z, alpha):
    f = z * torch.sigmoid(alpha * z)
    return alpha * f + torch.sigmoid(alpha * z) * (1 - alpha * f)


# %% exercise 1, right: with exponentials
def swish_grad(z, alpha):
    e = torch.exp(-alpha * z)
    return 1 / (1 + e) + alpha * z * e / (1 + e) ** 2


# %% exercise 1, wrong: without the inner derivative (must say: forgets the inner derivative)
def swish_grad(z, alpha):
    s = torch.sigmoid(alpha * z)
    return s + z * s * (1 - s)


# %% exercise 1, wrong: the derivative of the sigmoid only (must say: only one of the two terms)
def swish_grad(z, alpha):
    s = torch.sigmoid(alpha * z)
    return alpha * z * s * (1 - s)


# %% exercise 1, wrong: the factor z kept constant (must say: only one of the two terms)
def swish_grad(z, alpha):
    return torch.sigmoid(alpha * z)


# %% exercise 1, wrong: by autograd (must say: asks autograd)
def swish_grad(z, alpha):
    z = z.detach().requires_grad_()
    return torch.autograd.grad((z * torch.sigmoid(alpha * z)).sum(), z)[0]


# %% exercise 1, wrong: by backward (must say: asks autograd)
def swish_grad(z, alpha):
    z = z.detach().requires_grad_()
    (z * torch.sigmoid(alpha * z)).sum().backward()
    return z.grad


# %% exercise 1, wrong: a difference quotient (must say: close, but not exact)
def swish_grad(z, alpha):
    h = 1e-5
    return (swish(z + h, alpha) - swish(z - h, alpha)) / (2 * h)


# %% exercise 1, wrong: without 1 - s (must say: is wrong)
def swish_grad(z, alpha):
    s = torch.sigmoid(alpha * z)
    return s + alpha * z * s


# %% exercise 1, wrong: the constant is left out (must say: is wrong)
def swish_grad(z, alpha):
    s = torch.sigmoid(z)
    return s + z * s * (1 - s)


# %% exercise 1, wrong: no return (must say: a tensor is expected)
def swish_grad(z, alpha):
    s = torch.sigmoid(alpha * z)
    s.mul_(1 + alpha * z * (1 - s))


# %% exercise 2, right: bisection
def find_gain(f):
    low, high = 0.3, 3.0
    for _ in range(12):
        gain = (low + high) / 2
        torch.manual_seed(0)
        h = torch.randn(50, 100)
        for _ in range(10):
            h = f(h @ torch.randn(100, 100) * gain / 100**0.5)
        low, high = (gain, high) if h.std() < 0.5 else (low, gain)
    return gain


# %% exercise 2, right: stops at the border
def find_gain(f):
    gain = 0.3
    while True:
        gain += 0.01
        torch.manual_seed(5)
        h = torch.randn(50, 100)
        for _ in range(10):
            h = f(h @ (torch.randn(100, 100) * gain / math.sqrt(100)))
        if 0.4 < h.std() < 0.6:
            return gain


# %% exercise 2, right: the best of many, as a tensor
def find_gain(f):
    gains, errors = torch.linspace(0.3, 3, 60), []
    for gain in gains:
        h = torch.randn(50, 100)
        for _ in range(10):
            h = f(h @ torch.randn(100, 100) * gain / 100**0.5)
        errors.append((h.std() - 0.5).abs())
    return gains[torch.stack(errors).argmin()]


# %% exercise 2, wrong: PyTorch's gain for tanh (must say: the signal is too large)
def find_gain(f):
    return nn.init.calculate_gain("tanh")


# %% exercise 2, wrong: no gain at all (must say: find_gain)
def find_gain(f):
    return 1.0


# %% exercise 2, wrong: one layer only (must say: the signal dies)
def find_gain(f):
    for gain in torch.linspace(0.3, 3.0, 91).tolist():
        h = f(torch.randn(50, 100) @ torch.randn(100, 100) * gain / 100**0.5)
        if 0.4 < h.std() < 0.6:
            return gain


# %% exercise 2, wrong: without the activation (must say: the signal)
def find_gain(f):
    for gain in torch.linspace(0.3, 3.0, 271).tolist():
        h = torch.randn(50, 100)
        for _ in range(10):
            h = h @ torch.randn(100, 100) * gain / 100**0.5
        if h.std() > 0.4:
            return gain


# %% exercise 2, wrong: the gain of the sine for all (must say: the signal is too large)
def find_gain(f):
    return 1.2


# %% exercise 2, wrong: returns the deviation (must say: find_gain)
def find_gain(f):
    for gain in torch.linspace(0.3, 3.0, 91).tolist():
        h = torch.randn(50, 100)
        for _ in range(10):
            h = f(h @ torch.randn(100, 100) * gain / 100**0.5)
        if 0.45 < h.std() < 0.55:
            return h.std()


# %% exercise 2, wrong: divides by n instead of its root (must say: a number is expected)
def find_gain(f):
    for gain in torch.linspace(0.3, 3.0, 91).tolist():
        h = torch.randn(50, 100)
        for _ in range(10):
            h = f(h @ torch.randn(100, 100) * gain / 100)
        if 0.4 < h.std() < 0.6:
            return gain


# %% exercise 3, right: bernoulli
def my_dropout(x, p, training):
    if not training or p == 0:
        return x.clone()
    return x * torch.bernoulli(torch.full_like(x, 1 - p)) / (1 - p)


# %% exercise 3, right: masked_fill, from NumPy's numbers
def my_dropout(x, p, training):
    if training:
        drop = torch.from_numpy(np.random.rand(*x.shape) < p)
        x = (x / (1 - p)).masked_fill(drop, 0)
    return x


# %% exercise 3, right: where
def my_dropout(x, p, training):
    p = p if training else 0.0
    return torch.where(torch.rand(x.shape) < p, 0.0, x * (1 / (1 - p)))


# %% exercise 3, wrong: no scale (must say: the expected value is not kept)
def my_dropout(x, p, training):
    return x * (torch.rand_like(x) >= p) if training else x


# %% exercise 3, wrong: divides by p (must say: the expected value is not kept)
def my_dropout(x, p, training):
    return x * (torch.rand_like(x) >= p) / max(p, 0.01) if training else x


# %% exercise 3, wrong: keeps a share p (must say: wrong share of zeros)
def my_dropout(x, p, training):
    return x * (torch.rand_like(x) < p) / (1 - p) if training else x


# %% exercise 3, wrong: scales in evaluation (must say: in evaluation x must come back unchanged)
def my_dropout(x, p, training):
    return x * (torch.rand_like(x) >= p) if training else x * (1 - p)


# %% exercise 3, wrong: drops in evaluation too (must say: in evaluation x must come back unchanged)
def my_dropout(x, p, training):
    return x * (torch.rand_like(x) >= p) / (1 - p)


# %% exercise 3, wrong: whole features (must say: whole rows or columns)
def my_dropout(x, p, training):
    return x * (torch.rand(x.shape[-1]) >= p) / (1 - p) if training else x


# %% exercise 3, wrong: whole examples (must say: whole rows or columns)
def my_dropout(x, p, training):
    return x * (torch.rand(len(x), 1) >= p) / (1 - p) if training else x


# %% exercise 3, wrong: two axes only (must say: any shape must do)
def my_dropout(x, p, training):
    if not training:
        return x
    rows, columns = x.shape
    return x * (torch.rand(rows, columns) >= p) / (1 - p)


# %% exercise 3, wrong: in place (must say: changes x in place)
def my_dropout(x, p, training):
    if training:
        x[torch.rand_like(x) < p] = 0
        x /= 1 - p
    return x


# %% exercise 3, wrong: the library (must say: calls PyTorch's dropout)
def my_dropout(x, p, training):
    return F.dropout(x, p, training)


# %% exercise 3, wrong: the layer (must say: calls PyTorch's dropout)
def my_dropout(x, p, training):
    layer = nn.Dropout(p)
    return layer.train(training)(x)


# %% exercise 3, wrong: the same mask in every call (must say: the same values are dropped)
def my_dropout(x, p, training):
    generator = torch.Generator().manual_seed(0)
    keep = torch.rand(x.shape, generator=generator) >= p
    return x * keep / (1 - p) if training else x


# %% exercise 3, wrong: nothing in evaluation (must say: in evaluation a tensor is expected)
def my_dropout(x, p, training):
    if training:
        return x * (torch.rand_like(x) >= p) / (1 - p)


# %% exercise 4, right: a new gradient, a Python number
def clip(parameters, c):
    squares = sum(float((p.grad**2).sum()) for p in parameters if p.grad is not None)
    length = math.sqrt(squares)
    for p in parameters:
        if p.grad is not None and length > c:
            p.grad = p.grad * (c / length)
    return length


# %% exercise 4, right: all entries in one row
def clip(parameters, c):
    parameters = [p for p in parameters if p.grad is not None]
    length = torch.cat([p.grad.flatten() for p in parameters]).norm()
    factor = (c / (length + 1e-6)).clamp(max=1)
    for p in parameters:
        p.grad.mul_(factor)
    return length


# %% exercise 4, wrong: each by itself (must say: each gradient is clipped by itself)
def clip(parameters, c):
    lengths = [p.grad.norm() for p in parameters if p.grad is not None]
    for p in parameters:
        if p.grad is not None and p.grad.norm() > c:
            p.grad *= c / p.grad.norm()
    return torch.stack(lengths).norm()


# %% exercise 4, wrong: always to length c (must say: a short gradient is lengthened)
def clip(parameters, c):
    grads = [p.grad for p in parameters if p.grad is not None]
    length = torch.cat([g.flatten() for g in grads]).norm()
    for g in grads:
        g *= c / length
    return length


# %% exercise 4, wrong: entries instead of the length (must say: is wrong)
def clip(parameters, c):
    grads = [p.grad for p in parameters if p.grad is not None]
    length = torch.cat([g.flatten() for g in grads]).norm()
    for g in grads:
        g.clamp_(-c, c)
    return length


# %% exercise 4, wrong: the length after (must say: the length before the clipping)
def clip(parameters, c):
    grads = [p.grad for p in parameters if p.grad is not None]
    length = torch.cat([g.flatten() for g in grads]).norm()
    for g in grads:
        g *= min(1.0, c / (length + 1e-6))
    return torch.cat([g.flatten() for g in grads]).norm()


# %% exercise 4, wrong: no look at None (must say: stumbles over a parameter without gradient)
def clip(parameters, c):
    length = torch.cat([p.grad.flatten() for p in parameters]).norm()
    for p in parameters:
        p.grad *= min(1.0, c / (length + 1e-6))
    return length


# %% exercise 4, wrong: the library (must say: calls nn.utils)
def clip(parameters, c):
    return nn.utils.clip_grad_norm_(parameters, c)


# %% exercise 4, wrong: not in the parameters (must say: a gradient, clipped)
def clip(parameters, c):
    grads = [p.grad.clone() for p in parameters if p.grad is not None]
    length = torch.cat([g.flatten() for g in grads]).norm()
    for g in grads:
        g *= min(1.0, c / (length + 1e-6))
    return length


# %% exercise 4, wrong: no return (must say: instead of the length)
def clip(parameters, c):
    grads = [p.grad for p in parameters if p.grad is not None]
    length = torch.cat([g.flatten() for g in grads]).norm()
    for g in grads:
        g *= min(1.0, c / (length + 1e-6))


# %% exercise 4, wrong: the sum of the lengths (must say: is wrong)
def clip(parameters, c):
    grads = [p.grad for p in parameters if p.grad is not None]
    length = sum(g.norm() for g in grads)
    for g in grads:
        g *= min(1.0, c / (length + 1e-6))
    return length


# %% exercise 4, wrong: divides by 0 (must say: divides by 0)
def clip(parameters, c):
    grads = [p.grad for p in parameters if p.grad is not None]
    length = torch.cat([g.flatten() for g in grads]).norm().item()
    factor = min(1.0, c / length)
    for g in grads:
        g *= factor
    return length


# %% exercise 4, wrong: the root of a list (must say: clip stops with TypeError)
def clip(parameters, c):
    squares = [p.grad.norm() ** 2 for p in parameters if p.grad is not None]
    return math.sqrt(squares)


# %% exercise 4, wrong: to the length 1 (must say: is wrong)
def clip(parameters, c):
    grads = [p.grad for p in parameters if p.grad is not None]
    length = torch.cat([g.flatten() for g in grads]).norm()
    if length > c:
        for g in grads:
            g /= length
    return length
