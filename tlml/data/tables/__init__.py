"""Tables as domains: frames and files, whose columns are inputs, targets, groups and time."""
