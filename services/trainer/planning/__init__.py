"""What a training will do, decided before a weight is loaded. Pure but for `hardware`, which looks at the machine."""
