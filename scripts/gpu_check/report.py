"""The report: rows, Markdown, and the estimate for a T4."""

import datetime
import json
import os

# What a T4 does: fp16 matrix products and memory at its 70 W, its multiprocessors, and the clock that it keeps.
T4_FLOPS = 25e12
T4_BYTES = 260e9
T4_MULTIPROCESSORS = 40
T4_MHZ = 1200

# Floating point operations and bytes of CLIP in a step of four views a drawing, counted from its operations.
CLIP_COUNTS = {
    ("ViT-B/32 fp16", 1): (66e9, 1.1e9),
    ("ViT-B/32 fp16", 16): (1059e9, 9.65e9),
    ("ViT-L/14 fp16", 1): (1276e9, 0),
}

# The ways to do steps, as `clipdraw check` names them, in the order of the table.
WAYS = ("CUDA graphs", "runs", "steps", "steps with the renderer on the processor")

FORMULA = (
    f"step = max(CUDA graph here, operations / {T4_FLOPS / 1e12:.0f} TFLOP/s + bytes / {T4_BYTES / 1e9:.0f} GB/s + render here x "
    f"multiprocessors x MHz here / ({T4_MULTIPROCESSORS} x {T4_MHZ}))"
)


class Report:
    """Collects rows and writes both files after each, so that nothing is lost."""

    def __init__(self, folder, device):
        self.folder, self.device = folder, device
        self.date = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
        self.card = self.driver = None
        self.machine, self.rows = None, []
        os.makedirs(folder, exist_ok=True)
        self.write()

    def passed(self):
        return bool(self.rows) and all(row["outcome"] != "failed" for row in self.rows)

    def add(self, part, check, outcome, figure, values=None):
        row = {"part": part, "check": check, "outcome": outcome, "figure": figure, "values": values or {}}
        self.rows.append(row)
        print(markdown_row(row), flush=True)
        self.write()

    def check(self, part, check, passed, figure):
        self.add(part, check, "passed" if passed else "failed", figure)

    def add_findings(self, part, file):
        """Adds what `clipdraw check --json` wrote."""
        with open(file) as text:
            report = json.load(text)
        self.machine = report["machine"]
        for finding in report["findings"]:
            check = f"{finding['group']}: {finding['check']}"
            self.add(part, check, finding["outcome"], finding["figure"], finding["values"])

    def speeds(self):
        """Rows of the table of speeds: part, drawings, milliseconds of each way to do steps, stages."""
        table = {}
        for row in self.rows:
            drawings = row["values"].get("drawings")
            if drawings is None:
                continue
            entry = table.setdefault((row["part"], int(drawings)), {})
            if "clip_ms" in row["values"]:
                entry.update({name: row["values"][name] for name in ("render_forward_ms", "clip_ms", "render_backward_ms", "rest_ms")})
            else:
                way = row["check"].split(": ", 1)[1].rsplit(", ", 1)[0]
                entry[way] = row["values"]["step_ms"]
        return table

    def estimates(self):
        """Milliseconds a step on a T4, by part and number of drawings."""
        properties = (self.machine or {}).get("properties")
        if not properties:
            return {}
        speed = properties["multiprocessors"] * properties["clock_mhz"] / (T4_MULTIPROCESSORS * T4_MHZ)
        found = {}
        for key, (operations, moved) in CLIP_COUNTS.items():
            entry = self.speeds().get(key, {})
            if "CUDA graphs" not in entry or "clip_ms" not in entry:
                continue
            render = (entry["render_forward_ms"] + entry["render_backward_ms"]) * speed
            device = 1000 * operations / T4_FLOPS + 1000 * moved / T4_BYTES + render
            found[key] = max(entry["CUDA graphs"], device)
        return found

    def write(self):
        everything = {
            "passed": self.passed(),
            "date": self.date,
            "device": self.device,
            "card": self.card,
            "driver": self.driver,
            "machine": self.machine,
            "rows": self.rows,
            "t4_estimate": {
                "formula": FORMULA,
                "step_ms": {f"{part}, {count}": value for (part, count), value in self.estimates().items()},
            },
        }
        with open(os.path.join(self.folder, "report.json"), "w") as file:
            json.dump(everything, file, indent=1)
        with open(os.path.join(self.folder, "report.md"), "w") as file:
            file.write(self.markdown())

    def markdown(self):
        failed = sum(row["outcome"] == "failed" for row in self.rows)
        lines = [
            "# GPU report",
            "",
            f"- date: {self.date}",
            f"- device: {self.device}, card: {self.card or 'none'}, driver: {self.driver or 'none'}",
        ]
        if self.machine:
            lines += [f"- clipdraw {self.machine['program']}, {self.machine['libtorch']}; {self.machine['cuda']}"]
        lines += [
            f"- {len(self.rows)} checks and measurements, {failed} failed",
            "",
            "## Speed",
            "",
            "Milliseconds a step (medians): in runs of ten steps captured as CUDA graphs, in runs without them, in steps that return to the host, and "
            "in steps with the renderer on the processor, where only CLIP is on the device. The stages are from steps that wait for the device "
            "after each.",
            "",
            "| model | drawings | CUDA graphs | runs | steps | with the renderer on the processor | render forward | CLIP | render backward | rest |",
            "|---|---|---|---|---|---|---|---|---|---|",
        ]
        for (part, drawings), entry in self.speeds().items():
            names = (*WAYS, "render_forward_ms", "clip_ms", "render_backward_ms", "rest_ms")
            cells = [f"{entry[name]:.2f}" if name in entry else "" for name in names]
            lines.append(f"| {part} | {drawings} | " + " | ".join(cells) + " |")
        if self.estimates():
            lines += ["", "## A T4, estimated", "", f"Not measured. {FORMULA}", "", "| model | drawings | step |", "|---|---|---|"]
            lines += [f"| {part} | {drawings} | {value:.1f} ms |" for (part, drawings), value in self.estimates().items()]
        lines += ["", "## Checks", "", "| part | check | result | figure |", "|---|---|---|---|"]
        lines += [markdown_row(row) for row in self.rows]
        return "\n".join(lines) + "\n"


def markdown_row(row):
    outcome = "**failed**" if row["outcome"] == "failed" else row["outcome"]
    cells = [row["part"], row["check"], outcome, row["figure"]]
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
