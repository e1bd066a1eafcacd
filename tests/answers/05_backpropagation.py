"""Answers to the exercises of chapter 05; CONTRIBUTING.md describes the form."""


# %% exercise 1, right: half a tanh
class Sigmoid:
    params, grads = {}, {}

    def forward(self, x):
        self.output = 0.5 * (1 + torch.tanh(0.5 * x))
        return self.output

    def backward(self, grad_y):
        return grad_y * (self.output - self.output**2)


# %% exercise 1, right: keeps the slope, as a subclass of Tanh
class Sigmoid(Tanh):
    def forward(self, x):
        y = x.sigmoid()
        self.slope = y * (1 - y)
        return y

    def backward(self, grad_y):
        return self.slope.mul(grad_y)


# %% exercise 1, wrong: without the chain rule (must say: forgets to multiply by grad_y)
class Sigmoid:
    params, grads = {}, {}

    def forward(self, x):
        self.y = torch.sigmoid(x)
        return self.y

    def backward(self, grad_y):
        return self.y * (1 - self.y)


# %% exercise 1, wrong: the slope of tanh (must say: backward(grad_y) is wrong)
class Sigmoid:
    params, grads = {}, {}

    def forward(self, x):
        self.y = torch.sigmoid(x)
        return self.y

    def backward(self, grad_y):
        return grad_y * (1 - self.y**2)


# %% exercise 1, wrong: keeps the input (must say: may keep only the output)
class Sigmoid:
    params, grads = {}, {}

    def forward(self, x):
        self.x = x.clone()
        return torch.sigmoid(x)

    def backward(self, grad_y):
        y = torch.sigmoid(self.x)
        return grad_y * y * (1 - y)


# %% exercise 1, wrong: hides the input in a list (must say: backward(grad_y) is wrong)
class Sigmoid:
    params, grads = {}, {}

    def forward(self, x):
        self.cache = [x]
        return torch.sigmoid(x)

    def backward(self, grad_y):
        y = torch.sigmoid(self.cache[0])
        return grad_y * y * (1 - y)


# %% exercise 1, wrong: infinity by infinity (must say: is not finite)
class Sigmoid:
    params, grads = {}, {}

    def forward(self, x):
        self.y = torch.exp(x) / (1 + torch.exp(x))
        return self.y

    def backward(self, grad_y):
        return grad_y * self.y * (1 - self.y)


# %% exercise 1, wrong: no dictionaries (must say: empty dictionaries)
class Sigmoid:
    def forward(self, x):
        self.y = torch.sigmoid(x)
        return self.y

    def backward(self, grad_y):
        return grad_y * self.y * (1 - self.y)


# %% exercise 1, wrong: backward stores instead of returning (must say: a tensor is expected)
class Sigmoid:
    params, grads = {}, {}

    def forward(self, x):
        self.y = torch.sigmoid(x)
        return self.y

    def backward(self, grad_y):
        self.grad = grad_y * self.y * (1 - self.y)


# %% exercise 1, wrong: writes into its input (must say: changes its input in place)
class Sigmoid:
    params, grads = {}, {}

    def forward(self, x):
        self.y = x.sigmoid_()
        return self.y.clone()

    def backward(self, grad_y):
        return grad_y * self.y * (1 - self.y)


# %% exercise 2, right: logsumexp and one-hot
class CrossEntropyLoss:
    def forward(self, logits, target):
        self.log_p = logits - torch.logsumexp(logits, dim=1, keepdim=True)
        self.wanted = nn.functional.one_hot(target, logits.shape[1])
        return -(self.wanted * self.log_p).sum(dim=1).mean()

    def backward(self):
        return (self.log_p.exp() - self.wanted) / len(self.wanted)


# %% exercise 2, right: one example after the other
class CrossEntropyLoss:
    def forward(self, logits, target):
        losses, self.rows = [], []
        for z, t in zip(logits, target):
            largest = z.max()
            total = (z - largest).exp().sum()
            losses.append(largest + total.log() - z[t])
            row = (z - largest).exp() / total
            row[t] = row[t] - 1
            self.rows.append(row)
        return sum(losses) / len(losses)

    def backward(self):
        return torch.stack(self.rows) / len(self.rows)


# %% exercise 2, wrong: the logarithm of a softmax (must say: is not finite)
class CrossEntropyLoss:
    def forward(self, logits, target):
        self.target = target
        shifted = logits - logits.max(dim=1, keepdim=True).values
        self.p = shifted.exp() / shifted.exp().sum(dim=1, keepdim=True)
        return -self.p[torch.arange(len(target)), target].log().mean()

    def backward(self):
        grad = self.p.clone()
        grad[torch.arange(len(self.target)), self.target] -= 1
        return grad / len(self.target)


# %% exercise 2, wrong: exponentials of large logits (must say: is not finite)
class CrossEntropyLoss:
    def forward(self, logits, target):
        self.rows, self.target = torch.arange(len(target)), target
        self.p = logits.exp() / logits.exp().sum(dim=1, keepdim=True)
        return (logits.exp().sum(dim=1).log() - logits[self.rows, target]).mean()

    def backward(self):
        grad = self.p.clone()
        grad[self.rows, self.target] -= 1
        return grad / len(self.target)


# %% exercise 2, wrong: the sum over the batch (must say: the sum over the batch, not the mean)
class CrossEntropyLoss:
    def forward(self, logits, target):
        self.rows, self.target, self.log_p = (
            torch.arange(len(target)),
            target,
            logits.log_softmax(dim=1),
        )
        return -self.log_p[self.rows, target].sum()

    def backward(self):
        grad = self.log_p.exp()
        grad[self.rows, self.target] -= 1
        return grad


# %% exercise 2, wrong: no 1/B in the gradient (must say: not divided by the batch size)
class CrossEntropyLoss:
    def forward(self, logits, target):
        self.rows, self.target, self.log_p = (
            torch.arange(len(target)),
            target,
            logits.log_softmax(dim=1),
        )
        return -self.log_p[self.rows, target].mean()

    def backward(self):
        grad = self.log_p.exp()
        grad[self.rows, self.target] -= 1
        return grad


# %% exercise 2, wrong: the target class is forgotten (must say: the gradient for logits)
class CrossEntropyLoss:
    def forward(self, logits, target):
        self.p = logits.softmax(dim=1)
        return nn.functional.cross_entropy(logits, target)

    def backward(self):
        return self.p / len(self.p)


# %% exercise 2, wrong: softmax over the batch (must say: the loss for logits of size 1 is wrong)
class CrossEntropyLoss:
    def forward(self, logits, target):
        self.rows, self.target, self.log_p = (
            torch.arange(len(target)),
            target,
            logits.log_softmax(dim=0),
        )
        return -self.log_p[self.rows, target].mean()

    def backward(self):
        grad = self.log_p.exp()
        grad[self.rows, self.target] -= 1
        return grad / len(self.target)


# %% exercise 2, wrong: a number instead of a tensor (must say: a tensor is expected, got float)
class CrossEntropyLoss:
    def forward(self, logits, target):
        self.rows, self.target, self.log_p = (
            torch.arange(len(target)),
            target,
            logits.log_softmax(dim=1),
        )
        return -self.log_p[self.rows, target].mean().item()

    def backward(self):
        grad = self.log_p.exp()
        grad[self.rows, self.target] -= 1
        return grad / len(self.target)


# %% exercise 3, right: a chain inside
class Residual:
    params, grads = {}, {}

    def __init__(self, *blocks):
        self.chain, self.sum = Chain(*blocks), Add()

    def forward(self, x):
        return self.sum.forward(self.chain.forward(x), x)

    def backward(self, grad):
        to_chain, to_x = self.sum.backward(grad)
        return self.chain.backward(to_chain) + to_x


# %% exercise 3, right: loops of its own
class Residual:
    def __init__(self, *blocks):
        self.blocks = list(blocks)

    def forward(self, x):
        y = x
        for block in self.blocks:
            y = block.forward(y)
        return y + x

    def backward(self, grad):
        back = grad
        for block in self.blocks[::-1]:
            back = block.backward(back)
        return torch.stack([grad, back]).sum(dim=0)


# %% exercise 3, wrong: no skip connection backwards (must say: through the skip connection is missing)
class Residual(Chain):
    def forward(self, x):
        return x + super().forward(x)


# %% exercise 3, wrong: only the skip connection backwards (must say: through the chain is missing)
class Residual(Chain):
    def forward(self, x):
        return x + super().forward(x)

    def backward(self, grad):
        super().backward(grad)
        return grad


# %% exercise 3, wrong: the first block alone (must say: backward(grad_y) is wrong)
class Residual(Chain):
    def forward(self, x):
        return x + super().forward(x)

    def backward(self, grad):
        return grad + self.blocks[0].backward(grad)


# %% exercise 3, wrong: blocks in the order of the forward pass (must say: backward(grad_y) is wrong)
class Residual(Chain):
    def forward(self, x):
        return x + super().forward(x)

    def backward(self, grad):
        back = grad
        for block in self.blocks:
            back = block.backward(back)
        return grad + back


# %% exercise 3, wrong: a skip connection around every block (must say: which is x + f(x), is wrong)
class Residual(Chain):
    def forward(self, x):
        for block in self.blocks:
            x = x + block.forward(x)
        return x

    def backward(self, grad):
        for block in reversed(self.blocks):
            grad = grad + block.backward(grad)
        return grad


# %% exercise 3, wrong: adds in place (must say: forward changes its input in place)
class Residual(Chain):
    def forward(self, x):
        x += super().forward(x)
        return x

    def backward(self, grad):
        return grad + super().backward(grad)


# %% exercise 3, wrong: adds in place backwards (must say: backward changes its input in place)
class Residual(Chain):
    def forward(self, x):
        return x + super().forward(x)

    def backward(self, grad):
        grad += super().backward(grad)
        return grad


# %% exercise 3, wrong: doubles the gradient of the parameters (must say: of the parameter W1)
class Residual(Chain):
    def forward(self, x):
        return x + super().forward(x)

    def backward(self, grad):
        super().backward(2 * grad)
        return grad + super().backward(2 * grad) / 2


# %% exercise 4, right: a cumulative product
def state_gradients(w, states, grad_h):
    factors = w * (1 - torch.stack(states[1:]) ** 2)
    ahead = factors.flip(0).cumprod(0).flip(0)
    return torch.cat([ahead * grad_h, grad_h.reshape(1)])


# %% exercise 4, right: recursive, as a list
def state_gradients(w, states, grad_h):
    if len(states) == 1:
        return [grad_h]
    later = state_gradients(w, states[1:], grad_h)
    return [later[0] * w * (1 - states[1] * states[1]), *later]


# %% exercise 4, right: numbers
def state_gradients(w, states, grad_h):
    grads = {len(states) - 1: grad_h.item()}
    for t in range(len(states) - 2, -1, -1):
        grads[t] = grads[t + 1] * float(w - w * states[t + 1] ** 2)
    return torch.tensor([grads[t] for t in range(len(states))], dtype=torch.float64)


# %% exercise 4, wrong: without the slope of tanh (must say: the factor between)
def state_gradients(w, states, grad_h):
    grads = [grad_h]
    for _ in states[1:]:
        grads.append(grads[-1] * w)
    return torch.stack(grads).flip(0)


# %% exercise 4, wrong: without w (must say: the factor between)
def state_gradients(w, states, grad_h):
    grads = [grad_h]
    for h in reversed(states[1:]):
        grads.append(grads[-1] * (1 - h**2))
    return torch.stack(grads).flip(0)


# %% exercise 4, wrong: the state before the step (must say: the gradients of h_6 and h_5)
def state_gradients(w, states, grad_h):
    grads = [grad_h]
    for h in reversed(states[:-1]):
        grads.append(grads[-1] * (1 - h**2) * w)
    return torch.stack(grads).flip(0)


# %% exercise 4, wrong: from last to first (must say: the order is reversed)
def state_gradients(w, states, grad_h):
    grads = [grad_h]
    for h in reversed(states[1:]):
        grads.append(grads[-1] * (1 - h**2) * w)
    return torch.stack(grads)


# %% exercise 4, wrong: without the last state (must say: 6 gradients for 7 states)
def state_gradients(w, states, grad_h):
    grads = []
    for h in reversed(states[1:]):
        grad_h = grad_h * (1 - h**2) * w
        grads.append(grad_h)
    return torch.stack(grads).flip(0)


# %% exercise 4, wrong: only the first state (must say: 1 gradients for 7 states)
def state_gradients(w, states, grad_h):
    for h in reversed(states[1:]):
        grad_h = grad_h * (1 - h**2) * w
    return grad_h


# %% exercise 4, wrong: no return (must say: is the return missing)
def state_gradients(w, states, grad_h):
    grads = [grad_h]
    for h in reversed(states[1:]):
        grads.append(grads[-1] * (1 - h**2) * w)
    torch.stack(grads).flip(0)
