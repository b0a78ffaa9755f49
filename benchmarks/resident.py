"""Memory of this process."""

import pathlib
import resource

STATUS = pathlib.Path("/proc/self/status")


def peak_gib():
    """The most memory that this process has held, in GiB.

    Linux hands `ru_maxrss` on to a child, which a large parent would so burden with its own; what
    it tells of the process alone is read instead, where there is such a thing.
    """
    if STATUS.is_file():
        fields = dict(line.split(":", 1) for line in STATUS.read_text().splitlines())
        if "VmHWM" in fields:
            return int(fields["VmHWM"].split()[0]) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
