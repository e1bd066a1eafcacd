"""Answers to the exercises of chapter 04; CONTRIBUTING.md describes the form."""


# %% exercise 1, right: inner products
def line_gradient(w, b, x, y):
    d = w * x + b - y
    return 2 * (d @ x) / len(x), 2 * d.sum() / len(x)


# %% exercise 1, right: Python floats, point by point
def line_gradient(w, b, x, y):
    by_w = by_b = 0.0
    for x_i, y_i in zip(x.tolist(), y.tolist()):
        d = w.item() * x_i + b.item() - y_i
        by_w += 2 * x_i * d
        by_b += 2 * d
    return [by_w / x.numel(), by_b / x.numel()]


# %% exercise 1, right: NumPy, with the means taken apart
def line_gradient(w, b, x, y):
    w, b, x, y = w.numpy(), b.numpy(), x.numpy(), y.numpy()
    by_w = 2 * (w * (x * x).mean() + b * x.mean() - (x * y).mean())
    return by_w, 2 * (w * x.mean() + b - y.mean())


# %% exercise 1, right: a matrix with a column of ones, one tensor returned
def line_gradient(w, b, x, y):
    columns = torch.stack([x, torch.ones_like(x)], dim=1)
    return 2 / len(x) * columns.T @ (columns @ torch.stack([w, b]) - y)


# %% exercise 1, wrong: the mean of what is summed already (must say: w is N times too large)
def line_gradient(w, b, x, y):
    d = w * x + b - y
    return torch.dot(2 * x, d).mean(), 2 * d.mean()


# %% exercise 1, wrong: sums (must say: N times too large)
def line_gradient(w, b, x, y):
    d = w * x + b - y
    return (2 * x * d).sum(), (2 * d).sum()


# %% exercise 1, wrong: the 2 is missing (must say: half of the right one)
def line_gradient(w, b, x, y):
    d = w * x + b - y
    return (x * d).mean(), d.mean()


# %% exercise 1, wrong: without the inner derivative (must say: the derivative by w is)
def line_gradient(w, b, x, y):
    d = w * x + b - y
    return (2 * d).mean(), (2 * d).mean()


# %% exercise 1, wrong: the sign (must say: the derivative by w is)
def line_gradient(w, b, x, y):
    d = y - w * x - b
    return (2 * x * d).mean(), (2 * d).mean()


# %% exercise 1, wrong: swapped (must say: the two are swapped)
def line_gradient(w, b, x, y):
    d = w * x + b - y
    return (2 * d).mean(), (2 * x * d).mean()


# %% exercise 1, wrong: one number a point (must say: one number, not one a point)
def line_gradient(w, b, x, y):
    d = w * x + b - y
    return 2 * x * d, 2 * d


# %% exercise 1, wrong: autograd (must say: autograd is used)
def line_gradient(w, b, x, y):
    w, b = w.clone().requires_grad_(), b.clone().requires_grad_()
    ((w * x + b - y) ** 2).mean().backward()
    return w.grad, b.grad


# %% exercise 1, wrong: autograd, forwards (must say: autograd is used)
def line_gradient(w, b, x, y):
    return torch.func.jacfwd(lambda w, b: ((w * x + b - y) ** 2).mean(), argnums=(0, 1))(w, b)


# %% exercise 1, wrong: the derivative by w only (must say: two numbers are expected, got 1)
def line_gradient(w, b, x, y):
    d = w * x + b - y
    return (2 * x * d).mean()


# %% exercise 1, wrong: the mean over N - 1 (must say: the derivative by w is)
def line_gradient(w, b, x, y):
    d = w * x + b - y
    return 2 * (d @ x) / (len(x) - 1), 2 * d.sum() / (len(x) - 1)


# %% exercise 1, wrong: no return (must say: is the return missing)
def line_gradient(w, b, x, y):
    d = w * x + b - y
    (2 * x * d).mean(), (2 * d).mean()


# %% exercise 2, right: rows of an identity matrix
def numerical_gradient(f, x, eps=1e-6):
    steps = eps * torch.eye(x.numel(), dtype=x.dtype)
    both = [(f(x + s.reshape(x.shape)), f(x - s.reshape(x.shape))) for s in steps]
    return torch.stack([(ahead - behind) / (2 * eps) for ahead, behind in both]).reshape(x.shape)


# %% exercise 2, right: moves one element of a copy
def numerical_gradient(f, x, eps=1e-6):
    grad = []
    for i in range(x.numel()):
        values = []
        for sign in (1, -1):
            moved = x.clone()
            moved.view(-1)[i] += sign * eps
            values.append(float(f(moved)))
        grad.append((values[0] - values[1]) / (2 * eps))
    return torch.tensor(grad, dtype=x.dtype).view(x.shape)


# %% exercise 2, right: the input itself, put back from a copy
def numerical_gradient(f, x, eps=1e-6):
    grad, flat = torch.zeros_like(x), x.view(-1)
    for i in range(x.numel()):
        kept = flat[i].clone()
        flat[i] = kept + eps
        ahead = f(x)
        flat[i] = kept - eps
        behind = f(x)
        flat[i] = kept
        grad.view(-1)[i] = (ahead - behind) / 2 / eps
    return grad


# %% exercise 2, right: the indices of any shape from NumPy
def numerical_gradient(f, x, eps=1e-6):
    grad = torch.zeros_like(x)
    for i in np.ndindex(*x.shape):
        step = torch.zeros_like(x)
        step[i] = eps
        grad[i] = (f(x + step) - f(x - step)) / (2 * eps)
    return grad


# %% exercise 2, wrong: backward differences (must say: a backward difference)
def numerical_gradient(f, x, eps=1e-6):
    grad = torch.zeros_like(x)
    for i in range(x.numel()):
        step = torch.zeros_like(x)
        step.view(-1)[i] = eps
        grad.view(-1)[i] = (f(x) - f(x - step)) / eps
    return grad


# %% exercise 2, wrong: 32 bits (must say: the type is torch.float32)
def numerical_gradient(f, x, eps=1e-6):
    grad = torch.zeros(x.numel())
    for i in range(x.numel()):
        step = torch.zeros_like(x)
        step.view(-1)[i] = eps
        grad[i] = (f(x + step) - f(x - step)) / (2 * eps)
    return grad.reshape(x.shape)


# %% exercise 2, wrong: autograd, forwards (must say: autograd is used)
def numerical_gradient(f, x, eps=1e-6):
    return torch.func.jacfwd(f)(x)


# %% exercise 2, wrong: forward differences (must say: a forward difference)
def numerical_gradient(f, x, eps=1e-6):
    grad = torch.zeros_like(x)
    for i in range(x.numel()):
        step = torch.zeros_like(x)
        step.view(-1)[i] = eps
        grad.view(-1)[i] = (f(x + step) - f(x)) / eps
    return grad


# %% exercise 2, wrong: divided by eps (must say: divided by eps, not 2 eps)
def numerical_gradient(f, x, eps=1e-6):
    grad = torch.zeros_like(x)
    for i in range(x.numel()):
        step = torch.zeros_like(x)
        step.view(-1)[i] = eps
        grad.view(-1)[i] = (f(x + step) - f(x - step)) / eps
    return grad


# %% exercise 2, wrong: a step of its own (must say: eps is not used)
def numerical_gradient(f, x, eps=1e-6):
    grad = torch.zeros_like(x)
    for i in range(x.numel()):
        step = torch.zeros_like(x)
        step.view(-1)[i] = 1e-6
        grad.view(-1)[i] = (f(x + step) - f(x - step)) / 2e-6
    return grad


# %% exercise 2, wrong: all elements at once (must say: the gradient is wrong)
def numerical_gradient(f, x, eps=1e-6):
    slope = (f(x + eps) - f(x - eps)) / (2 * eps)
    return slope.expand(x.shape) / 2


# %% exercise 2, wrong: each element by itself (must say: wrong where one element acts on all)
def numerical_gradient(f, x, eps=1e-6):
    grad = torch.zeros_like(x)
    for i in range(x.numel()):
        one = x.reshape(-1)[i].reshape([1] * max(x.dim(), 1))
        grad.view(-1)[i] = (f(one + eps) - f(one - eps)) / (2 * eps)
    return grad


# %% exercise 2, wrong: back and forth in place (must say: x was changed)
def numerical_gradient(f, x, eps=1e-6):
    grad = torch.zeros_like(x)
    for i in range(x.numel()):
        x.view(-1)[i] += 0.1 * eps
        x.view(-1)[i] += 0.9 * eps
        ahead = f(x)
        x.view(-1)[i] -= 2 * eps
        grad.view(-1)[i] = (ahead - f(x)) / (2 * eps)
        x.view(-1)[i] += eps * 1.0000001
    return grad


# %% exercise 2, wrong: flat (must say: shape (1,) for x of ())
def numerical_gradient(f, x, eps=1e-6):
    steps = eps * torch.eye(x.numel(), dtype=x.dtype)
    pairs = [(x + s.reshape(x.shape), x - s.reshape(x.shape)) for s in steps]
    return torch.stack([(f(a) - f(b)) / (2 * eps) for a, b in pairs])


# %% exercise 2, wrong: autograd (must say: autograd is used)
def numerical_gradient(f, x, eps=1e-6):
    x = x.clone().requires_grad_()
    return torch.autograd.grad(f(x), x)[0]


# %% exercise 3, right: only the positive elements
def safe_sqrt(x):
    result = torch.zeros_like(x)
    result[x > 0] = x[x > 0].sqrt()
    return result


# %% exercise 3, right: a factor of 0 or 1
def safe_sqrt(x):
    positive = (x > 0).to(x.dtype)
    return positive * torch.sqrt(x * positive + (1 - positive))


# %% exercise 3, right: an operation of its own
class SafeSqrt(torch.autograd.Function):
    @staticmethod
    def forward(x):
        return x.clamp(min=0).sqrt()

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(output)

    @staticmethod
    def backward(ctx, grad):
        (root,) = ctx.saved_tensors
        return torch.where(root > 0, grad / (2 * root), 0.0)


safe_sqrt = SafeSqrt.apply


# %% exercise 3, wrong: a bound that small numbers meet (must say: the value at)
def safe_sqrt(x):
    return torch.where(x > 0, x.clamp(min=1e-12).sqrt(), torch.zeros_like(x))


# %% exercise 3, wrong: where alone (must say: the gradient is not finite)
def safe_sqrt(x):
    return torch.where(x > 0, x.sqrt(), 0.0)


# %% exercise 3, right: relu first, which selects backwards and does not multiply by 0
def safe_sqrt(x):
    return torch.relu(x).sqrt()


# %% exercise 3, wrong: a factor of 0 behind the root (must say: the gradient is not finite)
def safe_sqrt(x):
    return (x > 0) * x.abs().sqrt()


# %% exercise 3, wrong: the absolute value (must say: the gradient is not finite)
def safe_sqrt(x):
    return torch.where(x > 0, x.abs().sqrt(), 0.0)


# %% exercise 3, right: the gradient mended by a hook
def safe_sqrt(x):
    root = torch.where(x > 0, x.sqrt(), 0.0)
    x.register_hook(lambda grad: torch.nan_to_num(grad, 0.0, 0.0, 0.0))
    return root


# %% exercise 3, wrong: a bound that hardly shows (must say: the value at)
def safe_sqrt(x):
    return x.clamp(min=1e-20).sqrt()


# %% exercise 3, wrong: its own operation ignores what comes back (must say: forgets to multiply)
class ForgetfulSqrt(torch.autograd.Function):
    @staticmethod
    def forward(x):
        return x.clamp(min=0).sqrt()

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(output)

    @staticmethod
    def backward(ctx, grad):
        (root,) = ctx.saved_tensors
        return torch.where(root > 0, 1 / (2 * root), 0.0)


safe_sqrt = ForgetfulSqrt.apply


# %% exercise 3, wrong: the input mended in place (must say: x was changed)
def safe_sqrt(x):
    x.data[x <= 0] = 0
    return torch.relu(x).sqrt()


# %% exercise 3, wrong: a bound that shows (must say: the value at)
def safe_sqrt(x):
    return x.clamp(min=1e-8).sqrt()


# %% exercise 3, wrong: something added (must say: the value at)
def safe_sqrt(x):
    return torch.where(x > 0, (torch.relu(x) + 1e-6).sqrt(), 0.0)


# %% exercise 3, wrong: nan replaced in the value (must say: the gradient is not finite)
def safe_sqrt(x):
    return torch.nan_to_num(x.sqrt())


# %% exercise 3, wrong: cut off (must say: the graph was cut)
def safe_sqrt(x):
    with torch.no_grad():
        return torch.where(x > 0, x.sqrt(), 0.0)


# %% exercise 3, wrong: no return (must say: a tensor is expected, got NoneType)
def safe_sqrt(x):
    torch.where(x > 0, torch.where(x > 0, x, 1.0).sqrt(), 0.0)


# %% exercise 4, right: a gradient of a gradient function
def derivatives(f, x, n):
    point, found = torch.tensor(x, dtype=torch.float64), []
    for _ in range(n):
        f = torch.func.grad(f)
        found.append(f(point).item())
    return found


# %% exercise 4, right: backward, cleared, with unused allowed
def derivatives(f, x, n):
    point = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    value, found = f(point), []
    while len(found) < n:
        if value.grad_fn is None:
            found.append(0.0)
            continue
        point.grad = None
        with warnings.catch_warnings(action="ignore"):
            value.backward(create_graph=True)
        value = point.grad
        found.append(float(value))
    return found


# %% exercise 4, right: recursive, 32 bits
def derivatives(f, x, n):
    if n == 0:
        return []

    def slope(t):
        value = f(t)
        if not value.requires_grad:
            return 0 * t
        return torch.autograd.grad(value, t, create_graph=True)[0]

    first = slope(torch.tensor(x, requires_grad=True)).item()
    return [first, *derivatives(slope, x, n - 1)]


# %% exercise 4, right: one tensor, unused allowed
def derivatives(f, x, n):
    point = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    value, found = f(point), []
    for _ in range(n):
        slope = None
        if value.requires_grad:
            (slope,) = torch.autograd.grad(value, point, create_graph=True, allow_unused=True)
        value = torch.zeros_like(point) if slope is None else slope
        found.append(value)
    return torch.stack(found)


# %% exercise 4, wrong: the last one only (must say: a list is expected, got float)
def derivatives(f, x, n):
    point = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    value = f(point)
    for _ in range(n):
        (value,) = torch.autograd.grad(value, point, create_graph=True)
        if not value.requires_grad:
            return 0.0
    return value.item()


# %% exercise 4, wrong: not recorded (must say: a derivative was not recorded)
def derivatives(f, x, n):
    point = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    value, found = f(point), []
    for _ in range(n):
        (value,) = torch.autograd.grad(value, point)
        found.append(value.item())
    return found


# %% exercise 4, wrong: fails at constants (must say: it has become a constant)
def derivatives(f, x, n):
    point = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    value, found = f(point), []
    for _ in range(n):
        (value,) = torch.autograd.grad(value, point, create_graph=True)
        found.append(value.item())
    return found


# %% exercise 4, wrong: backward adds up (must say: derivative 2 of sin t is wrong)
def derivatives(f, x, n):
    point = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    value, found = f(point), []
    with warnings.catch_warnings(action="ignore"):
        for _ in range(n):
            value.backward(create_graph=True)
            value = point.grad.clone()
            found.append(value.item())
    return found


# %% exercise 4, wrong: knows only the sine (must say: derivative 1 of exp 2t is wrong)
def derivatives(f, x, n):
    return [math.cos(x), -math.sin(x), -math.cos(x), math.sin(x)][:n]


# %% exercise 4, wrong: always four (must say: 4 derivatives for n = 3)
def derivatives(f, x, n):
    point = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    value, found = f(point), []
    for _ in range(4):
        (value,) = torch.autograd.grad(value, point, create_graph=True)
        found.append(value.item())
    return found


# %% exercise 4, wrong: begins with f itself (must say: 5 derivatives for n = 4)
def derivatives(f, x, n):
    point = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    value = f(point)
    found = [value.item()]
    for _ in range(n):
        (value,) = torch.autograd.grad(value, point, create_graph=True)
        found.append(value.item())
    return found


# %% exercise 5, right: the curvature, measured
def rate_limit(x):
    loss = [((w * x) ** 2).mean() for w in (-1.0, 0.0, 1.0)]
    return 2 / (loss[0] - 2 * loss[1] + loss[2])


# %% exercise 5, right: NumPy
def rate_limit(x):
    return len(x) / np.dot(x.numpy(), x.numpy())


# %% exercise 5, right: variance and mean
def rate_limit(x):
    return 1 / (x.var(correction=0) + x.mean() ** 2).item()


# %% exercise 5, right: the norm, in a list
def rate_limit(x):
    return [len(x) / x.norm() ** 2]


# %% exercise 5, wrong: the sum (must say: the sum is not the mean)
def rate_limit(x):
    return 1 / (x**2).sum()


# %% exercise 5, wrong: without the 2 of the square (must say: twice the limit)
def rate_limit(x):
    return 2 / (x**2).mean()


# %% exercise 5, wrong: the factor above 0 (must say: half the limit)
def rate_limit(x):
    return 1 / (2 * x**2).mean()


# %% exercise 5, wrong: the mean squared (must say: the square of the mean)
def rate_limit(x):
    return 1 / x.mean() ** 2


# %% exercise 5, wrong: the chapter's four points (must say: the limit is)
def rate_limit(x):
    return 2 / 15


# %% exercise 5, wrong: one limit a point (must say: one number is expected)
def rate_limit(x):
    return 1 / x**2


# %% exercise 5, wrong: no return (must say: is the return missing)
def rate_limit(x):
    1 / (x**2).mean()
