"""Programs that a model, or a data set, may hand over, each with the ways it may end.

Each defines `f`, which is to return 1 to pass. `{folder}` is a folder that everybody may write to, `{port}` a port on
loopback that listens, `{datagrams}` one that takes datagrams, `{socket}` an abstract socket that listens, `{secret}` a
name in the environment of the evaluator, whose process is `{evaluator}`.
"""

from __future__ import annotations

from typing import NamedTuple


class Hostile(NamedTuple):
    """A program, the ways it may end, and those where namespaces are around it and no more: it reaches itself there."""

    name: str
    source: str
    ends: tuple[str, ...]
    alone: tuple[str, ...] = ()


PROGRAMS = [
    Hostile("exits in the function", "import sys\ndef f():\n    sys.exit(0)", ("early_exit",)),
    Hostile("raises SystemExit(1)", "def f():\n    raise SystemExit(1)", ("early_exit",)),
    Hostile("leaves when imported", "import os\nos._exit(0)", ("early_exit",)),
    Hostile("leaves in the function", "import os\ndef f():\n    os._exit(0)", ("early_exit",)),
    Hostile(
        "returns an int that equals everything",
        "class Same(int):\n    __eq__ = lambda self, other: True\n    __hash__ = int.__hash__\n"
        "def f():\n    return Same(3)",
        ("bad_return",),
    ),
    Hostile(
        "returns an object that says it is an int",
        "class Same:\n    __class__ = int\n    __eq__ = lambda self, other: True\ndef f():\n    return Same()",
        ("bad_return",),
    ),
    Hostile(
        "walks frames and changes what it finds",
        "import sys\n"
        "def f():\n"
        "    frame = sys._getframe()\n"
        "    while frame:\n"
        "        for scope in (frame.f_locals, frame.f_globals):\n"
        "            for name, value in list(scope.items()):\n"
        "                if isinstance(value, list):\n"
        "                    value[:] = [True] * len(value)\n"
        "                if isinstance(value, dict) and name != 'scope':\n"
        "                    value['passed'] = True\n"
        "            scope['found'] = scope['values'] = scope['fault'] = None\n"
        "        frame = frame.f_back\n"
        "    return 0",
        ("failed", "error", "early_exit"),
    ),
    Hostile(
        "prints what a harness prints on success",
        "import sys\ndef f():\n    for out in (sys.stdout, sys.stderr, sys.__stdout__):\n"
        "        print('passed', 1, '[\"values\", \"1\"]', sep='\\n', file=out, flush=True)\n    return 0",
        ("failed",),
    ),
    Hostile(
        "writes verdicts wherever it can",
        "import os\ndef f():\n    for fd in range(64):\n        try:\n"
        '            os.write(fd, b\'["passed", ""]\\n\')\n        except OSError:\n            pass\n    return 0',
        ("bad_return", "failed"),
    ),
    Hostile(
        "replaces what a harness may rely on",
        "import atexit, builtins, json, os, sys\n"
        "builtins.AssertionError = builtins.Exception = type('None_', (BaseException,), {})\n"
        "sys.excepthook = lambda *a: None\natexit.register(os._exit, 0)\ndef f():\n    return 0",
        ("failed",),
    ),
    Hostile(
        "writes reports that are none",
        "import os\ndef f():\n    for fd in range(3, 64):\n        try:\n"
        "            os.write(fd, b'3\\n{}\\n[[]]\\n[\"values\", 3]\\n\\xff\\n')\n"
        "        except OSError:\n            pass\n    return 1",
        ("bad_return",),
    ),
    Hostile(
        "says that it was not to blame",
        "import os\ndef f():\n    for fd in range(3, 64):\n        try:\n"
        '            os.write(fd, b\'["infra", ""]\\n\')\n        except OSError:\n            pass\n    return 1',
        ("bad_return",),
    ),
    Hostile(
        "closes every stream and goes on",
        "import os\ndef f():\n    os.closerange(0, 64)\n    while 1: pass",
        ("timeout",),
    ),
    Hostile(
        "closes every stream and leaves",
        "import os\ndef f():\n    os.closerange(0, 64)\n    os._exit(0)",
        ("early_exit",),
    ),
    Hostile("fork bomb", "import os\ndef f():\n    while True:\n        os.fork()", ("error", "timeout")),
    Hostile(
        "stubborn fork bomb",
        "import os\ndef f():\n    while True:\n        try:\n            os.fork()\n"
        "        except OSError:\n            pass",
        ("error", "timeout"),
    ),
    Hostile(
        "thread bomb",
        "import threading, time\ndef f():\n    while True:\n"
        "        threading.Thread(target=time.sleep, args=(60,)).start()",
        ("error", "timeout"),
    ),
    Hostile(
        "daemon that writes later",
        "import os, time\ndef f():\n    if os.fork() == 0:\n        os.setsid()\n        if os.fork() == 0:\n"
        "            time.sleep(1)\n            open('{folder}/late', 'w').write('x')\n        os._exit(0)\n"
        "    return 1",
        ("error",),
    ),
    Hostile("busy loop", "def f():\n    while True:\n        pass", ("timeout",)),
    Hostile("sleeps", "import time\ndef f():\n    time.sleep(3600)", ("timeout",)),
    Hostile(
        "ignores all signals",
        "import signal, time\ndef f():\n    for one in signal.valid_signals():\n        try:\n"
        "            signal.signal(one, signal.SIG_IGN)\n        except (OSError, ValueError):\n            pass\n"
        "    while True:\n        pass",
        ("timeout",),
    ),
    Hostile(
        "swallows every exception",
        "def f():\n    while True:\n        try:\n            while True:\n                pass\n"
        "        except BaseException:\n            pass",
        ("timeout",),
    ),
    Hostile("allocates 2 GiB", "def f():\n    return len(bytearray(2 << 30))", ("oom",)),
    Hostile(
        "allocates until nothing is left",
        "def f():\n    x = []\n    while True:\n        x.append(bytearray(50 << 20))",
        ("oom", "timeout"),
    ),
    Hostile(
        "children that allocate",  # there is no first child: no process can be started
        "import os, time\ndef f():\n    for _ in range(50):\n        if os.fork() == 0:\n"
        "            x = bytearray(400 << 20)\n            time.sleep(60)\n    os.wait()",
        ("error", "oom"),
    ),
    Hostile(
        "10 GB to stdout", "def f():\n    for _ in range(100_000):\n        print('x' * 100_000)", ("output_limit",)
    ),
    Hostile(
        "10 GB to stderr without a newline",
        "import os\ndef f():\n    for _ in range(100_000):\n        os.write(2, b'x' * 100_000)",
        ("output_limit",),
    ),
    Hostile(
        "one 10 GB file",
        "def f():\n    with open('{folder}/big', 'wb') as file:\n        file.truncate(10 << 30)",
        ("error",),
    ),
    Hostile(
        "a file in memory",
        "import os\ndef f():\n    return os.write(os.memfd_create('x'), b'x' * (10 << 20))",
        ("error",),
    ),
    Hostile(
        "20,000 files",
        "def f():\n    for n in range(20_000):\n        open(f'{folder}/{{n}}', 'w').close()",
        ("error",),
    ),
    Hostile("removes a file", "import os\ndef f():\n    os.remove('{folder}/kept')", ("error",)),
    Hostile(
        "empties a file", "import os\ndef f():\n    os.open('{folder}/kept', os.O_RDONLY | os.O_TRUNC)", ("error",)
    ),
    Hostile("renames a file", "import os\ndef f():\n    os.rename('{folder}/kept', '{folder}/moved')", ("error",)),
    Hostile("makes a link", "import os\ndef f():\n    os.symlink('/etc', '{folder}/link')", ("error",)),
    Hostile("reads /etc/passwd", "def f():\n    return len(open('/etc/passwd').read())", ("error",)),
    Hostile("reads another folder", "def f():\n    return len(open('{folder}/kept').read())", ("error",)),
    Hostile(
        "lists the home folder",
        "import os, pwd\ndef f():\n    return os.listdir('{home}')",
        ("error",),
        ("error", "failed"),
    ),
    Hostile(
        "reads its parent's environment", "import os\ndef f():\n    open(f'/proc/{{os.getppid()}}/environ')", ("error",)
    ),
    Hostile("reads its own /proc", "def f():\n    open('/proc/self/environ')", ("error",)),
    Hostile(
        "finds no secret", "import os\ndef f():\n    return 0 if '{secret}' in str(os.environ) else 1", ("passed",)
    ),
    Hostile(
        "connects to loopback",
        "import socket\ndef f():\n    socket.create_connection(('127.0.0.1', {port}), 1)",
        ("error",),
    ),
    Hostile(
        "connects to an abstract socket",
        "import socket\ndef f():\n    socket.socket(socket.AF_UNIX).connect('\\0{socket}')",
        ("error",),
    ),
    Hostile(
        "sends by datagram",
        "import socket\ndef f():\n    line = socket.socket(type=socket.SOCK_DGRAM)\n"
        "    line.connect(('127.0.0.1', {datagrams}))\n    line.send(b'x')\n    line.settimeout(1)\n    line.recv(1)",
        ("error",),
    ),
    Hostile("kills its parent", "import os\ndef f():\n    os.kill(os.getppid(), 9)", ("error",), ("failed",)),
    Hostile("kills the evaluator", "import os\ndef f():\n    os.kill({evaluator}, 9)", ("error",)),
    Hostile(
        "reads the evaluator's environment",
        "def f():\n    return len(open('/proc/{evaluator}/environ').read())",
        ("error",),
    ),
    Hostile(
        "writes wherever it may",
        "import os\ndef f():\n    for place in ('/', '/tmp', '/dev/shm', '/var/tmp', '/run', '/usr/lib', os.getcwd(),\n"
        "                  os.path.dirname(os.__file__)):\n        try:\n"
        "            open(place + '/twt-hostile', 'w').close()\n        except OSError:\n            continue\n"
        "        return place\n    return 1",
        ("passed",),
    ),
    Hostile(
        "makes what outlives it in the kernel",
        "import ctypes\ndef f():\n    libc = ctypes.CDLL(None)\n"
        "    return 1 if libc.shmget(7391, 4096, 0o1666) == libc.msgget(7391, 0o1666) == -1 else 0",
        ("passed",),
        ("passed", "failed"),
    ),
    # A signal that nobody minds, should this ever get through.
    Hostile("signals everybody", "import os, signal\ndef f():\n    os.kill(-1, signal.SIGURG)", ("error",)),
    Hostile(
        "signals its group",
        "import os, signal\ndef f():\n    os.killpg(os.getpgid(0), signal.SIGURG)",
        ("error",),
        ("failed",),
    ),
    Hostile(
        "asks the kernel to signal its parent",
        "import fcntl, os\ndef f():\n    fcntl.fcntl(1, fcntl.F_SETOWN, os.getppid())",
        ("error",),
        ("failed",),
    ),
    Hostile(
        "traces its parent",
        "import ctypes, os\ndef f():\n    libc = ctypes.CDLL(None, use_errno=True)\n"
        "    return libc.ptrace(16, os.getppid(), 0, 0) == -1 and ctypes.get_errno()",
        ("passed",),
    ),
    Hostile(
        "reads its parent's memory",
        "import ctypes, os\ndef f():\n    libc = ctypes.CDLL(None, use_errno=True)\n"
        "    to = ctypes.create_string_buffer(8)\n"
        "    part = (ctypes.c_size_t * 2)(ctypes.addressof(to), 8)\n"
        "    return libc.process_vm_readv(os.getppid(), part, 1, part, 1, 0) == -1 and ctypes.get_errno()",
        ("passed",),
    ),
    Hostile(
        "writes a .pth",
        "import sys, os\ndef f():\n    open(os.path.dirname(os.__file__) + '/site-packages/twt-hostile.pth', 'w')",
        ("error",),
    ),
    Hostile("runs a program", "import os\ndef f():\n    os.execv('/bin/sh', ['sh', '-c', 'true'])", ("error",)),
    Hostile("runs a shell", "import subprocess\ndef f():\n    subprocess.run('true', shell=True)", ("error",)),
    Hostile("reads address 0", "import ctypes\ndef f():\n    ctypes.string_at(0)", ("crashed",)),
    Hostile("aborts", "import os\ndef f():\n    os.abort()", ("crashed",)),
    Hostile("kills itself", "import os\ndef f():\n    os.kill(os.getpid(), 9)", ("error",), ("crashed",)),
    Hostile("signals itself", "import os\ndef f():\n    os.kill(os.getpid(), 15)", ("crashed",)),
    Hostile(
        "stops itself",
        "import os, signal\ndef f():\n    os.kill(os.getpid(), signal.SIGSTOP)",
        ("timeout",),
        ("timeout", "failed"),
    ),
    Hostile("computes 9**9**9", "def f():\n    return 9**9**9", ("timeout",)),
    Hostile("catastrophic regex", "import re\ndef f():\n    return re.match('(a+)+$', 'a' * 60 + 'b')", ("timeout",)),
    Hostile("recurses", "def f():\n    return f()", ("error",)),
    Hostile(
        "returns a list nested 100,000 deep",
        "def f():\n    x = []\n    for _ in range(100_000):\n        x = [x]\n    return x",
        ("bad_return",),
    ),
    Hostile("returns itself", "def f():\n    x = []\n    x.append(x)\n    return x", ("bad_return",)),
    Hostile("returns a 50 MB string", "def f():\n    return 'x' * 50_000_000", ("bad_return",)),
    Hostile("returns a huge number", "def f():\n    return 1 << 50_000_000", ("bad_return",)),
    Hostile("returns a generator", "def f():\n    yield 1", ("bad_return",)),
    Hostile("reads stdin", "import sys\ndef f():\n    return 1 if sys.stdin.read() == '' else 0", ("passed",)),
    Hostile("holds a NUL", "def f():\n    return 1\0", ("error",)),
    Hostile("starts with a BOM", "\ufeffdef f():\n    return 1", ("error",)),
    Hostile("holds half a character", "def f():\n    return '\ud800'", ("error",)),
    Hostile("is 10 MB long", "x = 1\n" * 1_700_000, ("error",)),
    Hostile("nests too deep to be read", "x = " + "(" * 5_000 + ")" * 5_000, ("error", "oom")),
    Hostile("has other line ends", "def f():\r\n    return 1\r\n", ("passed",)),
    Hostile("raises an odd exception", "class E(Exception):\n    __str__ = None\ndef f():\n    raise E", ("error",)),
]
