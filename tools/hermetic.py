"""The settings of the regression run, for conftest.py and the tools; importing it does nothing."""

# Quick profile, stand-in data, CPU, one thread, one hash seed: what the stored outputs come from.
HERMETIC = {
    "COURSE_PROFILE": "quick",
    "COURSE_DATA": "standin",
    "CUDA_VISIBLE_DEVICES": "",
    "COURSE_PROGRESS": "0",
    "OMP_NUM_THREADS": "1",
    "PYTHONHASHSEED": "0",
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    # A figure whose layout collapses, with the oldest Matplotlib for instance, fails its cell.
    "PYTHONWARNINGS": "error:constrained_layout not applied:UserWarning",
}
