"""Answers to the exercises of chapter 13; CONTRIBUTING.md describes the form."""


# %% exercise 1, right: einsum
def conv2d_unfold(x, weight, bias):
    rows, columns = x.shape[2] - weight.shape[2] + 1, x.shape[3] - weight.shape[3] + 1
    patches = F.unfold(x, weight.shape[2:])
    y = torch.einsum("ok,nkp->nop", weight.flatten(1), patches)
    return y.view(len(x), len(weight), rows, columns) + bias.view(1, -1, 1, 1)


# %% exercise 1, right: windows as views
def conv2d_unfold(x, weight, bias):
    h, w = weight.shape[2:]
    windows = x.unfold(2, h, 1).unfold(3, w, 1)  # (N, C, rows, columns, h, w)
    return torch.einsum("ncijhw,ochw->noij", windows, weight) + bias[:, None, None]


# %% exercise 1, wrong: PyTorch's convolution (must say: a convolution of PyTorch is called)
def conv2d_unfold(x, weight, bias):
    return F.conv2d(x, weight, bias)


# %% exercise 1, wrong: no bias (must say: the bias is missing)
def conv2d_unfold(x, weight, bias):
    y = weight.flatten(1) @ F.unfold(x, weight.shape[2:])
    return y.unflatten(2, (x.shape[2] - weight.shape[2] + 1, x.shape[3] - weight.shape[3] + 1))


# %% exercise 1, wrong: a loop over the images (must say: a loop)
def conv2d_unfold(x, weight, bias):
    h, w = weight.shape[2:]
    size = (x.shape[2] - h + 1, x.shape[3] - w + 1)
    rows = [weight.flatten(1) @ F.unfold(image[None], (h, w))[0] for image in x]
    return torch.stack(rows).unflatten(2, size) + bias[:, None, None]


# %% exercise 1, wrong: a loop over the places of the kernel (must say: a loop)
def conv2d_unfold(x, weight, bias):
    h, w = weight.shape[2:]
    rows, columns = x.shape[2] - h + 1, x.shape[3] - w + 1
    y = 0
    for m in range(h):
        for n in range(w):
            part = x[:, :, m : m + rows, n : n + columns]
            y = y + torch.einsum("ncij,oc->noij", part, weight[:, :, m, n])
    return y + bias[:, None, None]


# %% exercise 2, right: from the last layer to the first
def receptive_field(layers):
    field = 1
    for kernel, stride in reversed(layers):
        field = (field - 1) * stride + kernel
    return field


# %% exercise 2, right: one sum
def receptive_field(layers):
    strides = [stride for _, stride in layers]
    return 1 + sum((k - 1) * math.prod(strides[:n]) for n, (k, _) in enumerate(layers))


# %% exercise 2, wrong: no strides (must say: strides are left out)
def receptive_field(layers):
    return 1 + sum(kernel - 1 for kernel, _ in layers)


# %% exercise 2, wrong: the step first (must say: widens the layers after it)
def receptive_field(layers):
    field, step = 1, 1
    for kernel, stride in layers:
        step *= stride
        field += (kernel - 1) * step
    return field


# %% exercise 2, wrong: a product (must say: fields overlap)
def receptive_field(layers):
    return math.prod(kernel for kernel, _ in layers)


# %% exercise 3, right: a Sequential inside
class StridedNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 8, 5, stride=2),
            nn.ReLU(),
            nn.Conv2d(8, 16, 5, stride=2),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(16 * 4 * 4, 10),
        )

    def forward(self, x):
        return self.body(x)


# %% exercise 3, right: strides to the end, no linear layer
class StridedNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Conv2d(1, 16, 4, stride=4)
        self.b = nn.Conv2d(16, 10, 7, stride=7)

    def forward(self, x):
        return self.b(F.relu(self.a(x))).flatten(1)


# %% exercise 3, wrong: pools in forward (must say: pools)
class StridedNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 16, 3, stride=2, padding=1)
        self.head = nn.Linear(16 * 7 * 7, 10)

    def forward(self, x):
        return self.head(F.max_pool2d(F.relu(self.conv(x)), 2).flatten(1))


# %% exercise 3, wrong: softmax (must say: probabilities, not logits)
class StridedNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 8, 3, stride=2, padding=1)
        self.head = nn.Linear(8 * 14 * 14, 10)

    def forward(self, x):
        return self.head(F.relu(self.conv(x)).flatten(1)).softmax(dim=1)


# %% exercise 3, wrong: the convolution does not count (must say: gets no gradient)
class StridedNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 1, 3, stride=2, padding=1)
        self.head = nn.Linear(784, 10)

    def forward(self, x):
        return self.head(x.flatten(1)) + 0 * self.conv(x).norm()


# %% exercise 3, wrong: slices (must say: slicing pools)
class StridedNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 16, 3, stride=2, padding=1)
        self.head = nn.Linear(16 * 7 * 7, 10)

    def forward(self, x):
        return self.head(F.relu(self.conv(x))[:, :, ::2, ::2].flatten(1))


# %% exercise 3, wrong: a sum over places (must say: sum pools)
class StridedNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 16, 3, stride=2, padding=1)
        self.head = nn.Linear(16, 10)

    def forward(self, x):
        return self.head(F.relu(self.conv(x)).sum(dim=(2, 3)))


# %% exercise 4, right: one window of the gradient after the other
def input_gradient(grad, weight):
    h, w = weight.shape[2:]
    n, _, rows, columns = grad.shape
    result = torch.zeros(n, weight.shape[1], rows + h - 1, columns + w - 1)
    for i in range(h):
        for j in range(w):
            part = torch.einsum("norc,ok->nkrc", grad, weight[:, :, i, j])
            result[:, :, i : i + rows, j : j + columns] += part
    return result


# %% exercise 4, right: the way back of unfold
def input_gradient(grad, weight):
    h, w = weight.shape[2:]
    size = (grad.shape[2] + h - 1, grad.shape[3] + w - 1)
    return F.fold(weight.flatten(1).T @ grad.flatten(2), size, (h, w))


# %% exercise 4, wrong: not flipped (must say: the kernel must be flipped)
def input_gradient(grad, weight):
    h, w = weight.shape[2:]
    return F.conv2d(grad, weight.transpose(0, 1), padding=(h - 1, w - 1))


# %% exercise 4, wrong: channels as they are (must say: the channels must be exchanged)
def input_gradient(grad, weight):
    h, w = weight.shape[2:]
    if len(weight) != weight.shape[1]:
        weight = weight.transpose(0, 1)
    return F.conv2d(grad, weight.flip(2, 3), padding=(h - 1, w - 1))


# %% exercise 4, wrong: the transposed convolution itself (must say: does the work)
def input_gradient(grad, weight):
    return F.conv_transpose2d(grad, weight)


# %% exercise 4, wrong: autograd (must say: torch.autograd does the work)
def input_gradient(grad, weight):
    h, w = weight.shape[2:]
    n, _, rows, columns = grad.shape
    x = torch.zeros(n, weight.shape[1], rows + h - 1, columns + w - 1, requires_grad=True)
    return torch.autograd.grad(F.conv2d(x, weight), x, grad)[0]
