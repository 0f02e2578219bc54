"""What a worker and its evaluator say to each other, on a line of their own."""

from __future__ import annotations

import struct

#: The worker: it can take programs.
READY = b"ready"
#: The evaluator, with three file descriptors: the job, and where the report and the output go.
JOB = b"j"
#: The evaluator: end the program. Said once for each.
END = b"e"
#: The worker, once for each program: it is gone, with this exit code or negative signal number.
STATUS = struct.Struct("=i")
