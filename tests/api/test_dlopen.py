"""test_dlopen.py LIBRARY... - each as Python loads it: late, in a thread with a small stack."""
import ctypes
import subprocess
import sys
import threading

FOREVER = 2**63 - 1
failures = []


class Deadline(ctypes.Structure):
    _fields_ = [("at_ns", ctypes.c_int64)]


def check(what, r):
    if r != 0:
        failures.append(f"{what} is {r}")


def load_and_use(path):
    try:
        library = ctypes.CDLL(path)
        lock = ctypes.c_void_p()
        recovered = ctypes.c_bool()
        library.ipk_lock_close.argtypes = library.ipk_lock_unlock.argtypes = [ctypes.c_void_p]
        check("ipk_lock_create()", library.ipk_lock_create(None, ctypes.byref(lock)))
        check("ipk_lock_lock()",
              library.ipk_lock_lock(lock, Deadline(FOREVER), ctypes.byref(recovered)))
        check("ipk_lock_unlock()", library.ipk_lock_unlock(lock))
        library.ipk_lock_close(lock)
    except (OSError, AttributeError) as error:
        failures.append(str(error))


if len(sys.argv) > 2:  # one process each: the second one would find the first one's
    sys.exit(any([subprocess.call([sys.executable, __file__, p]) for p in sys.argv[1:]]))
threading.stack_size(64 << 10)
thread = threading.Thread(target=load_and_use, args=sys.argv[1:])
thread.start()
thread.join()
print(sys.argv[1], *failures or ["loaded"], sep="\n")
sys.exit(bool(failures))
