"""Answers to the exercises of chapter 14; CONTRIBUTING.md describes the form."""


# %% exercise 1, right: modules for ReLU, an empty Sequential for the identity
class Block(nn.Module):
    def __init__(self, c_in, c_out, stride=1):
        super().__init__()
        options = {"kernel_size": 3, "padding": 1, "bias": False}
        self.conv1, self.bn1 = (
            nn.Conv2d(c_in, c_out, stride=stride, **options),
            nn.BatchNorm2d(c_out),
        )
        self.conv2, self.bn2 = nn.Conv2d(c_out, c_out, **options), nn.BatchNorm2d(c_out)
        self.relu = nn.ReLU()
        self.downsample = nn.Sequential()
        if (c_in, stride) != (c_out, 1):
            self.downsample.append(nn.Conv2d(c_in, c_out, 1, stride, bias=False))
            self.downsample.append(nn.BatchNorm2d(c_out))

    def forward(self, x):
        y = self.relu(self.bn1(self.conv1(x)))
        return self.relu(self.downsample(x) + self.bn2(self.conv2(y)))


# %% exercise 1, right: clamps, and skips every second place by hand
class Block(nn.Module):
    def __init__(self, c_in, c_out, stride):
        super().__init__()
        self.stride, self.downsample = stride, None
        if stride > 1 or c_in != c_out:
            parts = nn.Conv2d(c_in, c_out, 1, bias=False), nn.BatchNorm2d(c_out)
            self.downsample = nn.Sequential(*parts)
        for number, channels in ((1, c_in), (2, c_out)):
            step = stride if number == 1 else 1
            layer = nn.Conv2d(channels, c_out, 3, step, 1, bias=False)
            setattr(self, f"conv{number}", layer)
            setattr(self, f"bn{number}", nn.BatchNorm2d(c_out))

    def forward(self, x):
        skip = x[:, :, :: self.stride, :: self.stride]
        skip = skip if self.downsample is None else self.downsample(skip)
        y = self.bn1(self.conv1(x)).clamp(min=0)
        return (self.bn2(self.conv2(y)) + skip).clamp(min=0)


# %% exercise 1, wrong: no skip (must say: the input is not added)
class Block(nn.Module):
    def __init__(self, c_in, c_out, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(c_in, c_out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(c_out)
        self.conv2 = nn.Conv2d(c_out, c_out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(c_out)
        self.downsample = None
        if stride != 1 or c_in != c_out:
            skip = nn.Conv2d(c_in, c_out, 1, stride, bias=False)
            self.downsample = nn.Sequential(skip, nn.BatchNorm2d(c_out))

    def parts(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return y, x if self.downsample is None else self.downsample(x)

    def forward(self, x):
        y, _ = self.parts(x)
        return F.relu(y)


# %% exercise 1, wrong: ReLU before the sum (must say: ReLU comes after the addition)
class Block(nn.Module):
    def __init__(self, c_in, c_out, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(c_in, c_out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(c_out)
        self.conv2 = nn.Conv2d(c_out, c_out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(c_out)
        self.downsample = None
        if stride != 1 or c_in != c_out:
            skip = nn.Conv2d(c_in, c_out, 1, stride, bias=False)
            self.downsample = nn.Sequential(skip, nn.BatchNorm2d(c_out))

    def parts(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return y, x if self.downsample is None else self.downsample(x)

    def forward(self, x):
        y, skip = self.parts(x)
        return F.relu(y) + skip


# %% exercise 1, wrong: nothing after the sum (must say: the last ReLU is missing)
class Block(nn.Module):
    def __init__(self, c_in, c_out, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(c_in, c_out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(c_out)
        self.conv2 = nn.Conv2d(c_out, c_out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(c_out)
        self.downsample = None
        if stride != 1 or c_in != c_out:
            skip = nn.Conv2d(c_in, c_out, 1, stride, bias=False)
            self.downsample = nn.Sequential(skip, nn.BatchNorm2d(c_out))

    def parts(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return y, x if self.downsample is None else self.downsample(x)

    def forward(self, x):
        y, skip = self.parts(x)
        return y + skip


# %% exercise 1, wrong: convolutions with biases (must say: the weights do not fit)
class Block(nn.Module):
    def __init__(self, c_in, c_out, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(c_in, c_out, 3, stride, 1)
        self.bn1 = nn.BatchNorm2d(c_out)
        self.conv2 = nn.Conv2d(c_out, c_out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(c_out)
        self.downsample = None
        if stride != 1 or c_in != c_out:
            skip = nn.Conv2d(c_in, c_out, 1, stride, bias=False)
            self.downsample = nn.Sequential(skip, nn.BatchNorm2d(c_out))

    def parts(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return y, x if self.downsample is None else self.downsample(x)

    def forward(self, x):
        y, skip = self.parts(x)
        return F.relu(y + skip)


# %% exercise 1, wrong: no downsample (must say: the weights do not fit)
class Block(nn.Module):
    def __init__(self, c_in, c_out, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(c_in, c_out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(c_out)
        self.conv2 = nn.Conv2d(c_out, c_out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(c_out)
        self.downsample = None
        if c_in != c_out:
            skip = nn.Conv2d(c_in, c_out, 1, stride, bias=False)
            self.downsample = nn.Sequential(skip, nn.BatchNorm2d(c_out))

    def parts(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return y, x if self.downsample is None else self.downsample(x)

    def forward(self, x):
        y, skip = self.parts(x)
        return F.relu(y + skip)


# %% exercise 2, right: channels first, one long row each
def batch_norm(x, gamma, beta, eps):
    rows = x.transpose(0, 1).flatten(1)  # (C, N*H*W)
    rows = (rows - rows.mean(1, keepdim=True)) / (rows.var(1, False, keepdim=True) + eps) ** 0.5
    rows = rows * gamma[:, None] + beta[:, None]
    return rows.view(x.shape[1], len(x), *x.shape[2:]).transpose(0, 1)


# %% exercise 2, right: the mean of the squares
def batch_norm(x, gamma, beta, eps=1e-5):
    mean = x.mean((0, 2, 3))
    var = (x**2).mean((0, 2, 3)) - mean**2
    scale = gamma * torch.rsqrt(var + eps)
    shift = beta - mean * scale
    return torch.einsum("nchw,c->nchw", x, scale) + shift[:, None, None]


# %% exercise 2, right: in double precision
def batch_norm(x, gamma, beta, eps):
    x, gamma, beta = (t.double() for t in (x, gamma, beta))
    var, mean = torch.var_mean(x, (0, 2, 3), correction=0, keepdim=True)
    return (x - mean) / (var + eps).sqrt() * gamma.view(-1, 1, 1) + beta.view(-1, 1, 1)


# %% exercise 2, wrong: the library's function (must say: the library's function was called)
def batch_norm(x, gamma, beta, eps):
    return F.batch_norm(x, None, None, gamma, beta, training=True, eps=eps)


# %% exercise 2, wrong: the library's layer (must say: the library's function was called)
def batch_norm(x, gamma, beta, eps):
    layer = nn.BatchNorm2d(x.shape[1], eps=eps)
    layer.weight, layer.bias = nn.Parameter(gamma), nn.Parameter(beta)
    return layer(x)


# %% exercise 2, wrong: over the batch only (must say: each place has statistics of its own)
def batch_norm(x, gamma, beta, eps):
    dims = (0,)
    mean, var = x.mean(dims, keepdim=True), x.var(dims, correction=0, keepdim=True)
    return (x - mean) / (var + eps).sqrt() * gamma.view(1, -1, 1, 1) + beta.view(1, -1, 1, 1)


# %% exercise 2, wrong: over the places only (must say: each picture has statistics of its own)
def batch_norm(x, gamma, beta, eps):
    dims = (2, 3)
    mean, var = x.mean(dims, keepdim=True), x.var(dims, correction=0, keepdim=True)
    return (x - mean) / (var + eps).sqrt() * gamma.view(1, -1, 1, 1) + beta.view(1, -1, 1, 1)


# %% exercise 2, wrong: the default of var (must say: the variance divides by n - 1)
def batch_norm(x, gamma, beta, eps):
    dims = (0, 2, 3)
    mean, var = x.mean(dims, keepdim=True), x.var(dims, keepdim=True)
    return (x - mean) / (var + eps).sqrt() * gamma.view(1, -1, 1, 1) + beta.view(1, -1, 1, 1)


# %% exercise 2, wrong: eps added to the root (must say: eps belongs under the root)
def batch_norm(x, gamma, beta, eps):
    dims = (0, 2, 3)
    mean, var = x.mean(dims, keepdim=True), x.var(dims, correction=0, keepdim=True)
    return (x - mean) / (var.sqrt() + eps) * gamma.view(1, -1, 1, 1) + beta.view(1, -1, 1, 1)


# %% exercise 2, wrong: nothing returned (must say: a tensor is expected)
def batch_norm(x, gamma, beta, eps):
    dims = (0, 2, 3)
    mean, var = x.mean(dims, keepdim=True), x.var(dims, correction=0, keepdim=True)
    print((x - mean) / (var + eps).sqrt() * gamma.view(1, -1, 1, 1) + beta.view(1, -1, 1, 1))


# %% exercise 3, right: PyTorch's own
fold = torch.nn.utils.fuse_conv_bn_eval


# %% exercise 3, right: a new layer, filled
def fold(conv, norm):
    options = {"stride": conv.stride, "padding": conv.padding, "dilation": conv.dilation}
    sizes = conv.in_channels, conv.out_channels, conv.kernel_size
    new = nn.Conv2d(*sizes, groups=conv.groups, **options)
    with torch.no_grad():
        scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
        new.weight.copy_(torch.einsum("o...,o->o...", conv.weight, scale))
        new.bias.copy_(norm.bias - scale * norm.running_mean)
        if conv.bias is not None:
            new.bias += scale * conv.bias
    return new


# %% exercise 3, wrong: the old bias forgotten (must say: the old bias is lost)
def fold(conv, norm):
    folded = copy.deepcopy(conv)
    scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    bias = 0
    folded.weight = nn.Parameter(conv.weight * scale.view(-1, 1, 1, 1))
    folded.bias = nn.Parameter((bias - norm.running_mean) * scale + norm.bias)
    return folded


# %% exercise 3, wrong: no eps (must say: eps is left out)
def fold(conv, norm):
    folded = copy.deepcopy(conv)
    scale = norm.weight / torch.sqrt(norm.running_var)
    bias = 0 if conv.bias is None else conv.bias
    folded.weight = nn.Parameter(conv.weight * scale.view(-1, 1, 1, 1))
    folded.bias = nn.Parameter((bias - norm.running_mean) * scale + norm.bias)
    return folded


# %% exercise 3, wrong: in place (must say: the originals have changed)
def fold(conv, norm):
    folded = conv
    scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    bias = 0 if conv.bias is None else conv.bias
    folded.weight = nn.Parameter(conv.weight * scale.view(-1, 1, 1, 1))
    folded.bias = nn.Parameter((bias - norm.running_mean) * scale + norm.bias)
    return folded


# %% exercise 3, wrong: both in a row (must say: is to return an nn.Conv2d)
def fold(conv, norm):
    return nn.Sequential(conv, norm)


# %% exercise 3, wrong: the variance for its root (must say: the output of the folded convolution is wrong)
def fold(conv, norm):
    folded = copy.deepcopy(conv)
    scale = norm.weight / (norm.running_var + norm.eps)
    bias = 0 if conv.bias is None else conv.bias
    folded.weight = nn.Parameter(conv.weight * scale.view(-1, 1, 1, 1))
    folded.bias = nn.Parameter((bias - norm.running_mean) * scale + norm.bias)
    return folded


# %% exercise 4, right: the root, in whole numbers
def separable_width(channels):
    return (math.isqrt(81 + 36 * channels**2) - 9) // 2


# %% exercise 4, right: bisection
def separable_width(channels):
    costs = [9 * w + w * w for w in range(3 * channels + 1)]
    return bisect.bisect_right(costs, 9 * channels**2) - 1


# %% exercise 4, right: a whole number of NumPy
def separable_width(channels):
    widths = np.arange(3 * channels + 1)
    return widths[9 * widths + widths**2 <= 9 * channels**2].max()


# %% exercise 4, wrong: only the 1×1 part (must say: the depthwise part is not free)
def separable_width(channels):
    return 3 * channels


# %% exercise 4, wrong: rounded up (must say: is rounded up)
def separable_width(channels):
    return math.ceil((math.sqrt(81 + 36 * channels**2) - 9) / 2 + 1e-9)


# %% exercise 4, wrong: a fraction (must say: a whole number)
def separable_width(channels):
    return (math.sqrt(81 + 36 * channels**2) - 9) / 2


# %% exercise 4, wrong: one too small (must say: is not the largest width)
def separable_width(channels):
    return max(0, (math.isqrt(81 + 36 * channels**2) - 9) // 2 - 1)
