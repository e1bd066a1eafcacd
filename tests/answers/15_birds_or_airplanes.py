"""Answers to the exercises of chapter 15; CONTRIBUTING.md describes the form."""


# %% exercise 1, right: pad and crop
def move(pictures, dx, dy, fill):
    height, width = pictures.shape[2:]
    a, b = abs(dy), abs(dx)
    wide = F.pad(pictures, (b, b, a, a), value=fill)
    return wide[:, :, a - dy : a - dy + height, b - dx : b - dx + width]


# %% exercise 1, right: roll, then paint what came round
def move(pictures, dx, dy, fill):
    out = torch.roll(pictures, (dy, dx), dims=(2, 3))
    rows = torch.arange(pictures.shape[2]) - dy
    columns = torch.arange(pictures.shape[3]) - dx
    gone_rows = (rows < 0) | (rows >= pictures.shape[2])
    gone_columns = (columns < 0) | (columns >= pictures.shape[3])
    out[:, :, gone_rows] = fill
    out[:, :, :, gone_columns] = fill
    return out


# %% exercise 1, wrong: roll alone (must say: comes back on the other side)
def move(pictures, dx, dy, fill):
    return torch.roll(pictures, (dy, dx), dims=(2, 3))


# %% exercise 1, wrong: dx along the rows (must say: rows and columns are exchanged)
def move(pictures, dx, dy, fill):
    height, width = pictures.shape[2:]
    a, b = abs(dx), abs(dy)
    wide = F.pad(pictures, (b, b, a, a), value=fill)
    return wide[:, :, a - dx : a - dx + height, b - dy : b - dy + width]


# %% exercise 1, wrong: the other way (must say: the direction is reversed)
def move(pictures, dx, dy, fill):
    height, width = pictures.shape[2:]
    a, b = abs(dy), abs(dx)
    wide = F.pad(pictures, (b, b, a, a), value=fill)
    return wide[:, :, a + dy : a + dy + height, b + dx : b + dx + width]


# %% exercise 1, wrong: zeros (must say: the free pixels are not fill)
def move(pictures, dx, dy, fill):
    height, width = pictures.shape[2:]
    a, b = abs(dy), abs(dx)
    wide = F.pad(pictures, (b, b, a, a))
    return wide[:, :, a - dy : a - dy + height, b - dx : b - dx + width]


# %% exercise 1, wrong: in place (must say: changes the pictures)
def move(pictures, dx, dy, fill):
    height, width = pictures.shape[2:]
    a, b = abs(dy), abs(dx)
    wide = F.pad(pictures, (b, b, a, a), value=fill)
    pictures[:] = wide[:, :, a - dy : a - dy + height, b - dx : b - dx + width]
    return pictures


# %% exercise 2, right: counted with NumPy
def sign_test(first, second):
    a, b = first.numpy(), second.numpy()
    only_first, only_second = int((a > b).sum()), int((b > a).sum())
    n = only_first + only_second
    if only_first == only_second:
        return only_first, only_second, 1.0
    tail = sum(math.comb(n, i) for i in range(min(only_first, only_second) + 1))
    return only_first, only_second, 2 * tail / 2**n


# %% exercise 2, right: logarithms of the binomials
def sign_test(first, second):
    differ = first != second
    a, b = int(first[differ].sum()), int(second[differ].sum())
    n = a + b
    i = torch.arange(min(a, b) + 1, dtype=torch.float64)
    n_ = torch.tensor(float(n), dtype=torch.float64)
    logs = torch.lgamma(n_ + 1) - torch.lgamma(i + 1) - torch.lgamma(n_ - i + 1)
    p = 2 * torch.logsumexp(logs - n * math.log(2), dim=0).exp()
    return a, b, min(1.0, p.item())


# %% exercise 2, wrong: all right ones (must say: pictures that both get right do not count)
def sign_test(first, second):
    a, b = int(first.sum()), int(second.sum())
    n, k = a + b, min(a, b)
    return a, b, min(1.0, 2 * sum(math.comb(n, i) for i in range(k + 1)) / 2**n)


# %% exercise 2, wrong: one-sided (must say: is one-sided)
def sign_test(first, second):
    a, b = int((first & ~second).sum()), int((second & ~first).sum())
    n, k = a + b, min(a, b)
    return a, b, sum(math.comb(n, i) for i in range(k + 1)) / 2**n


# %% exercise 2, wrong: not bounded (must say: is more than 1)
def sign_test(first, second):
    a, b = int((first & ~second).sum()), int((second & ~first).sum())
    n, k = a + b, min(a, b)
    return a, b, 2 * sum(math.comb(n, i) for i in range(k + 1)) / 2**n


# %% exercise 2, wrong: exchanged (must say: the two counts are exchanged)
def sign_test(first, second):
    a, b = int((second & ~first).sum()), int((first & ~second).sum())
    n, k = a + b, min(a, b)
    return a, b, min(1.0, 2 * sum(math.comb(n, i) for i in range(k + 1)) / 2**n)


# %% exercise 2, wrong: 0 for networks that agree (must say: n = 0 says nothing)
def sign_test(first, second):
    a, b = int((first & ~second).sum()), int((second & ~first).sum())
    n, k = a + b, min(a, b)
    if n == 0:
        return a, b, 0.0
    return a, b, min(1.0, 2 * sum(math.comb(n, i) for i in range(k + 1)) / 2**n)


# %% exercise 2, wrong: 0 divided by 0 (must say: n = 0 says nothing)
def sign_test(first, second):
    a, b = int((first & ~second).sum()), int((second & ~first).sum())
    n, k = a + b, min(a, b)
    if n == 0:
        return a, b, math.nan
    return a, b, min(1.0, 2 * sum(math.comb(n, i) for i in range(k + 1)) / 2**n)


# %% exercise 3, right: a block of its own in a Sequential
class Block(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, (3, 3), padding="same", bias=False)

    def forward(self, x):
        return torch.relu(self.conv(x)).add(x)


class Stack(nn.Sequential):
    def __init__(self, channels, n_blocks):
        super().__init__(*(Block(channels) for _ in range(n_blocks)))


# %% exercise 3, right: bare parameters
class Stack(nn.Module):
    def __init__(self, channels, n_blocks):
        super().__init__()
        self.weights = nn.ParameterList(
            nn.Parameter(0.1 * torch.randn(channels, channels, 3, 3)) for _ in range(n_blocks)
        )

    def forward(self, x):
        for weight in self.weights:
            x = F.conv2d(x, weight, padding=1).clamp_min(0) + x
        return x


# %% exercise 3, wrong: one convolution n times (must say: the blocks share their weights)
class Stack(nn.Module):
    def __init__(self, channels, n_blocks):
        super().__init__()
        conv = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.convs = nn.ModuleList(n_blocks * [conv])

    def forward(self, x):
        for conv in self.convs:
            x = x + F.relu(conv(x))
        return x


# %% exercise 3, wrong: a plain list (must say: no parameters are found)
class Stack(nn.Module):
    def __init__(self, channels, n_blocks):
        super().__init__()
        self.convs = [
            nn.Conv2d(channels, channels, 3, padding=1, bias=False) for _ in range(n_blocks)
        ]

    def forward(self, x):
        for conv in self.convs:
            x = x + F.relu(conv(x))
        return x


# %% exercise 3, wrong: no skip (must say: the skip is missing)
class Stack(nn.Module):
    def __init__(self, channels, n_blocks):
        super().__init__()
        self.convs = nn.ModuleList(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False) for _ in range(n_blocks)
        )

    def forward(self, x):
        for conv in self.convs:
            x = F.relu(conv(x))
        return x


# %% exercise 3, wrong: one skip (must say: one skip around all)
class Stack(nn.Module):
    def __init__(self, channels, n_blocks):
        super().__init__()
        self.convs = nn.ModuleList(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False) for _ in range(n_blocks)
        )

    def forward(self, x):
        h = x
        for conv in self.convs:
            h = F.relu(conv(h))
        return x + h


# %% exercise 3, wrong: the sum first (must say: ReLU after the sum)
class Stack(nn.Module):
    def __init__(self, channels, n_blocks):
        super().__init__()
        self.convs = nn.ModuleList(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False) for _ in range(n_blocks)
        )

    def forward(self, x):
        for conv in self.convs:
            x = F.relu(x + conv(x))
        return x


# %% exercise 3, wrong: in place (must say: the input is changed)
class Stack(nn.Module):
    def __init__(self, channels, n_blocks):
        super().__init__()
        self.convs = nn.ModuleList(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False) for _ in range(n_blocks)
        )

    def forward(self, x):
        for conv in self.convs:
            x.data += F.relu(conv(x))
        return x


# %% exercise 3, wrong: with biases (must say: a convolution has a bias)
class Stack(nn.Module):
    def __init__(self, channels, n_blocks):
        super().__init__()
        self.convs = nn.ModuleList(
            nn.Conv2d(channels, channels, 3, padding=1) for _ in range(n_blocks)
        )

    def forward(self, x):
        for conv in self.convs:
            x = x + F.relu(conv(x))
        return x
