"""Where the files of the tests lie."""

from pathlib import Path

ROOT = Path(__file__).parent.parent
MODELS = ROOT / "tests" / "models"
SAMPLES = ROOT / "samples"
