"""Every test, nbval's included, runs hermetically: quick profile, stand-in data, CPU, one thread.

A variable that you set yourself is respected.
"""

import os

from tools.hermetic import HERMETIC

for _name, _value in HERMETIC.items():
    os.environ.setdefault(_name, _value)
