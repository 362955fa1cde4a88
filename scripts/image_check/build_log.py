"""Reads the log of a build, of buildah or of Docker's BuildKit: which steps ran, and which were taken from the cache.

As a program, it reads a log from standard input and prints the steps as JSON.
"""

import json
import re
import sys

# [2/7] STEP 3/9: RUN make        (an image of one stage has no first bracket)
BUILDAH_STEP = re.compile(r"^(?:\[(\d+)/\d+\] )?STEP (\d+)/\d+: (.*)$")
BUILDAH_CACHED = re.compile(r"^--> Using cache ([0-9a-f]{12,64})$")
BUILDAH_RESULT = re.compile(r"^--> [0-9a-f]{11,64}$")
BUILDAH_IMAGE = re.compile(r"^(?:--> )?([0-9a-f]{11,64})$")

# #12 [build 3/9] RUN make        #12 CACHED
BUILDKIT_STEP = re.compile(r"^#(\d+) \[([^\]]*?) *(\d+)/\d+\] (.*)$")
BUILDKIT_CACHED = re.compile(r"^#(\d+) CACHED$")


def steps(log):
    """The steps in order, without those that only name a base image: `stage`, `number`, `text`, `cached`."""
    found, by_vertex = [], {}
    # Steps of buildah without a result so far. A step that copies from another stage waits for that stage.
    waiting = []
    for line in log.splitlines():
        line = line.rstrip()
        if match := BUILDAH_STEP.match(line):
            step = {"stage": match[1] or "1", "number": int(match[2]), "text": match[3], "cached": False}
            found.append(step)
            if not step["text"].startswith("FROM "):
                waiting.append(step)
        elif BUILDAH_CACHED.match(line) and waiting:
            waiting[-1]["cached"] = True
        elif BUILDAH_RESULT.match(line) and waiting:
            waiting.pop()
        elif match := BUILDKIT_STEP.match(line):
            # BuildKit repeats the name of a step whose output it shows again.
            if match[1] not in by_vertex:
                by_vertex[match[1]] = {"stage": match[2], "number": int(match[3]), "text": match[4], "cached": False}
                found.append(by_vertex[match[1]])
        elif (match := BUILDKIT_CACHED.match(line)) and match[1] in by_vertex:
            by_vertex[match[1]]["cached"] = True
    return [step for step in found if not step["text"].startswith("FROM ")]


def images(log):
    """Beginnings of the identifiers of the images, also intermediate ones, that a build by buildah made or used."""
    matches = (BUILDAH_CACHED.match(line) or BUILDAH_IMAGE.match(line) for line in map(str.rstrip, log.splitlines()))
    return {match[1] for match in matches if match}


if __name__ == "__main__":
    print(json.dumps(steps(sys.stdin.read())))
