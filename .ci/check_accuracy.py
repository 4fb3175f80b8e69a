"""A run must have learnt: check_accuracy.py METRICS LEAST."""

import json
import sys
from pathlib import Path

accuracy = json.loads(Path(sys.argv[1]).read_text())["test_accuracy"]["test"]
least = float(sys.argv[2])
print(f"{'ok' if accuracy >= least else 'FAILED'}: test accuracy {accuracy}, expected {least}")
sys.exit(accuracy < least)
