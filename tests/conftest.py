"""Every test runs in the hermetic mode: quick profile, stand-in data, CPU, fixed threads."""

import os

HERMETIC = {
    "COURSE_PROFILE": "quick",
    "COURSE_DATA": "standin",
    "CUDA_VISIBLE_DEVICES": "",
    "OMP_NUM_THREADS": "1",
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",
}
for _name, _value in HERMETIC.items():
    os.environ.setdefault(_name, _value)
for _name in ("COURSE_DATA_MIRROR",):
    os.environ.pop(_name, None)
