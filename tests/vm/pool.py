# SPDX-License-Identifier: MIT
"""Commands that share this machine's processors: some at once, who takes longest first, each timed."""
import contextlib
import dataclasses
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

# A guest waits as much as it works, so one more than the processors keeps them all busy.
AT_ONCE = len(os.sched_getaffinity(0)) + 1
# Seconds: between two looks, and for a job to end in order when it is told to.
LOOK, ENDING = 0.1, 20


@dataclasses.dataclass
class Job:
    """What is to be run.

    Attributes
    ----------
    name : str
    command : list
        Its standard output and error go to the log.
    log : Path
        None: to where this process's go.
    seconds : float
        About what it takes; who takes longest, with those that wait for it, begins first.
    after : tuple of str
        Jobs that must have passed first, by name.
    optional : bool
        Left out, and no failure, where there is no time for it before the deadline.
    environment : dict
        Added to this process's.
    """

    name: str
    command: list
    log: Path | None
    seconds: float = 0
    after: tuple = ()
    optional: bool = False
    environment: dict = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class Result:
    """What came of a job: its exit status, and seconds. None: it was not run, and `why`."""

    job: Job
    status: int | None = None
    why: str = ""
    start: float = 0
    wall: float = 0
    user: float = 0
    system: float = 0

    @property
    def passed(self):
        return self.status == 0 or self.status is None and self.job.optional

    def text(self):
        """What the job printed."""
        return self.job.log.read_text(errors="replace") if self.status is not None and self.job.log else ""


class Pool:
    """The jobs that run, and what came of the others.

    Parameters
    ----------
    jobs : list of Job
    at_once : int
    deadline : float
        Seconds from now on: then what runs is ended, and the rest is not run.
    ended : callable
        Given each Result as it comes.
    """

    def __init__(self, jobs, *, at_once=AT_ONCE, deadline=float("inf"), ended=lambda result: None):
        self.todo, self.at_once, self.deadline, self.ended = list(jobs), at_once, deadline, ended
        self.began = time.monotonic()
        self.running, self.results = {}, {}
        self.rank = {}
        for job in self.todo:
            self.rank[job.name] = self.path(job)

    def path(self, job):
        """Seconds from a job's beginning to the end of the last that waits for it."""
        return job.seconds + max((self.path(other) for other in self.todo if job.name in other.after),
                                 default=0)

    def now(self):
        return time.monotonic() - self.began

    def run(self):
        """Run them all; the results in the order of the jobs."""
        order = [job.name for job in self.todo]
        told = []
        for number in signal.SIGINT, signal.SIGTERM:
            # Not at once: a job that has just been started would not be known yet.
            signal.signal(number, lambda number, _: told.append(number))
        try:
            while self.todo or self.running:
                if told:
                    sys.exit(128 + told[0])
                self.leave_out()
                while len(self.running) < self.at_once and (job := self.next()):
                    self.start(job)
                if self.running and not self.reap():
                    time.sleep(LOOK)
                if self.now() > self.deadline:
                    self.end_all("no end before CI's own")
        finally:
            self.end_all("interrupted")
        return [self.results[name] for name in order]

    def next(self):
        """The job that is to begin now, if any may."""
        able = [job for job in self.todo
                if all(name in self.results and self.results[name].passed for name in job.after)]
        return max(able, key=lambda job: self.rank[job.name], default=None)

    def leave_out(self):
        """What cannot be run any more: what it needs has failed, or it would end too late."""
        for job in list(self.todo):
            failed = [name for name in job.after if name in self.results and not self.results[name].passed]
            late = self.now() + job.seconds > self.deadline
            if failed:
                self.finish(Result(job, why=f"NOT RUN, {failed[0]} failed"))
            elif late and (job.optional or self.now() > self.deadline):
                self.finish(Result(job, why=f"LEFT OUT, it takes {job.seconds:.0f} s and "
                                   f"{max(0, self.deadline - self.now()):.0f} s are left"))

    def finish(self, result):
        if result.job in self.todo:
            self.todo.remove(result.job)
        self.results[result.job.name] = result
        self.ended(result)

    def start(self, job):
        self.todo.remove(job)
        with contextlib.ExitStack() as stack:
            log = None
            if job.log:
                job.log.parent.mkdir(parents=True, exist_ok=True)
                log = stack.enter_context(job.log.open("wb"))
            process = subprocess.Popen(job.command, stdin=subprocess.DEVNULL, stdout=log,
                                       stderr=log and subprocess.STDOUT, start_new_session=True,
                                       env={**os.environ, **job.environment})
        self.running[process.pid] = process, Result(job, start=self.now())

    def reap(self):
        """Take the results of those that have ended; whether there was any."""
        found = False
        for pid in list(self.running):
            ended, status, usage = os.wait4(pid, os.WNOHANG)
            if ended:
                process, result = self.running.pop(pid)
                # It is waited for, and its pid may be another's.
                process.returncode = result.status = os.waitstatus_to_exitcode(status)
                result.wall = self.now() - result.start
                result.user, result.system = usage.ru_utime, usage.ru_stime
                self.finish(result)
                found = True
        return found

    def end_all(self, why):
        """End what runs, in order if it can be had."""
        for number, patience in (signal.SIGTERM, ENDING), (signal.SIGKILL, ENDING):
            for pid, (_, result) in self.running.items():
                result.why = why
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(pid, number)
            until = time.monotonic() + patience
            while self.running and time.monotonic() < until:
                self.reap() or time.sleep(LOOK)
