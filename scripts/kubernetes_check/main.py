"""Validates the overlays of deploy/kubernetes; see scripts/kubernetes-check."""

import subprocess
import sys
from pathlib import Path

import yaml
from consistency import problems
from iam_token import token_problems
from mutations import missed
from schemas import Schemas

FOLDER = Path("deploy/kubernetes")


def render(overlay: Path) -> list[dict]:
    rendered = subprocess.run(["kubectl", "kustomize", str(overlay)], check=True, stdout=subprocess.PIPE, text=True)
    return list(yaml.safe_load_all(rendered.stdout))


def unknown_arguments(program: str, objects: list[dict]) -> list[str]:
    """The command lines that the program refuses. It reads them up to `--help`, and does nothing else."""
    found = []
    for each in objects:
        for container in each.get("spec", {}).get("template", {}).get("spec", {}).get("containers", []):
            arguments = container.get("args", [])
            if arguments[:1] != ["clipdraw"]:
                continue
            answer = subprocess.run([program, *arguments[1:], "--help"], capture_output=True, text=True)
            if answer.returncode != 0:
                found.append(f"{each['metadata']['name']}: {' '.join(arguments)}: {answer.stderr.strip()}")
    return found


def main() -> int:
    program = sys.argv[2] if len(sys.argv) > 2 else None
    schemas = Schemas(Path(sys.argv[1]))
    failures = list(token_problems())
    valid = mutants = 0
    overlays = [FOLDER / "base", *sorted(each.parent for each in FOLDER.glob("overlays/*/kustomization.yaml"))]
    seen: list[dict] = []
    for overlay in overlays:
        objects = render(overlay)
        found = [f"{each['kind']}/{each['metadata']['name']}: {problem}" for each in objects for problem in schemas.problems(each)]
        found += problems(objects)
        if program:
            found += unknown_arguments(program, objects)
        failures += [f"{overlay}: {problem}" for problem in found]
        valid += len(objects)
        if found:
            continue
        new = [each for each in objects if each not in seen]
        seen += new
        count, survivors = missed(objects, new, schemas)
        mutants += count
        failures += [f"{overlay}: nothing notices {mutant}" for mutant in survivors]
    for failure in failures:
        print(f"kubernetes-check: error: {failure}", file=sys.stderr)
    asked = "its arguments are known" if program else "no program was asked about its arguments"
    print(f"kubernetes-check: {len(overlays)} overlays, {valid} objects, {mutants} mistakes made on purpose, {len(failures)} errors; {asked}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
