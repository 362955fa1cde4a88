"""What is mounted below a folder."""

import subprocess


def unmount_below(folder):
    """Unmounts what a run that was killed left mounted; returns whether nothing is left."""
    for _ in range(3):
        mounted = mounted_below(folder)
        for place in reversed(mounted):
            subprocess.run(["umount", place], capture_output=True)
    return not mounted_below(folder)


def mounted_below(folder):
    with open("/proc/self/mounts") as file:
        places = [line.split()[1].encode().decode("unicode_escape") for line in file]
    return [place for place in places if place.startswith(folder.rstrip("/") + "/")]
