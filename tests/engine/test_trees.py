from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from stepwell.engine import trees
from tests.engine.support import daemon, ignore_term, is_running, read_pid, until, write_pid


def fork(body: object) -> int:
    pid = os.fork()
    if pid == 0:
        try:
            body()  # type: ignore[operator]
        finally:
            os._exit(0)
    return pid


def test_identity_tells_a_process_from_a_later_one_with_its_id() -> None:
    process = subprocess.Popen(["sleep", "60"])
    me = trees.identify(process.pid)
    assert me is not None
    other = trees.ProcessIdentity(pid=me.pid, start_time=me.start_time + 1, boot_id=me.boot_id)
    earlier = trees.ProcessIdentity(pid=me.pid, start_time=me.start_time, boot_id="an earlier boot")

    assert trees.is_alive(me)
    assert not trees.is_alive(other)
    assert not trees.is_alive(earlier)
    process.kill()
    until(lambda: not trees.is_alive(me), "a zombie counts as alive")
    process.wait()
    assert trees.identify(process.pid) is None


def test_descendants_are_found_through_sessions_and_threads(tmp_path: Path) -> None:
    script = (
        "import subprocess, threading; t = threading.Thread(target=lambda: subprocess.run(['sleep', '60'])); t.start()"
    )
    process = subprocess.Popen([sys.executable, "-c", script], start_new_session=True)
    until(lambda: len(trees.descendants(process.pid)) == 1, "the child of a thread is not found")
    below = trees.descendants(os.getpid())

    assert process.pid in below
    assert trees.descendants(process.pid)[0] in below
    assert trees.kill_tree(process.pid, grace=0)
    process.wait()


def test_kill_tree_ends_what_ignores_term_and_hides_in_another_session(tmp_path: Path) -> None:
    def body() -> None:
        trees.become_subreaper()
        ignore_term()
        daemon({"folder": str(tmp_path)}, "daemon")
        write_pid({"folder": str(tmp_path)}, "leader")
        time.sleep(60)

    pid = fork(body)
    read_pid(tmp_path / "leader")
    hidden = read_pid(tmp_path / "daemon")

    assert trees.kill_tree(pid, grace=0.2)
    assert not is_running(pid)
    assert not is_running(hidden)
    os.waitpid(pid, 0)


def test_kill_tree_gives_the_willing_their_grace() -> None:
    script = "import signal, sys, time; signal.signal(15, lambda *_: sys.exit(7)); print(flush=True); time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()

    assert trees.kill_tree(process.pid, grace=5)
    assert process.wait() == 7
    process.stdout.close()


def test_kill_tree_of_a_process_that_is_gone_is_done() -> None:
    process = subprocess.Popen(["true"])
    process.wait()

    assert trees.kill_tree(process.pid, grace=0)


def test_adopted_children_are_ended_and_our_own_are_not(tmp_path: Path) -> None:
    trees.become_subreaper()
    own = subprocess.Popen(["sleep", "60"])
    known = subprocess.Popen(["sleep", "60"], start_new_session=True)
    leader = fork(lambda: (os.setsid(), daemon({"folder": str(tmp_path)}, "daemon")))
    os.waitpid(leader, 0)
    stray = read_pid(tmp_path / "daemon")
    until(lambda: stray in trees.children(os.getpid()), "not adopted")

    assert stray in trees.reap_unknown_children({known.pid})
    until(lambda: not trees.reap_unknown_children({known.pid}), "still there")

    assert not is_running(stray)
    assert is_running(own.pid)
    assert is_running(known.pid)
    for process in (own, known):
        process.kill()
        process.wait()


def test_left_behind_is_found_by_session_and_by_marker() -> None:
    environment = {"PATH": os.environ["PATH"], trees.MARKER: "attempt-of-this-test"}
    process = subprocess.Popen(["sleep", "60"], env=environment, start_new_session=True)
    until(lambda: Path(f"/proc/{process.pid}/comm").read_text() == "sleep\n", "no exec")

    assert trees.find_left_behind(session=process.pid) == [process.pid]
    assert trees.find_left_behind(marker="attempt-of-this-test") == [process.pid]
    assert trees.find_left_behind(marker="attempt-of") == []
    assert trees.kill_all(lambda: trees.find_left_behind(marker="attempt-of-this-test"), seconds=3)
    assert process.wait() == -signal.SIGKILL


def test_process_that_dies_with_its_parent_does(tmp_path: Path) -> None:
    def body() -> None:
        parent = os.getpid()
        if os.fork() == 0:
            trees.die_with_parent(parent)
            write_pid({"folder": str(tmp_path)}, "child")
            time.sleep(60)
        time.sleep(60)

    parent = fork(body)
    child = read_pid(tmp_path / "child")

    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)

    until(lambda: not is_running(child), "the child lives on")


def test_process_whose_parent_is_gone_already_exits(tmp_path: Path) -> None:
    def body() -> None:
        trees.die_with_parent(os.getppid() + 1)
        write_pid({"folder": str(tmp_path)}, "went on")

    os.waitpid(fork(body), 0)

    assert not (tmp_path / "went on").exists()
