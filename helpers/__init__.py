"""Models, the training loop and the timing benchmarks of the course.

Nothing runs at import. Import the modules you need: ``from helpers import data, env, train``.
"""
