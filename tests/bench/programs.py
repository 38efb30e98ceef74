"""The programs that are timed, as a user would write them; each prints one JSON line with its seconds."""

CHAIN = """
import json, sys, time
from stepwell import pipeline, step

@step(enable_cache={cache})
def one(x: int) -> int:
    return x + 1

@pipeline
def chain(n: int = {n}):
    x = one(0)
    for _ in range(n - 1):
        x = one(x)

if __name__ == "__main__":
    chain()
    started = time.perf_counter()
    chain()
    print(json.dumps({{"seconds": time.perf_counter() - started}}))
"""

FAN = """
import json, time
from stepwell import pipeline, step

@step(enable_cache=False)
def source() -> int:
    return 1

@step(enable_cache=False)
def work(x: int) -> int:
    return x

@step(enable_cache=False)
def sink(values: list) -> int:
    return sum(values)

@pipeline
def fan(n: int = {n}):
    x = source()
    sink([work(x) for _ in range(n)])

if __name__ == "__main__":
    started = time.perf_counter()
    fan()
    print(json.dumps({{"seconds": time.perf_counter() - started}}))
"""

MAP = """
import json, time
from stepwell import pipeline, step

@step
def work(x: int) -> int:
    return x

@pipeline(enable_cache=False)
def mapped(n: int = {n}):
    assert work.map(x=list(range(n))).load() == list(range(n))

if __name__ == "__main__":
    mapped(n=2)
    started = time.perf_counter()
    mapped()
    print(json.dumps({{"seconds": time.perf_counter() - started}}))
"""

LINES = """
import json, time
from stepwell import pipeline, step

@step(enable_cache=False)
def talk(n: int) -> None:
    line = "x" * 99
    for _ in range(n):
        print(line)

@pipeline
def lines(n: int = 100_000):
    talk(n)

if __name__ == "__main__":
    started = time.perf_counter()
    lines()
    print(json.dumps({"seconds": time.perf_counter() - started}))
"""

FIRST_LINE = """
import sys, time
from stepwell import pipeline, step

@step(enable_cache=False)
def hello() -> None:
    print("FIRST", time.time())

@pipeline
def first():
    hello()

if __name__ == "__main__":
    first()
"""

PLAIN_FORKED = """
import json, os, pickle, sqlite3, tempfile, time

def run(n):
    folder = tempfile.mkdtemp()
    database = sqlite3.connect(folder + "/floor.db")
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=NORMAL")
    database.execute("CREATE TABLE step (id INTEGER, result BLOB)")
    value = 0
    for index in range(n):
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            content = pickle.dumps(value + 1)
            with open(f"{folder}/{index}", "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.write(writer, content)
            os._exit(0)
        os.close(writer)
        value = pickle.loads(os.read(reader, 1000))
        os.close(reader)
        os.waitpid(pid, 0)
        database.execute("INSERT INTO step VALUES (?, ?)", (index, pickle.dumps(value)))
        database.commit()

run(5)
started = time.perf_counter()
run(%(n)d)
print(json.dumps({"seconds": time.perf_counter() - started}))
"""

PLAIN_PROCESS = """
import json, multiprocessing, os, pickle, sqlite3, tempfile, time

forking = multiprocessing.get_context("fork")
folder = tempfile.mkdtemp()
database = sqlite3.connect(folder + "/floor.db")
database.execute("PRAGMA journal_mode=WAL")
database.execute("PRAGMA synchronous=NORMAL")
database.execute("CREATE TABLE step (id INTEGER, result BLOB)")

def work(answer, index, value):
    content = pickle.dumps(value + 1)
    with open(f"{folder}/{index}", "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    answer.send_bytes(content)

def run(n):
    value = 0
    for index in range(n):
        reader, writer = forking.Pipe(duplex=False)
        process = forking.Process(target=work, args=(writer, index, value))
        process.start()
        writer.close()
        value = pickle.loads(reader.recv_bytes())
        reader.close()
        process.join()
        database.execute("INSERT INTO step VALUES (?, ?)", (index, pickle.dumps(value)))
        database.commit()

run(5)
started = time.perf_counter()
run(%(n)d)
print(json.dumps({"seconds": time.perf_counter() - started}))
"""

PLAIN_PIPE = """
import json, subprocess, sys, time
started = time.perf_counter()
program = "l = 'x' * 99\\nfor _ in range(100000): print(l)"
child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
with open("lines.txt", "wb") as file:
    while chunk := child.stdout.read(65536):
        file.write(chunk)
child.wait()
print(json.dumps({"seconds": time.perf_counter() - started}))
"""
