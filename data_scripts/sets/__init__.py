"""The data sets, one module each or one for a few of a kind; found by themselves."""
