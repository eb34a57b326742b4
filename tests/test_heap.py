"""Freed memory goes back to the system, also that of other threads' heaps."""

import subprocess
import sys

CODE = """
import ctypes, pathlib, re, threading
from tfmlm.heap import trim_heap
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]

def resident():
    return int(re.search(r"RssAnon:\\s*(\\d+)", pathlib.Path("/proc/self/status").read_text())[1])

def work():
    held = [libc.malloc(100_000) for _ in range(400)]
    for place in held:
        ctypes.memset(place, 1, 100_000)
    for place in held[:-1]:  # the last one keeps what is below it in the heap
        libc.free(place)

thread = threading.Thread(target=work)
thread.start()
thread.join()
before = resident()
trim_heap()
print(before - resident())
"""


def test_what_a_thread_freed():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 30_000  # kB, of 40,000
