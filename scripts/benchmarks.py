"""Makes the table of speeds in the README from `cargo bench --bench speed`. `scripts/benchmarks` explains the arguments."""

import argparse
import datetime
import os
import re
import statistics
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
BEGIN = "<!-- speed: begin -->\n"
END = "<!-- speed: end -->"
RUNS = 3

# What a row says, and the benchmarks whose times it names.
ROWS = [
    ("picture and gradients, 256 strokes of half width 1", ["raster/picture_and_gradient/256 strokes of 1 to 1"]),
    ("the same, half widths 1 to 20", ["raster/picture_and_gradient/256 strokes of 1 to 20"]),
    ("the same, 1,024 strokes of half width 1", ["raster/picture_and_gradient/1024 strokes of 1 to 1"]),
    ("the same, a finished drawing of 256 strokes", ["raster/picture_and_gradient/a finished drawing"]),
    (
        "4 views of 64 pixels and their gradient, canvas of 224 / 1,024 pixels",
        [
            "views/four_views/64 of a canvas of 224 + views/gradient_of_four_views/64 of a canvas of 224",
            "views/four_views/64 of a canvas of 1024 + views/gradient_of_four_views/64 of a canvas of 1024",
        ],
    ),
    ("**a whole step, embedded model**", ["step/whole_step/embedded"]),
    (
        "CLIP in it; libtorch for the same batch",
        ["step/clip_alone/embedded", "step/clip_alone_on_libtorchs_threads/embedded"],
    ),
    ("a step with 1 / 2 / 3 / 8 views", [f"step/step_by_views/{views}" for views in (1, 2, 3, 8)]),
    ("a step on a canvas of 512 / 1,024 pixels", [f"step/step_by_canvas/{side}" for side in (512, 1024)]),
    (
        "a step with 1 / 2 / 4 / 8 threads",
        [f"step/step_by_threads/{threads}" for threads in (1, 2, 4, 8)],
    ),
    (
        "a step of 2 / 4 / 8 drawings together",
        [f"step/step_of_several_drawings/{count}" for count in (2, 4, 8)],
    ),
    ("**a whole step, ViT-B/32 in fp32 without libtorch**", ["step/whole_step/ViT-B/32"]),
    (
        "CLIP in it; libtorch for pairs of views / for all views at once / for pairs in bf16",
        [
            "step/clip_alone/ViT-B/32",
            "step/clip_alone_by_libtorch/ViT-B/32",
            "step/clip_alone_on_libtorchs_threads/ViT-B/32",
            "step/clip_alone/ViT-B/32 bf16",
        ],
    ),
    (
        "CLIP for one view; libtorch for it",
        ["step/clip_alone_one_view/ViT-B/32", "step/clip_alone_one_view_by_libtorch/ViT-B/32"],
    ),
]

UNITS = {"ns": 1e-6, "µs": 1e-3, "us": 1e-3, "ms": 1.0, "s": 1e3}


def medians(output: str) -> dict[str, float]:
    """The medians in milliseconds by the path of the benchmark, from divan's tree."""
    found: dict[str, float] = {}
    path: list[str] = []
    for line in output.splitlines():
        branch = re.match(r"^([│ ]*)[├╰]─ (.*)$", line)
        if not branch:
            continue
        columns = branch.group(2).split("│")
        # The first column has the name and, behind spaces, the fastest time.
        name = re.split(r"\s{2,}", columns[0].strip())[0]
        del path[len(branch.group(1)) // 3 :]
        path.append(name)
        if len(columns) < 3:
            continue
        time = re.match(r"^\s*([\d.]+) (\S+)", columns[2])
        if time:
            found["/".join(path)] = float(time.group(1)) * UNITS[time.group(2)]
    return found


def milliseconds(value: float | None) -> str:
    if value is None:
        return "-"
    digits = 1 if value < 100 else 0
    return f"{value:.{digits}f}"


def table(runs: list[dict[str, float]], machine: str) -> str:
    """The table, with the median over the runs."""

    def time(names: str) -> float | None:
        """The median, or None for bf16 on a processor without it, which is not measured."""
        if names.endswith(" bf16") and not any(names in run for run in runs):
            return None
        return statistics.median(sum(run[name] for name in names.split(" + ")) for run in runs)

    source = "one run" if len(runs) == 1 else f"{len(runs)} runs"
    lines = [f"Medians of {source} on {machine}:\n", "| what | time |", "|---|---|"]
    for title, benchmarks in ROWS:
        times = " / ".join(milliseconds(time(names)) for names in benchmarks)
        lines.append(f"| {title} | {times} ms |")
    return "\n".join(lines) + "\n"


def machine() -> str:
    cores = os.cpu_count()
    info = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    model = re.search(r"^model name\s*: (.*)$", info, re.MULTILINE)
    vectors = "AVX-512" if " avx512f" in info else "AVX2" if " avx2" in info else "no AVX2"
    name = f"{cores} cores of an {model.group(1)}" if model else f"{cores} cores"
    return f"{name} ({vectors}), {datetime.date.today():%B %Y}"


def run() -> str:
    command = ["cargo", "bench", "--bench", "speed"]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT).stdout


def write(text: str) -> None:
    before, rest = README.read_text().split(BEGIN)
    _, after = rest.split(END)
    README.write_text(before + BEGIN + text + END + after)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="put the table into README.md")
    parser.add_argument("--output", nargs="+", type=Path, help="what the benchmarks printed before")
    arguments = parser.parse_args()
    outputs = [path.read_text() for path in arguments.output] if arguments.output else [run() for _ in range(RUNS)]
    text = table([medians(output) for output in outputs], machine())
    print(text, end="")
    if arguments.write:
        write(text)


if __name__ == "__main__":
    main()
