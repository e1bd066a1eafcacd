"""Answers to the exercises of chapter 17; CONTRIBUTING.md describes the form."""


# %% exercise 1, right: gather
def last_state(outputs, lengths):
    index = (lengths - 1).view(-1, 1, 1).expand(-1, 1, outputs.shape[2])
    return outputs.gather(1, index)[:, 0]


# %% exercise 1, right: a loop over the sequences
def last_state(outputs, lengths):
    return torch.stack([rows[:n][-1] for rows, n in zip(outputs, lengths.tolist())])


# %% exercise 1, right: a mask that leaves one step
def last_state(outputs, lengths):
    steps = torch.arange(outputs.shape[1])
    return (outputs * (steps == lengths[:, None] - 1)[..., None]).sum(dim=1)


# %% exercise 1, wrong: the last column (must say: reads the padding)
def last_state(outputs, lengths):
    return outputs[:, -1]


# %% exercise 1, wrong: the step after the end (must say: one step too late)
def last_state(outputs, lengths):
    return outputs[torch.arange(len(outputs)), lengths.clamp(max=outputs.shape[1] - 1)]


# %% exercise 1, wrong: off by one (must say: one step too early)
def last_state(outputs, lengths):
    return outputs[torch.arange(len(outputs)), lengths - 2]


# %% exercise 1, wrong: a mean (must say: a mean over the steps)
def last_state(outputs, lengths):
    return torch.stack([rows[:n].mean(dim=0) for rows, n in zip(outputs, lengths.tolist())])


# %% exercise 1, wrong: all pairs (must say: has the shape)
def last_state(outputs, lengths):
    return outputs[:, lengths - 1]


# %% exercise 2, right: quarters of each bias
def open_forget_gate(lstm, bias):
    for name, p in lstm.named_parameters():
        if name.startswith("bias"):
            forget = p.data.chunk(4)[1]
            forget.fill_(bias if "_ih_" in name else 0.0)


# %% exercise 2, right: half in each bias
def open_forget_gate(lstm, bias):
    with torch.no_grad():
        for weights in lstm.all_weights:
            for p in weights[2:]:
                p.view(4, -1)[1] = bias / 2


# %% exercise 2, right: correct only one of them
def open_forget_gate(lstm, bias):
    n = lstm.hidden_size
    for layer in range(lstm.num_layers):
        b_ih, b_hh = (getattr(lstm, f"bias_{kind}_l{layer}").data for kind in ("ih", "hh"))
        b_hh[n : 2 * n] = bias - b_ih[n : 2 * n]


# %% exercise 2, wrong: both biases (must say: the two biases add up to twice)
def open_forget_gate(lstm, bias):
    n = lstm.hidden_size
    for name, p in lstm.named_parameters():
        if name.startswith("bias"):
            p.data[n : 2 * n] = bias


# %% exercise 2, wrong: the first quarter (must say: another gate changed)
def open_forget_gate(lstm, bias):
    n = lstm.hidden_size
    for layer in range(lstm.num_layers):
        getattr(lstm, f"bias_ih_l{layer}").data[:n] = bias
        getattr(lstm, f"bias_hh_l{layer}").data[:n] = 0.0


# %% exercise 2, wrong: the first layer only (must say: layer 1 is unchanged)
def open_forget_gate(lstm, bias):
    n = lstm.hidden_size
    lstm.bias_ih_l0.data[n : 2 * n] = bias
    lstm.bias_hh_l0.data[n : 2 * n] = 0.0


# %% exercise 2, wrong: the other bias kept (must say: the biases do not add up to)
def open_forget_gate(lstm, bias):
    n = lstm.hidden_size
    for layer in range(lstm.num_layers):
        getattr(lstm, f"bias_ih_l{layer}").data[n : 2 * n] = bias


# %% exercise 2, wrong: all gates (must say: another gate changed)
def open_forget_gate(lstm, bias):
    for layer in range(lstm.num_layers):
        getattr(lstm, f"bias_ih_l{layer}").data.fill_(bias)
        getattr(lstm, f"bias_hh_l{layer}").data.zero_()


# %% exercise 3, right: column by column
def to_the_start(W, outputs, grad):
    for t in range(len(outputs) - 1, -1, -1):
        grad = W.T @ ((1 - outputs[t] ** 2) * grad)
    return grad


# %% exercise 3, right: one matrix from all Jacobians
def to_the_start(W, outputs, grad):
    product = torch.eye(len(W))
    for h in outputs:
        product = torch.diag(1 - h**2) @ W @ product
    return grad @ product


# %% exercise 3, wrong: the matrix forwards (must say: W is transposed)
def to_the_start(W, outputs, grad):
    for h in outputs.flip(0):
        grad = ((1 - h**2) * grad) @ W.T
    return grad


# %% exercise 3, wrong: no slope (must say: the slope of tanh is missing)
def to_the_start(W, outputs, grad):
    for _ in outputs:
        grad = grad @ W
    return grad


# %% exercise 3, wrong: first step first (must say: the steps run forwards)
def to_the_start(W, outputs, grad):
    for h in outputs:
        grad = ((1 - h**2) * grad) @ W
    return grad


# %% exercise 3, wrong: the first step left out (must say: one step is missing)
def to_the_start(W, outputs, grad):
    for t in range(len(outputs) - 1, 0, -1):
        grad = ((1 - outputs[t] ** 2) * grad) @ W
    return grad


# %% exercise 4, right: only the real places
def bits_per_character(logits, target, mask):
    return F.cross_entropy(logits[mask], target[mask]) / math.log(2)


# %% exercise 4, right: ignore_index
def bits_per_character(logits, target, mask):
    target = target.masked_fill(~mask, -1)
    nats = F.cross_entropy(logits.flatten(0, 1), target.flatten(), ignore_index=-1)
    return nats / torch.tensor(2.0).log()


# %% exercise 4, right: by hand, with base 2
def bits_per_character(logits, target, mask):
    log2_p = logits.softmax(dim=-1).log2().gather(2, target[..., None])[..., 0]
    return -log2_p[mask].mean()


# %% exercise 4, wrong: nats (must say: these are nats)
def bits_per_character(logits, target, mask):
    return F.cross_entropy(logits[mask], target[mask])


# %% exercise 4, wrong: no mask (must say: padding counts)
def bits_per_character(logits, target, mask):
    return F.cross_entropy(logits.transpose(1, 2), target) / math.log(2)


# %% exercise 4, wrong: divided by all places (must say: padding counts in the division)
def bits_per_character(logits, target, mask):
    each = F.cross_entropy(logits.transpose(1, 2), target, reduction="none")
    return (each * mask).mean() / math.log(2)


# %% exercise 4, wrong: each sequence the same (must say: a mean of means)
def bits_per_character(logits, target, mask):
    each = F.cross_entropy(logits.transpose(1, 2), target, reduction="none") * mask
    return (each.sum(dim=1) / mask.sum(dim=1)).mean() / math.log(2)
