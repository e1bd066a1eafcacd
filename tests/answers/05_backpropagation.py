"""Answers to the exercises of chapter 05; CONTRIBUTING.md describes the form."""


# %% exercise 1, right: half a tanh
class Sigmoid(Block):
    def forward(self, x):
        self.output = 0.5 * (1 + torch.tanh(0.5 * x))
        return self.output

    def backward(self, grad_y):
        return grad_y * (self.output - self.output**2)


# %% exercise 1, right: not a subclass, with dictionaries of its own
class Sigmoid:
    def __init__(self):
        self.params, self.grads = {}, {}

    def forward(self, x):
        self.y = torch.where(x > 0, 1 / (1 + (-x.abs()).exp()), 1 - 1 / (1 + (-x.abs()).exp()))
        return self.y

    def backward(self, grad_y):
        return grad_y * self.y * (1 - self.y)


# %% exercise 1, right: keeps the slope, as a subclass of Tanh
class Sigmoid(Tanh):
    def forward(self, x):
        y = x.sigmoid()
        self.slope = y * (1 - y)
        return y

    def backward(self, grad_y):
        return self.slope.mul(grad_y)


# %% exercise 1, wrong: without the chain rule (must say: forgets to multiply by grad_y)
class Sigmoid(Block):
    def forward(self, x):
        self.y = torch.sigmoid(x)
        return self.y

    def backward(self, grad_y):
        return self.y * (1 - self.y)


# %% exercise 1, wrong: the slope of tanh (must say: backward(grad_y) is wrong)
class Sigmoid(Block):
    def forward(self, x):
        self.y = torch.sigmoid(x)
        return self.y

    def backward(self, grad_y):
        return grad_y * (1 - self.y**2)


# %% exercise 1, wrong: keeps the input (must say: may keep only the output)
class Sigmoid(Block):
    def forward(self, x):
        self.x = x.clone()
        return torch.sigmoid(x)

    def backward(self, grad_y):
        y = torch.sigmoid(self.x)
        return grad_y * y * (1 - y)


# %% exercise 1, wrong: hides the input in a list (must say: backward(grad_y) is wrong)
class Sigmoid(Block):
    def forward(self, x):
        self.cache = [x]
        return torch.sigmoid(x)

    def backward(self, grad_y):
        y = torch.sigmoid(self.cache[0])
        return grad_y * y * (1 - y)


# %% exercise 1, wrong: infinity by infinity (must say: is not finite)
class Sigmoid(Block):
    def forward(self, x):
        self.y = torch.exp(x) / (1 + torch.exp(x))
        return self.y

    def backward(self, grad_y):
        return grad_y * self.y * (1 - self.y)


# %% exercise 1, wrong: no subclass of Block (must say: empty dictionaries)
class Sigmoid:
    def forward(self, x):
        self.y = torch.sigmoid(x)
        return self.y

    def backward(self, grad_y):
        return grad_y * self.y * (1 - self.y)


# %% exercise 1, wrong: backward stores instead of returning (must say: a tensor is expected)
class Sigmoid(Block):
    def forward(self, x):
        self.y = torch.sigmoid(x)
        return self.y

    def backward(self, grad_y):
        self.grad = grad_y * self.y * (1 - self.y)


# %% exercise 1, wrong: writes into its input (must say: changes its input in place)
class Sigmoid(Block):
    def forward(self, x):
        self.y = x.sigmoid_()
        return self.y.clone()

    def backward(self, grad_y):
        return grad_y * self.y * (1 - self.y)


# %% exercise 1, wrong: writes into the gradient (must say: backward changes its input in place)
class Sigmoid(Block):
    def forward(self, x):
        self.y = torch.sigmoid(x)
        return self.y

    def backward(self, grad_y):
        grad_y *= self.y * (1 - self.y)
        return grad_y


# %% exercise 2, right: the softmax of PyTorch, sums by einsum
class Softmax(Block):
    def forward(self, x):
        self.p = x.softmax(dim=-1)
        return self.p.clone()

    def backward(self, grad_y):
        mean = torch.einsum("nc,nc->n", self.p, grad_y)
        return self.p * grad_y - self.p * mean[:, None]


# %% exercise 2, right: with the Jacobian of each row
class Softmax(Block):
    def forward(self, x):
        self.rows = [(row - row.max()).exp() / (row - row.max()).exp().sum() for row in x]
        return torch.stack(self.rows)

    def backward(self, grad_y):
        jacobians = [torch.diag(y) - torch.outer(y, y) for y in self.rows]
        return torch.stack([g @ J for g, J in zip(grad_y, jacobians)])


# %% exercise 2, right: by the logarithm
class Softmax(Block):
    def forward(self, x):
        self.log_p = x - x.logsumexp(dim=1, keepdim=True)
        return self.log_p.exp()

    def backward(self, grad_y):
        grad_log = grad_y * self.log_p.exp()
        return grad_log - self.log_p.exp() * grad_log.sum(dim=1, keepdim=True)


# %% exercise 2, wrong: as if element by element (must say: acted on each number alone)
class Softmax(Block):
    def forward(self, x):
        self.y = x.softmax(dim=1)
        return self.y

    def backward(self, grad_y):
        return grad_y * self.y * (1 - self.y)


# %% exercise 2, wrong: exponentials of large logits (must say: is not finite)
class Softmax(Block):
    def forward(self, x):
        self.y = x.exp() / x.exp().sum(dim=1, keepdim=True)
        return self.y

    def backward(self, grad_y):
        return self.y * (grad_y - (grad_y * self.y).sum(dim=1, keepdim=True))


# %% exercise 2, wrong: softmax over the batch (must say: each column sums to 1)
class Softmax(Block):
    def forward(self, x):
        self.y = x.softmax(dim=0)
        return self.y

    def backward(self, grad_y):
        return self.y * (grad_y - (grad_y * self.y).sum(dim=0, keepdim=True))


# %% exercise 2, wrong: the mean without weights (must say: backward(grad_y) for logits)
class Softmax(Block):
    def forward(self, x):
        self.y = x.softmax(dim=1)
        return self.y

    def backward(self, grad_y):
        return self.y * (grad_y - grad_y.mean(dim=1, keepdim=True))


# %% exercise 2, wrong: the sum over the batch (must say: backward(grad_y) for logits)
class Softmax(Block):
    def forward(self, x):
        self.y = x.softmax(dim=1)
        return self.y

    def backward(self, grad_y):
        return self.y * (grad_y - (grad_y * self.y).sum(dim=0, keepdim=True))


# %% exercise 2, wrong: the largest logit of the whole batch (must say: is not finite)
class Softmax(Block):
    def forward(self, x):
        e = (x - x.max()).exp()
        self.y = e / e.sum(dim=1, keepdim=True)
        return self.y

    def backward(self, grad_y):
        return self.y * (grad_y - (grad_y * self.y).sum(dim=1, keepdim=True))


# %% exercise 2, wrong: prediction minus truth, as for the loss (must say: backward(grad_y) for logits)
class Softmax(Block):
    def forward(self, x):
        self.y = x.softmax(dim=1)
        return self.y

    def backward(self, grad_y):
        return self.y - grad_y


# %% exercise 2, wrong: no return (must say: a tensor is expected, got NoneType)
class Softmax(Block):
    def forward(self, x):
        self.y = x.softmax(dim=1)
        return self.y

    def backward(self, grad_y):
        self.grad = self.y * (grad_y - (grad_y * self.y).sum(dim=1, keepdim=True))


# %% exercise 2, wrong: shifts the logits in place (must say: forward changes the logits in place)
class Softmax(Block):
    def forward(self, x):
        x -= x.max(dim=1, keepdim=True).values
        self.y = x.exp() / x.exp().sum(dim=1, keepdim=True)
        return self.y

    def backward(self, grad_y):
        return self.y * (grad_y - (grad_y * self.y).sum(dim=1, keepdim=True))


# %% exercise 2, wrong: no subclass of Block (must say: empty dictionaries)
class Softmax:
    def forward(self, x):
        self.y = x.softmax(dim=1)
        return self.y

    def backward(self, grad_y):
        return self.y * (grad_y - (grad_y * self.y).sum(dim=1, keepdim=True))


# %% exercise 3, right: a chain inside
class Residual(Block):
    def __init__(self, *blocks):
        super().__init__()
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


# %% exercise 5, right: lists, and everything written out
def exp(a):
    return Value(math.exp(a.number), [a], [math.exp(a.number)])


def divide(a, b):
    return Value(a.number / b.number, [a, b], [1 / b.number, -a.number / b.number**2])


# %% exercise 5, right: division as a product with the inverse
def exp(a):
    return Value(math.e**a.number, parents=(a,), slopes=(math.e**a.number,))


def inverse(b):
    return Value(1 / b.number, (b,), (-((1 / b.number) ** 2),))


def divide(a, b):
    return a * inverse(b)


# %% exercise 5, wrong: no minus (must say: the slope by the denominator is wrong)
def exp(a):
    y = math.exp(a.number)
    return Value(y, (a,), (y,))


def divide(a, b):
    return Value(a.number / b.number, (a, b), (1 / b.number, a.number / b.number**2))


# %% exercise 5, wrong: the square is missing (must say: the slope by the denominator is wrong)
def exp(a):
    y = math.exp(a.number)
    return Value(y, (a,), (y,))


def divide(a, b):
    return Value(a.number / b.number, (a, b), (1 / b.number, -a.number / b.number))


# %% exercise 5, wrong: slopes swapped as in a product (must say: the slope by the numerator is wrong)
def exp(a):
    y = math.exp(a.number)
    return Value(y, (a,), (y,))


def divide(a, b):
    return Value(a.number / b.number, (a, b), (b.number, a.number))


# %% exercise 5, wrong: the slope of exp is 1 (must say: the slope of exp is wrong)
def exp(a):
    return Value(math.exp(a.number), (a,), (1.0,))


def divide(a, b):
    y = a.number / b.number
    return Value(y, (a, b), (1 / b.number, -y / b.number))


# %% exercise 5, wrong: numbers instead of values (must say: a Value is expected, got float)
def exp(a):
    return math.exp(a.number)


def divide(a, b):
    return a.number / b.number


# %% exercise 5, wrong: no parents (must say: a result without parents passes nothing on)
def exp(a):
    return Value(math.exp(a.number))


def divide(a, b):
    return Value(a.number / b.number)


# %% exercise 5, wrong: sets the gradients itself (must say: the slope of exp is wrong)
def exp(a):
    y = math.exp(a.number)
    a.grad += y
    return Value(y, (a,), (y,))


def divide(a, b):
    y = a.number / b.number
    return Value(y, (a, b), (1 / b.number, -y / b.number))


# %% exercise 5, wrong: without the commas (must say: exp(a): parents and slopes are tuples)
def exp(a):
    y = math.exp(a.number)
    return Value(y, (a), (y))


def divide(a, b):
    y = a.number / b.number
    return Value(y, (a, b), (1 / b.number, -y / b.number))


# %% exercise 5, wrong: one slope for two parents (must say: divide(a, b): each parent needs a slope)
def exp(a):
    y = math.exp(a.number)
    return Value(y, (a,), (y,))


def divide(a, b):
    return Value(a.number / b.number, (a, b), (1 / b.number,))
