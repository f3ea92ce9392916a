"""What the system call filter lets a worker do, and what it refuses, on the real kernel."""

import errno
import platform
import sys

import pytest

from grader.contract.tasks import get_assignment
from grader.sandbox.launch import Limits
from grader.sandbox.tiers import sandboxed
from grader.sandbox.worker_client import ProcessWorker
from grader.worker import syscalls

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the sandbox needs Linux")
PACKAGES = get_assignment("news-classifier").packages

WORKS = {
    "a training loop": """
model = torch.nn.LSTM(3, 4, bidirectional=True, batch_first=True)
optimizer = torch.optim.Adam(model.parameters())
for batch in DataLoader([torch.randn(5, 3) for _ in range(8)], batch_size=4, shuffle=True):
    optimizer.zero_grad(); model(batch)[0].sum().backward(); optimizer.step()
""",
    "threads of torch": """
torch.set_num_threads(2)
(torch.randn(300, 300) @ torch.randn(300, 300)).sum().item()
""",
    "threads of Python": """
with concurrent.futures.ThreadPoolExecutor(4) as pool: assert sum(pool.map(abs, range(100)))
q = queue.Queue(); t = threading.Thread(target=q.put, args=[1]); t.start(); assert q.get(timeout=5)
t.join()
""",
    "sleeping and timing": """
time.sleep(0.01); time.perf_counter(); time.process_time(); datetime.datetime.now()
signal.setitimer(signal.ITIMER_REAL, 60); signal.setitimer(signal.ITIMER_REAL, 0)
select.select([], [], [], 0.01)
with selectors.DefaultSelector() as s: s.select(0.01)
""",
    "saving and loading": """
torch.save(torch.nn.Linear(2, 2).state_dict(), "w.pt"); torch.load("w.pt")
torch.load("w.pt", mmap=True)
np.save("a.npy", np.zeros(9)); np.load("a.npy", mmap_mode="r").sum()
with open("log.jsonl", "a") as log:
    json.dump({"epoch": 1}, log); log.flush(); os.fsync(log.fileno())
pickle.dump([1], open("p", "wb")); csv.writer(open("c.csv", "w")).writerow([1])
""",
    "memory mapped arrays": """
m = np.memmap("m", np.float32, "w+", shape=(100, 100)); m[:] = 1; m.flush(); del m
assert np.memmap("m", np.float32, "r").sum() == 10_000
big = np.ones((3000, 1000)); big.resize((3000, 1500), refcheck=False)
""",
    "temporary files": """
with tempfile.TemporaryDirectory() as folder: open(folder + "/x", "w").close()
with tempfile.NamedTemporaryFile() as file: file.write(b"x"); file.truncate(0); file.flush()
with tempfile.TemporaryFile() as file: file.write(b"x")
""",
    "folders": """
os.makedirs("a/b"); pathlib.Path("a/b/c").write_text("x"); os.replace("a/b/c", "a/d")
assert [*pathlib.Path("a").rglob("*")]; shutil.copyfile("a/d", "e"); os.chdir("a"); os.chdir("..")
shutil.rmtree("a"); glob.glob("*"); os.path.getsize("e"); os.access("e", os.R_OK)
zipfile.ZipFile("z.zip", "w").write("e"); gzip.open("g.gz", "wt").write("x")
""",
    "a plot": """
import matplotlib.pyplot as plt
plt.plot([1, 2], label="loss"); plt.legend(); plt.title("$x^2$")
plt.savefig("p.png"); plt.savefig("p.pdf")
plt.close("all")
""",
    "a pipeline of spaCy": """
import spacy
nlp = spacy.load("en_core_web_sm")
assert [doc[0].vector for doc in nlp.pipe(["A test.", "Another one."])]
nlp.config.to_disk("config.cfg")
""",
    "a progress bar": """
from tqdm import tqdm
for _ in tqdm(range(10), miniters=1): pass
""",
    "random numbers": "secrets.token_hex(); os.urandom(4); uuid.uuid4()",
    "asking for the machine": """
os.cpu_count(); os.sched_getaffinity(0); platform.platform(); os.sysconf("SC_PHYS_PAGES")
resource.getrusage(resource.RUSAGE_SELF); shutil.get_terminal_size()
os.getpid(); threading.get_native_id(); os.getuid(); os.times()
""",
    "what torch has besides": """
torch.jit.script(torch.nn.Linear(2, 2))(torch.zeros(1, 2))
torch.profiler.profile().__enter__().__exit__(None, None, None)
torch.fft.fft(torch.randn(64)); torch.linalg.svd(torch.randn(20, 20))
torch.utils.data.random_split(range(9), [6, 3])
torch.quantization.quantize_dynamic(torch.nn.LSTM(3, 4))(torch.randn(2, 2, 3))
""",
    "a compiled model": "torch.compile(torch.nn.Linear(2, 3))(torch.zeros(1, 2))",
    "a log": "logging.basicConfig(filename='l.log', force=True); logging.warning('x')",
    "a database": "sqlite3.connect(':memory:').execute('select 1').fetchall()",
}
MODULES = (
    "concurrent.futures csv ctypes datetime fcntl glob gzip json logging mmap multiprocessing "
    "os pathlib pickle platform queue resource secrets select selectors shutil signal socket "
    "sqlite3 subprocess sys tempfile threading time uuid zipfile"
)
REFUSED = {
    "fork": "os.fork()",
    "a program": "subprocess.run(['true'])",
    "a spawned program": "os.posix_spawn('/bin/true', ['true'], {})",
    "workers of a loader": "next(iter(DataLoader([1, 2], num_workers=1)))",
    "a pool": "multiprocessing.Pool(1)",
    "a process": "multiprocessing.Process(target=print).start()",
    "processes of spaCy": """
import spacy
list(spacy.load("en_core_web_sm").pipe(["a"] * 4, n_process=2))
""",
    "a socket": "socket.socket()",
    "a socket of this machine": "socket.socketpair()",
    "a permission": "open('x', 'w').close(); os.chmod('x', 0o644)",
    "a time stamp": "open('x', 'w').close(); os.utime('x')",
    "a lock": "fcntl.flock(open('x', 'w'), fcntl.LOCK_EX)",
    "a lock of a record": "fcntl.lockf(open('x', 'w'), fcntl.LOCK_EX)",
    "advice on a file": "os.posix_fadvise(open('x', 'w').fileno(), 0, 0, os.POSIX_FADV_DONTNEED)",
    "a file in memory": "os.memfd_create('x')",
    "priority": "os.setpriority(os.PRIO_PROCESS, 0, 5)",
    "other cores": "os.sched_setaffinity(0, [0])",
    "another session": "os.setsid()",
}
ALREADY_CONFINED = ("workers of a loader", "a pool", "processes of spaCy")  # by Landlock
CALLS = {  # x86_64, aarch64; with arguments that the kernel would accept
    "sync": (162, 81),
    "syncfs": (306, 267, 1),
    "flock": (73, 32, 0, 1),
    "fadvise64": (221, 223, 0, 0, 0, 4),
    "readahead": (187, 213, 0, 0, 1),
    "sysfs": (139, None, 3),
    "personality": (135, 92, 0xFFFFFFFF),
    "membarrier": (324, 283, 1),
    "eventfd2": (290, 19, 0, 0),
    "landlock_create_ruleset": (444, 444, 0, 0, 1),
    "inotify_init1": (294, 26, 0),
    "clone3": (435, 435, 0, 0),
}
BODY = """
import {modules}
import numpy as np, torch
from torch.utils.data import DataLoader
for name, code in {cases!r}.items():
    try: exec(code)
    except BaseException as error: print(name, "|", type(error).__name__, error, flush=True)
    else: print(name, "| done", flush=True)
X = 1
"""


def outcomes(cases: dict[str, str]) -> dict[str, str]:
    """Run pieces of code in one worker, and return how each of them ended."""
    code = BODY.format(modules=MODULES.replace(" ", ", "), cases=cases)
    names = {"collate": "exercise/collate.py"}
    worker = ProcessWorker(
        {"collate": code.encode()}, names, Limits(90), sandboxed("cpu"), PACKAGES
    )
    worker.use_modules(frozenset(["collate"]))
    raised = worker.call("load.module", {"name": "collate", "needs": ["X"]}, 90, 0, None)
    worker.close()
    assert raised == [], raised
    lines = [line.partition(" | ") for line in worker.output.splitlines() if " | " in line]
    return {name: end for name, _, end in lines if name in cases}


def test_what_students_code_does_works() -> None:
    assert outcomes(WORKS) == dict.fromkeys(WORKS, "done")


def test_what_reaches_beyond_the_worker_is_refused_in_words_that_messages_know() -> None:
    for name, end in outcomes(REFUSED).items():
        denied = "Permission denied" if name in ALREADY_CONFINED else "Operation not permitted"
        assert denied in end, name


def test_calls_that_no_student_needs_fail_in_the_kernel() -> None:
    column = syscalls.PROCESSORS[platform.machine()][0]
    cases = {
        name: "libc = ctypes.CDLL(None, use_errno=True)\n"
        f"raise OSError(libc.syscall{(row[column], *row[2:])}, ctypes.get_errno())"
        for name, row in CALLS.items()
        if row[column] is not None
    }
    for name, end in outcomes(cases).items():
        error = errno.ENOSYS if name in syscalls.MISSING else errno.EPERM
        assert end == f"OSError [Errno -1] {error}", name


def test_a_worker_knows_no_programs_of_whoever_grades() -> None:
    assert outcomes({"path": "raise OSError(os.environ['PATH'])"}) == {
        "path": "OSError /usr/bin:/bin"
    }
