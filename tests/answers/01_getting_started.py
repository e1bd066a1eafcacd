"""Answers to the exercises of chapter 01; CONTRIBUTING.md describes the form."""


# %% exercise 1, right: subtracts the largest, one step a line
def softmax(logits):
    largest = logits.max()
    numerator = torch.exp(logits - largest)
    denominator = torch.sum(numerator)
    return numerator / denominator


# %% exercise 1, right: exponential of a logarithm
def softmax(logits):
    shifted = logits - logits.amax(0, keepdim=True)
    return (shifted - shifted.exp().sum().log()).exp()


# %% exercise 1, right: in 64 bits, with a loop
def softmax(logits):
    values = logits.double().tolist()
    top = max(values)
    powers = torch.tensor([2.718281828459045 ** (v - top) for v in values])
    return (powers / powers.sum()).to(logits.dtype)


# %% exercise 1, right: stays in 64 bits
def softmax(logits):
    powers = (logits.double() - logits.max()).exp()
    return powers / powers.sum()


# %% exercise 1, wrong: the formula as it stands (must say: not finite)
def softmax(logits):
    return logits.exp() / logits.exp().sum()


# %% exercise 1, wrong: subtracts the mean (must say: not finite)
def softmax(logits):
    powers = (logits - logits.mean()).exp()
    return powers / powers.sum()


# %% exercise 1, wrong: subtracts the first (must say: not finite)
def softmax(logits):
    powers = (logits - logits[0]).exp()
    return powers / powers.sum()


# %% exercise 1, wrong: subtracts the last (must say: not finite)
def softmax(logits):
    powers = (logits - logits[-1]).exp()
    return powers / powers.sum()


# %% exercise 1, wrong: cuts large logits off (must say: are not the softmax)
def softmax(logits):
    powers = logits.clamp(-80, 80).exp()
    return powers / powers.sum()


# %% exercise 1, wrong: divides by the largest logit (must say: are not the softmax)
def softmax(logits):
    powers = (logits / logits.abs().max()).exp()
    return powers / powers.sum()


# %% exercise 1, wrong: calls the library (must say: of the library does the work)
def softmax(logits):
    return torch.nn.functional.softmax(logits, dim=0)


# %% exercise 1, wrong: the library through its logarithm (must say: of the library does the work)
def softmax(logits):
    return logits.log_softmax(0).exp()


# %% exercise 1, wrong: writes into the input (must say: writes into its input)
def softmax(logits):
    logits -= logits.max()
    return logits.exp() / logits.exp().sum()


# %% exercise 1, wrong: the largest exponential below the line (must say: do not add up to 1)
def softmax(logits):
    powers = (logits - logits.max()).exp()
    return powers / powers.max()


# %% exercise 1, wrong: no return (must say: a tensor is expected)
def softmax(logits):
    powers = (logits - logits.max()).exp()
    powers / powers.sum()


# %% exercise 2, right: whole-number division
def resized(height, width, size):
    short, long = min(height, width), max(height, width)
    new = size * long // short
    return (size, new) if height == short else (new, size)


# %% exercise 2, right: a list, with math.floor
import math


def resized(height, width, size):
    shorter = min(height, width)
    return [math.floor(size * side / shorter) for side in (height, width)]


# %% exercise 2, wrong: a square (must say: ratio of the sides does not stay)
def resized(height, width, size):
    return size, size


# %% exercise 2, wrong: the height becomes the size (must say: the shorter side should become)
def resized(height, width, size):
    return size, int(size * width / height)


# %% exercise 2, wrong: the longer side becomes the size (must say: the shorter side should become)
def resized(height, width, size):
    if height >= width:
        return size, int(size * width / height)
    return int(size * height / width), size


# %% exercise 2, wrong: rounds to the nearest (must say: the rounding of the longer side)
def resized(height, width, size):
    if height <= width:
        return size, round(size * width / height)
    return round(size * height / width), size


# %% exercise 2, wrong: the quotient of the sides first (must say: multiply first)
def resized(height, width, size):
    if height <= width:
        return size, int(size * (width / height))
    return int(size * (height / width)), size


# %% exercise 2, wrong: the factor first (must say: multiply first)
def resized(height, width, size):
    factor = size / min(height, width)
    return (size, int(factor * width)) if height <= width else (int(factor * height), size)


# %% exercise 2, wrong: decimal numbers (must say: two whole numbers)
def resized(height, width, size):
    shorter = min(height, width)
    return size * height / shorter, size * width / shorter


# %% exercise 2, wrong: width first (must say: the shorter side should become)
def resized(height, width, size):
    if height <= width:
        return int(size * width / height), size
    return size, int(size * height / width)


# %% exercise 3, right: halves the interval
def temperature(logits, target):
    right = (logits.argmax(1) == target).double().mean()
    low, high = 0.01, 100.0
    for _ in range(60):
        middle = (low * high) ** 0.5
        sure = (logits.double() / middle).softmax(1).amax(1).mean()
        low, high = (middle, high) if sure > right else (low, middle)
    return low


# %% exercise 3, right: a loop over a grid of ratios, a tensor as result
def temperature(logits, target):
    right = (logits.argmax(dim=1) == target).sum() / len(target)
    best, smallest = None, float("inf")
    for step in range(-230, 231):
        T = torch.tensor(1.01) ** step
        gap = abs(torch.softmax(logits / T, dim=1).max(dim=1)[0].mean() - right)
        if gap < smallest:
            best, smallest = T, gap
    return best


# %% exercise 3, wrong: multiplies instead of dividing (must say: is the inverse)
def temperature(logits, target):
    right = (logits.argmax(dim=1) == target).float().mean()
    grid = torch.linspace(0.1, 10, 991)
    sure = torch.stack([(logits * T).softmax(dim=1).max(dim=1).values.mean() for T in grid])
    return grid[(sure - right).abs().argmin()].item()


# %% exercise 3, wrong: a grid in steps of 0.1 (must say: the mean softmax)
def temperature(logits, target):
    right = (logits.argmax(dim=1) == target).float().mean()
    grid = torch.linspace(0.1, 10, 100)
    sure = torch.stack([(logits / T).softmax(dim=1).max(dim=1).values.mean() for T in grid])
    return grid[(sure - right).abs().argmin()].item()


# %% exercise 3, wrong: the smallest cross-entropy (must say: are not equal yet)
def temperature(logits, target):
    grid = torch.logspace(-1, 1, 200)
    losses = [torch.nn.functional.cross_entropy(logits / T, target) for T in grid]
    return grid[torch.stack(losses).argmin()].item()


# %% exercise 3, wrong: divides the probabilities (must say: are not equal yet)
def temperature(logits, target):
    right = (logits.argmax(dim=1) == target).float().mean()
    return (logits.softmax(dim=1).max(dim=1).values.mean() / right).item()


# %% exercise 3, wrong: a grid of whole numbers (must say: the mean softmax)
def temperature(logits, target):
    right = (logits.argmax(dim=1) == target).float().mean()
    grid = torch.arange(1, 11)
    sure = torch.stack([(logits / T).softmax(dim=1).max(dim=1).values.mean() for T in grid])
    return grid[(sure - right).abs().argmin()].item()


# %% exercise 3, wrong: probability of the target, not of the answer (must say: the mean softmax)
def temperature(logits, target):
    right = (logits.argmax(dim=1) == target).float().mean()
    grid = torch.linspace(0.1, 10, 991)
    rows = torch.arange(len(target))
    sure = torch.stack([(logits / T).softmax(dim=1)[rows, target].mean() for T in grid])
    return grid[(sure - right).abs().argmin()].item()


# %% exercise 3, wrong: the whole grid (must say: should be a number)
def temperature(logits, target):
    return torch.linspace(0.1, 10, 991)


# %% exercise 3, wrong: no return (must say: should be a number)
def temperature(logits, target):
    (logits.argmax(dim=1) == target).float().mean()


# %% exercise 4, right: the larger sum first
def sort_photo(p, threshold):
    sums = {"cat": float(p[CATS].sum()), "dog": float(p[DOGS].sum())}
    best = max(sums, key=sums.get)
    return best if sums[best] >= threshold else "neither"


# %% exercise 4, right: by the index, in plain Python
def sort_photo(p, threshold):
    cats = sum(value for i, value in enumerate(p.tolist()) if 281 <= i <= 285)
    dogs = sum(value for i, value in enumerate(p.tolist()) if 151 <= i <= 268)
    if max(cats, dogs) < threshold:
        return "neither"
    return "cat" if cats > dogs else "dog"


# %% exercise 4, wrong: the best single category (must say: best single category)
def sort_photo(p, threshold):
    value, index = p.max(dim=0)
    if value < threshold:
        return "neither"
    return "cat" if 281 <= index < 286 else "dog" if 151 <= index < 269 else "neither"


# %% exercise 4, wrong: the best cat and the best dog (must say: best single category)
def sort_photo(p, threshold):
    if p[CATS].max() >= threshold:
        return "cat"
    return "dog" if p[DOGS].max() >= threshold else "neither"


# %% exercise 4, wrong: never neither (must say: below the threshold)
def sort_photo(p, threshold):
    return "cat" if p[CATS].sum() > p[DOGS].sum() else "dog"


# %% exercise 4, wrong: only cats and dogs exist (must say: as if there were only cats and dogs)
def sort_photo(p, threshold):
    cats, dogs = p[CATS].sum(), p[DOGS].sum()
    if max(cats, dogs) / (cats + dogs) < threshold:
        return "neither"
    return "cat" if cats > dogs else "dog"


# %% exercise 4, wrong: a threshold of its own (must say: the threshold is an argument)
def sort_photo(p, threshold):
    if p[CATS].sum() >= 0.9:
        return "cat"
    return "dog" if p[DOGS].sum() >= 0.9 else "neither"


# %% exercise 4, wrong: above, not at least (must say: the threshold itself is enough)
def sort_photo(p, threshold):
    if p[CATS].sum() > threshold:
        return "cat"
    return "dog" if p[DOGS].sum() > threshold else "neither"


# %% exercise 4, wrong: what is no cat is a dog (must say: below the threshold)
def sort_photo(p, threshold):
    return "cat" if p[CATS].sum() >= threshold else "dog"


# %% exercise 4, wrong: prints (must say: 'cat', 'dog' or 'neither' is expected)
def sort_photo(p, threshold):
    print("cat" if p[CATS].sum() >= threshold else "neither")
