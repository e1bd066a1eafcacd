"""Answers to the exercises of chapter 16; CONTRIBUTING.md describes the form."""


# %% exercise 1, right: prefixes of parameter names, then the modules outside the head
def train_head_only(model, head):
    for name, parameter in model.named_parameters():
        parameter.requires_grad = name.split(".")[0] == head
    model.train()
    inside = set(model.get_submodule(head).modules())
    for module in model.modules():
        if module not in inside and isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval()


# %% exercise 1, right: all norms off by their buffers, then the head on again
def train_head_only(model, head):
    model.requires_grad_(False)
    model.train()
    for module in model.modules():
        if hasattr(module, "running_mean"):
            module.train(False)
    part = getattr(model, head)
    part.train()
    part.requires_grad_(True)


# %% exercise 1, wrong: only the gradients (must say: running numbers move)
def train_head_only(model, head):
    model.requires_grad_(False)
    model.get_submodule(head).requires_grad_(True)
    model.train()


# %% exercise 1, wrong: by the name "bn" (must say: running numbers move: downsample)
def train_head_only(model, head):
    model.requires_grad_(False)
    model.get_submodule(head).requires_grad_(True)
    model.train()
    for name, module in model.named_modules():
        if "bn" in name or name == "flat":
            module.eval()


# %% exercise 1, wrong: only the two-dimensional ones (must say: running numbers move: flat)
def train_head_only(model, head):
    model.requires_grad_(False)
    model.get_submodule(head).requires_grad_(True)
    model.train()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()


# %% exercise 1, wrong: everything in evaluation mode (must say: dropout is off)
def train_head_only(model, head):
    model.requires_grad_(False)
    model.eval()
    model.get_submodule(head).requires_grad_(True).train()


# %% exercise 1, wrong: frozen last (must say: the head is frozen)
def train_head_only(model, head):
    model.get_submodule(head).requires_grad_(True)
    model.requires_grad_(False)
    model.train()
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval()


# %% exercise 1, wrong: the body's norms stay trainable (must say: still trainable outside)
def train_head_only(model, head):
    model.requires_grad_(False)
    model.get_submodule(head).requires_grad_(True)
    model.train()
    for name, module in model.named_modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and not name.startswith(head):
            module.requires_grad_(True).eval()


# %% exercise 1, wrong: the head's own norm is fixed, too (must say: own batch normalisation)
def train_head_only(model, head):
    model.requires_grad_(False)
    model.get_submodule(head).requires_grad_(True)
    model.train()
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval()


# %% exercise 1, wrong: a name that begins like the head's (must say: still trainable outside)
def train_head_only(model, head):
    model.train()
    for name, parameter in model.named_parameters():
        parameter.requires_grad = name.startswith(head)
    for name, module in model.named_modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and not name.startswith(head):
            module.eval()


# %% exercise 2, right: detached copies as new parameters
def head_from_rows(old, rows):
    new = nn.Linear(old.in_features, len(rows), bias=old.bias is not None)
    new.weight = nn.Parameter(old.weight.detach()[rows].clone())
    if old.bias is not None:
        new.bias = nn.Parameter(old.bias.detach()[rows].clone())
    return new


# %% exercise 2, right: through a state_dict
def head_from_rows(old, rows):
    state = {name: value[list(rows)] for name, value in old.state_dict().items()}
    new = nn.Linear(old.weight.shape[1], len(rows), bias="bias" in state)
    new.load_state_dict(state)
    return new


# %% exercise 2, wrong: sorted rows (must say: the order of the rows)
def head_from_rows(old, rows):
    state = {name: value[sorted(rows)] for name, value in old.state_dict().items()}
    new = nn.Linear(old.in_features, len(rows), bias="bias" in state)
    new.load_state_dict(state)
    return new


# %% exercise 2, wrong: the bias is a new one (must say: wrong outputs)
def head_from_rows(old, rows):
    new = nn.Linear(old.in_features, len(rows), bias=old.bias is not None)
    with torch.no_grad():
        new.weight.copy_(old.weight[rows])
    return new


# %% exercise 2, wrong: always with a bias (must say: a bias only if)
def head_from_rows(old, rows):
    new = nn.Linear(old.in_features, len(rows))
    with torch.no_grad():
        new.weight.copy_(old.weight[rows])
        new.bias.copy_(old.bias[rows] if old.bias is not None else torch.zeros(len(rows)))
    return new


# %% exercise 2, wrong: the old layer is cut (must say: changes the old one)
def head_from_rows(old, rows):
    new = copy.deepcopy(old)
    new.out_features = len(rows)
    new.weight = nn.Parameter(old.weight.detach()[rows])
    if old.bias is not None:
        new.bias = nn.Parameter(old.bias.detach()[rows])
    with torch.no_grad():
        old.weight.zero_()
    return new


# %% exercise 2, wrong: columns instead of rows (must say: another size)
def head_from_rows(old, rows):
    return nn.Linear(len(rows), old.out_features, bias=old.bias is not None)


# %% exercise 2, wrong: a tensor, not a layer (must say: a linear layer is expected)
def head_from_rows(old, rows):
    return old.weight[rows]


# %% exercise 3, right: the course's Ensemble, predict takes care of the modes
def vote(members, x):
    return train.predict(models.Ensemble(members), x).argmax(dim=1)


# %% exercise 3, right: a running sum of exponentials
def vote(members, x):
    total = 0
    for member in members:
        training = [part for part in member.modules() if part.training]
        member.train(False)
        with torch.no_grad():
            z = member(x)
        for part in training:
            part.training = True
        z = (z - z.max(dim=1, keepdim=True).values).exp()
        total = total + z / z.sum(dim=1, keepdim=True)
    return total.max(dim=1).indices


# %% exercise 3, wrong: logits are averaged (must say: logits were averaged)
def vote(members, x):
    modes = [member.training for member in members]
    with torch.inference_mode():
        each = torch.stack([member.eval()(x) for member in members])
    for member, mode in zip(members, modes):
        member.train(mode)
    return each.mean(dim=0).argmax(dim=-1)


# %% exercise 3, wrong: argmax without dim (must say: one number for all examples)
def vote(members, x):
    with torch.inference_mode():
        each = torch.stack([member.eval()(x).softmax(dim=-1) for member in members])
    return each.mean(dim=0).argmax()


# %% exercise 3, wrong: no eval (must say: members were in training mode)
def vote(members, x):
    with torch.inference_mode():
        each = torch.stack([member(x).softmax(dim=-1) for member in members])
    return each.mean(dim=0).argmax(dim=-1)


# %% exercise 3, wrong: the graph is recorded (must say: a graph was recorded)
def vote(members, x):
    modes = [member.training for member in members]
    each = torch.stack([member.eval()(x).softmax(dim=-1) for member in members])
    for member, mode in zip(members, modes):
        member.train(mode)
    return each.mean(dim=0).argmax(dim=-1)


# %% exercise 3, wrong: left in evaluation mode (must say: mode has changed)
def vote(members, x):
    with torch.inference_mode():
        each = torch.stack([member.eval()(x).softmax(dim=-1) for member in members])
    return each.mean(dim=0).argmax(dim=-1)


# %% exercise 3, wrong: a frozen part of a member thaws (must say: part's mode has changed)
def vote(members, x):
    modes = [member.training for member in members]
    with torch.inference_mode():
        each = torch.stack([member.eval()(x).softmax(dim=-1) for member in members])
    for member, mode in zip(members, modes):
        member.train(mode)
    return each.mean(dim=0).argmax(dim=-1)


# %% exercise 3, wrong: the most frequent class (must say: wrong classes)
def vote(members, x):
    modes = [member.training for member in members]
    with torch.inference_mode():
        each = torch.stack([member.eval()(x).argmax(dim=-1) for member in members])
    for member, mode in zip(members, modes):
        member.train(mode)
    return each.mode(dim=0).values
