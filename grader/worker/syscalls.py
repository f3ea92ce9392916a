"""Numbers of Linux system calls and how the filter treats them; see `seccomp.filter_calls`.

The tables list what Python, torch, spaCy and the C library call while they compute, start threads
and read and save files. Every other call is refused. The numbers are those of the kernel's
`arch/x86/entry/syscalls/syscall_64.tbl` and, for aarch64, `include/uapi/asm-generic/unistd.h`.
None means that the processor does not have the call.
"""

from __future__ import annotations

Numbers = tuple[int | None, int | None]  # by the columns of `PROCESSORS`
Both = tuple[int, int]

PROCESSORS = {  # machine: column of the tables, AUDIT_ARCH of `linux/audit.h`
    "x86_64": (0, 0xC000003E),
    "aarch64": (1, 0xC00000B7),
}
NEWEST = 450  # calls with higher numbers did not exist when the tables were written

ALLOWED: dict[str, Numbers] = {
    # Files. Landlock decides which; `utime`, `chmod` and the like, which it allows, are not here.
    "read": (0, 63),
    "write": (1, 64),
    "readv": (19, 65),
    "writev": (20, 66),
    "pread64": (17, 67),
    "pwrite64": (18, 68),
    "preadv": (295, 69),
    "pwritev": (296, 70),
    "lseek": (8, 62),
    "open": (2, None),
    "openat": (257, 56),
    "close": (3, 57),
    "close_range": (436, 436),
    "stat": (4, None),
    "fstat": (5, 80),
    "lstat": (6, None),
    "newfstatat": (262, 79),
    "statx": (332, 291),
    "access": (21, None),
    "faccessat": (269, 48),
    "faccessat2": (439, 439),
    "readlink": (89, None),
    "readlinkat": (267, 78),
    "getdents64": (217, 61),
    "getcwd": (79, 17),
    "chdir": (80, 49),
    "fchdir": (81, 50),
    "rename": (82, None),
    "renameat": (264, 38),
    "mkdir": (83, None),
    "mkdirat": (258, 34),
    "rmdir": (84, None),
    "unlink": (87, None),
    "unlinkat": (263, 35),
    "ftruncate": (77, 46),
    "fallocate": (285, 47),
    "sendfile": (40, 71),
    "umask": (95, 166),
    "dup": (32, 23),
    "dup2": (33, None),
    "dup3": (292, 24),
    "pipe": (22, None),
    "pipe2": (293, 59),
    # Waiting.
    "poll": (7, None),
    "ppoll": (271, 73),
    "select": (23, None),
    "pselect6": (270, 72),
    "epoll_create1": (291, 20),
    "epoll_ctl": (233, 21),
    "epoll_wait": (232, None),
    "epoll_pwait": (281, 22),
    "nanosleep": (35, 101),
    "clock_nanosleep": (230, 115),
    "pause": (34, None),
    # Memory.
    "mmap": (9, 222),
    "munmap": (11, 215),
    "mprotect": (10, 226),
    "mremap": (25, 216),
    "brk": (12, 214),
    "get_mempolicy": (239, 236),
    "set_mempolicy": (238, 237),
    "mbind": (237, 235),
    # Threads, and the end.
    "exit": (60, 93),
    "exit_group": (231, 94),
    "futex": (202, 98),
    "set_robust_list": (273, 99),
    "rseq": (334, 293),
    "set_tid_address": (218, 96),
    "arch_prctl": (158, None),
    "sched_yield": (24, 124),
    "sched_getaffinity": (204, 123),
    "sched_getparam": (143, 121),
    "sched_getscheduler": (145, 120),
    "sched_get_priority_min": (147, 126),
    "sched_get_priority_max": (146, 125),
    "getpriority": (140, 141),
    "getcpu": (309, 168),
    # Signals.
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "rt_sigpending": (127, 136),
    "rt_sigsuspend": (130, 133),
    "rt_sigtimedwait": (128, 137),
    "sigaltstack": (131, 132),
    "restart_syscall": (219, 128),
    "alarm": (37, None),
    "getitimer": (36, 102),
    "setitimer": (38, 103),
    # What the process knows.
    "getpid": (39, 172),
    "gettid": (186, 178),
    "getppid": (110, 173),
    "getpgrp": (111, None),
    "getpgid": (121, 155),
    "getsid": (124, 156),
    "getuid": (102, 174),
    "geteuid": (107, 175),
    "getgid": (104, 176),
    "getegid": (108, 177),
    "getresuid": (118, 148),
    "getresgid": (120, 150),
    "getgroups": (115, 158),
    "getrlimit": (97, 163),
    "getrusage": (98, 165),
    "times": (100, 153),
    "time": (201, None),
    "gettimeofday": (96, 169),
    "clock_gettime": (228, 113),
    "clock_getres": (229, 114),
    "uname": (63, 160),
    "sysinfo": (99, 179),
    "getrandom": (318, 278),
}
CHECKED: dict[str, tuple[Both, int, tuple[int, ...]]] = {
    # numbers; the index of the checked argument; its allowed values
    # A thread of glibc, and one of musl: a process would lack CLONE_THREAD, and nothing else may
    # be cloned.
    "clone": ((56, 220), 0, (0x3D0F00, 0x7D0F00)),
    # PR_GET_DUMPABLE, PR_SET_NAME, PR_GET_NAME, PR_SVE_GET_VL, PR_SME_GET_VL, PR_SET_VMA
    "prctl": ((157, 167), 0, (3, 15, 16, 51, 64, 0x53564D41)),
    # the process itself
    "prlimit64": ((302, 261), 0, (0,)),
    # TCGETS, TIOCGWINSZ, FIONREAD, FIONBIO, FIONCLEX, FIOCLEX, TCGETS2; above all not TIOCSTI
    "ioctl": ((16, 29), 1, (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451, 0x802C542A)),
    # F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_DUPFD_CLOEXEC, F_GETPIPE_SZ; above all not
    # F_SETOWN and F_SETSIG, which make the kernel send signals to others, and no locks
    "fcntl": ((72, 25), 1, (0, 1, 2, 3, 4, 1030, 1032)),
    # MADV_NORMAL, RANDOM, SEQUENTIAL, WILLNEED, DONTNEED, FREE, HUGEPAGE, NOHUGEPAGE, DONTDUMP,
    # DODUMP; above all not MERGEABLE, which tells what other processes have in memory
    "madvise": ((28, 233), 2, (0, 1, 2, 3, 4, 8, 14, 15, 16, 17)),
}
SELF: dict[str, Both] = {  # allowed where the first argument is the process itself
    "kill": (62, 129),
    "tgkill": (234, 131),
}
IDLE: dict[str, Both] = {  # succeed and do nothing: no file of a worker needs to outlast it
    "fsync": (74, 82),
    "fdatasync": (75, 83),
    "msync": (26, 227),
}
MISSING: dict[str, Both] = {  # "not implemented", so that older calls are used instead
    "clone3": (435, 435),  # a filter cannot see its flags
    "openat2": (437, 437),
    "renameat2": (316, 276),
    "copy_file_range": (326, 285),
    "preadv2": (327, 286),
    "pwritev2": (328, 287),
    "epoll_pwait2": (441, 441),
    "futex_waitv": (449, 449),
    "membarrier": (324, 283),
}
