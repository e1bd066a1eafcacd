"""Several processes for one notebook: a function is run in all of them at once.

    team = scale.Team(2)              # torchrun starts two processes, once
    team.run(function, x, y)          # [what the first returned, what the second returned]
    team.close()

The functions are those that the notebook's cells define. What they use comes with them: modules,
functions and classes of the notebook, numbers and tensors. In each process the default process
group is there (``gloo`` on the CPU, ``nccl`` where each process has a GPU of its own), and so are
torchrun's variables, so that :func:`helpers.train.fit` trains with all processes.

Taught in notebooks/32_scaling_out.ipynb.
"""

from helpers.scale.memory import local_bytes, state_bytes
from helpers.scale.team import Team, TeamError

__all__ = ["Team", "TeamError", "local_bytes", "state_bytes"]
