"""Inside the child: the model, the loop, checkpoints and evaluation. Only this folder sees torch."""
