"""Every test, nbval's included, runs hermetically: quick profile, stand-in data, CPU, one thread.

A variable that you set yourself is respected.
"""

import os

HERMETIC = {
    "COURSE_PROFILE": "quick",
    "COURSE_DATA": "standin",
    "CUDA_VISIBLE_DEVICES": "",
    "COURSE_PROGRESS": "0",
    "OMP_NUM_THREADS": "1",
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    # A figure whose layout collapses, with the oldest Matplotlib for instance, fails its cell.
    "PYTHONWARNINGS": "error:constrained_layout not applied:UserWarning",
}
for _name, _value in HERMETIC.items():
    os.environ.setdefault(_name, _value)
