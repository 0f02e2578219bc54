"""Runs programs in the sandbox, one a line, and says how each ended. Given the standard library and the sandbox."""

from __future__ import annotations

import json
import sys

if __name__ == "__main__":
    sys.path.insert(0, sys.argv[1])
    from twt_core.sandbox.contained import refusal, run
    from twt_core.sandbox.program import Limits, Snippet, Values

    for line in sys.stdin:
        job = json.loads(line)
        (answer,) = run(job["source"], [Snippet("", (job["expression"],))], Limits(seconds=job["seconds"]))
        ended = {"value": repr(answer.values[0])} if isinstance(answer, Values) else {"verdict": answer.verdict}
        print(json.dumps({"refusal": refusal(), **ended}), flush=True)
