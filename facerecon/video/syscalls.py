"""Which calls of the system a decoder may not make: everything by which it could reach beyond its pipe. Linux only.

A filter in the kernel (seccomp, seccomp(2)) refuses them: files are opened neither for reading nor for writing, nothing
is renamed or removed, no socket, no program and no other process is touched. Threads and memory stay allowed.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct

_PR_SET_SECCOMP, _FILTER = 22, 2
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16
_CLONE_THREAD = 0x10000
_OTHER_TABLE = 0x40000000
"""Numbers from here on are x86-64's second table of the same calls."""

_SAME_EVERYWHERE = (424, 425, 426, 427, 428, 429, 430, 432, 433, 434, 437, 438, 442, 443, 452)
"""pidfd_send_signal, io_uring_*, open_tree to fsmount, pidfd_open, openat2, pidfd_getfd, mount_setattr, quotactl_fd,
fchmodat2."""
_X86_64 = (
    *(2, 257, 85, 304),  # open, openat, creat, open_by_handle_at
    *(41, 42, 43, 44, 46, 49, 50, 53, 288, 307),  # sockets
    *(57, 58, 59, 322, 62, 200, 129, 297, 101, 310, 311, 312),  # fork to execveat; kill to process_vm_writev, kcmp
    *(76, 77, 285, 82, 264, 316, 83, 258, 84, 86, 265, 87, 263, 88, 266, 133, 259),  # truncate to mknodat
    *(
        90,
        91,
        268,
        92,
        93,
        94,
        260,
        132,
        235,
        261,
        280,
        188,
        189,
        190,
        197,
        198,
        199,
    ),  # modes to attributes
    *(155, 161, 165, 166, 272, 308, 169, 175, 176, 313, 246, 320, 164, 227, 159, 305, 170, 171, 172, 173, 167, 168),
    *(29, 30, 31, 64, 65, 66, 68, 69, 70, 71, 240, 241, 242, 243),  # memory and queues that are shared by name
    *(160, 302, 321, 298, 248, 249, 250, 323, 319, 103),  # limits, bpf, perf, keys, userfaultfd, memfd, syslog
)
_AARCH64 = (
    *(56, 265),
    *(198, 200, 201, 202, 203, 199, 206, 211, 242, 269),
    *(221, 281, 129, 130, 138, 240, 117, 270, 271, 272),
    *(45, 46, 47, 38, 276, 34, 35, 36, 37, 33),
    *(52, 53, 54, 55, 88, 5, 6, 7, 14, 15, 16),
    *(41, 51, 40, 39, 97, 268, 142, 105, 106, 273, 104, 294, 170, 112, 171, 266, 161, 162, 224, 225),
    *(194, 195, 196, 190, 191, 192, 193, 186, 187, 188, 189, 180, 181, 182, 183),
    *(164, 261, 280, 241, 217, 218, 219, 282, 279, 116),
)
# Name of the machine: its number, the denied calls, clone, clone3, tgkill.
_TABLES = {"x86_64": (0xC000003E, _X86_64, 56, 435, 234), "aarch64": (0xC00000B7, _AARCH64, 220, 435, 131)}


def known() -> bool:
    """Say whether the numbers of this machine's calls are known."""
    return platform.machine() in _TABLES


def deny() -> None:
    """Refuse those calls from now on, in this process, for good; of a machine that is not known refuse none.

    Raises:
        OSError: the system has no such filter.
    """
    if not known():
        return
    program = b"".join(_program(*_TABLES[platform.machine()]))
    code = ctypes.create_string_buffer(program, len(program))
    described = struct.pack("@HP", len(program) // 8, ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_SECCOMP, _FILTER, ctypes.c_char_p(described), 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "seccomp")


def _program(machine: int, denied: tuple[int, ...], clone: int, clone3: int, tgkill: int) -> list[bytes]:
    """Return the filter: one instruction each."""
    refused = _returns(_ERRNO | errno.EPERM)
    program = [_loads(_ARCHITECTURE), _jumps(_EQUAL, machine, 1, 0), _returns(_KILL)]
    program += [_loads(_NUMBER), _jumps(_AT_LEAST, _OTHER_TABLE, 0, 1), refused]
    for number in (*denied, *_SAME_EVERYWHERE):
        program += [_jumps(_EQUAL, number, 0, 1), refused]
    # The C library asks for clone when there is no clone3, whose arguments no filter can read.
    program += [_jumps(_EQUAL, clone3, 0, 1), _returns(_ERRNO | errno.ENOSYS)]
    program += [_jumps(_EQUAL, clone, 0, 3), _loads(_FIRST_ARGUMENT), _jumps(_ANY_BIT, _CLONE_THREAD, 1, 0), refused]
    program += [_loads(_NUMBER), _jumps(_EQUAL, tgkill, 0, 3), _loads(_FIRST_ARGUMENT)]
    return [*program, _jumps(_EQUAL, os.getpid(), 1, 0), refused, _returns(_ALLOW)]


def _loads(offset: int) -> bytes:
    return struct.pack("<HBBI", _LOAD, 0, 0, offset)


def _jumps(test: int, value: int, when_true: int, when_false: int) -> bytes:
    return struct.pack("<HBBI", test, when_true, when_false, value)


def _returns(value: int) -> bytes:
    return struct.pack("<HBBI", _RETURN, 0, 0, value)
