"""The course's benchmarks: what is measured (cases), how (run), and its lines of text."""

from helpers.timing._suite.cases import GROUPS
from helpers.timing._suite.run import suite
from helpers.timing._suite.text import format_record

__all__ = ["GROUPS", "format_record", "suite"]
