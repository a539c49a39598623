"""Imported before the libraries: bitsandbytes' import tells that it lacks kernels of a hub.

They serve its 4 bit inference on CPUs with AVX512-BF16. Trainings here compute without (`training/model.py`), and so
do answers, which are asked of unquantised weights.
"""

import logging

logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)
