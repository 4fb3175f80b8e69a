"""The demo must have learnt: well above chance, and the transformer to take back turns."""

import json
import sys
from pathlib import Path

models = {model["model"]: model for model in json.loads(Path(sys.argv[1]).read_text())["models"]}
cnn, stn = models["cnn"], models["stn-cnn"]
checks = {
    "CNN above 90 % on originals": cnn["accuracy"]["original"]["mean"] > 0.9,
    "STN above 90 % on distorted images": stn["accuracy"]["distorted"]["mean"] > 0.9,
    "STN better than CNN on distorted images": stn["accuracy"]["distorted"]["mean"]
    > cnn["accuracy"]["distorted"]["mean"],
    "STN takes back a part of a turn": stn["invariance"]["turned by 10 degrees"] > 0.1,
}
for name, holds in checks.items():
    print(f"{'ok' if holds else 'FAILED'}: {name}")
sys.exit(not all(checks.values()))
