"""What the first training of a process would compute and every later one find there: done once, in the fork server.

Importing this does it. It must leave no thread behind, so nothing is multiplied here.
"""

from transformers.conversion_mapping import get_checkpoint_conversion_mapping

# Compiles the patterns by which transformers knows the weights of all its models: half a second.
get_checkpoint_conversion_mapping("llama")
