"""What was checked, what was substituted, and what was skipped: one line each."""


class Skipped(Exception):
    """A check that cannot be made on this machine."""


class Report:
    """Prints each result as it comes, and counts."""

    def __init__(self):
        self.passed, self.failures, self.substituted, self.skipped = 0, [], [], []

    def check(self, name, passed, figure=""):
        """A result; returns whether the check passed."""
        line = f"{name}: {figure}" if figure else name
        if passed:
            self.passed += 1
            print(f"ok      {line}", flush=True)
        else:
            self.failures.append(line)
            print(f"FAILED  {line}", flush=True)
        return passed

    def equal(self, name, found, expected):
        """Whether a value is the expected one, which is printed only if it is not."""
        same = found == expected
        return self.check(name, same, shortened(found) if same else f"{shortened(found)}, expected {shortened(expected)}")

    def note(self, text):
        print(f"        {text}", flush=True)

    def substitute(self, text):
        self.substituted.append(text)
        print(f"instead {text}", flush=True)

    def skip(self, text):
        self.skipped.append(text)
        print(f"skipped: {text}", flush=True)

    def summary(self):
        """Prints the last lines; returns the exit status."""
        print()
        for title, lines in (("substituted", self.substituted), ("skipped", self.skipped), ("FAILED", self.failures)):
            for line in lines:
                print(f"image-check: {title}: {line}")
        print(f"image-check: {self.passed} checks passed, {len(self.failures)} failed, {len(self.skipped)} skipped")
        if self.failures:
            return 1
        return 0 if self.passed else 77


def shortened(value):
    text = str(value)
    return text if len(text) <= 120 else f"{text[:120]}... ({len(text)} characters)"
