"""Networks of libraries through `--verify_network`: `python bench/script_proofs.py --only resnet`.

Each is converted and proved as a user would: outputs, gradients of all parameters and running statistics in both modes.
Needs a Python that has the libraries, torch and mindspore: the one that runs this. `script_networks.py` compares
outputs only, and converts each source once.
"""

from __future__ import annotations

import argparse
import sys
import sysconfig
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main() -> None:
    """Prove each network, and print its verdict and what differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", default=[], help="parts of names of networks")
    parser.add_argument("--limit", type=float, default=600, help="seconds for each side of a proof")
    args = parser.parse_args()
    sys.path.insert(0, str(HERE.parent))
    from converter.script_api import convert_script

    site = Path(sysconfig.get_path("purelib"))
    proved = total = 0
    for line in (HERE / "script_networks.txt").read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        source, call, shapes = (part.strip() for part in line.split("|"))
        if args.only and not any(part in call for part in args.only):
            continue
        if ":" in shapes:  # numbers below a bound: the proof finds out by itself which inputs are integers
            shapes = ";".join(each.rpartition(":")[2] for each in shapes.split(";"))
        began, total = time.time(), total + 1
        with tempfile.TemporaryDirectory() as folder:
            try:
                found = convert_script(
                    site / source, output=folder, verify_network=call, shape=shapes.split(";"), verify_limit=args.limit
                )
            except Exception as error:  # the others are still to be proved
                print(f"{call}: {error}"[:300], flush=True)
                continue
        proved += found.verdict == "same"
        print(f"{call}: {found.verdict}, {time.time() - began:.0f} s", flush=True)
        assert found.verification is not None
        for each in found.verification.outputs:
            if each.verdict != "same":
                print(f"    {each.line()}"[:300], flush=True)
        if found.verification.note:
            print(f"    {found.verification.note}"[:300], flush=True)
    print(f"{proved} of {total} are the same")


if __name__ == "__main__":
    main()
