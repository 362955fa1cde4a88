"""Checks that a notebook is as it belongs in git, or makes it so: without outputs, numbers of executions, the state of widgets,
and whatever else Jupyter notes down when it runs.

    python3 scripts/notebook_outputs.py check|strip notebooks/clipdraw.ipynb
"""

import json
import sys
from pathlib import Path


def stripped(text: str) -> str:
    notebook = json.loads(text)
    for cell in notebook["cells"]:
        is_folded = cell["metadata"].get("jupyter", {}).get("source_hidden", False)
        cell["metadata"] = {"jupyter": {"source_hidden": True}} if is_folded else {}
        if cell["cell_type"] == "code":
            cell["outputs"] = []
            cell["execution_count"] = None
    notebook["metadata"] = {
        "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    # The form in which Jupyter writes notebooks.
    return json.dumps(notebook, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def main() -> int:
    mode, path = sys.argv[1], Path(sys.argv[2])
    before = path.read_text(encoding="utf-8")
    after = stripped(before)
    if mode == "strip":
        path.write_text(after, encoding="utf-8")
    elif before != after:
        print(f"{path.name} contains outputs or settings of an editor; remove them with scripts/notebook --strip", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
