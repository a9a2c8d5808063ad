"""The job over channels: one interpreter reads, N interpreters tokenise, and the caller gathers.

    reader --work--> N counters --results--> gatherer

Nobody is told when to stop. The reader closes its end of `work` when it returns, so the counters' iteration ends; then
the last counter's end of `results` closes, so the gatherer's iteration ends. Both channels are bounded: the reader is
never more than a few files ahead.
"""

import time
from collections.abc import Sequence

import interpchannels
from interpchannels import ChannelClosedError, RecvChannel, SendChannel
from interpchannels._progress import Progress

from . import job
from .job import FileCount, Run, Tally, Traffic

type File = tuple[bytes | None, str]


def read_files(paths: Sequence[str], work: SendChannel[File]) -> None:
    """Runs in an interpreter of its own: sends each file, and returns early when nobody wants more."""
    try:
        for path in paths:
            work.send((job.load(path), path))
    except ChannelClosedError:
        pass


def count_files(work: RecvChannel[File], results: SendChannel[FileCount]) -> None:
    """Runs in N interpreters: tokenises what comes until no more comes, or until nobody wants the results."""
    job.be_quiet()
    try:
        for data, path in work:
            results.send(job.count(path, data, stop=lambda: results.closed))
    except (ChannelClosedError, job.Stopped):
        pass


def run(paths: Sequence[str], workers: int, progress: Progress) -> Run:
    """Does the job in `workers` interpreters and one more that reads. Ctrl-C ends it with what was done so far."""
    started = time.perf_counter()
    tally = Tally()
    interrupted = False
    work, work_send = interpchannels.create(capacity=2 * workers)
    results, results_send = interpchannels.create(capacity=2 * workers)
    with work, results:
        team = []
        try:
            # Each spawned function has handles of its own; these have to go, or the iterations would never end.
            with work_send, results_send:
                team.append(interpchannels.spawn(read_files, paths, work_send))
                for _ in range(workers):
                    team.append(interpchannels.spawn(count_files, work, results_send))
            for one in results:
                tally.add(one)
                progress.step()
            for worker in team:
                worker.result()
        except KeyboardInterrupt:
            interrupted = True
            work.shutdown(immediate=True)
            results.shutdown()
            for one in results:  # what was queued
                tally.add(one)
            for worker in team:
                worker.join()
        traffic = {
            "files": Traffic(work.stats().sent, work.stats().bytes),
            "results": Traffic(results.stats().sent, results.stats().bytes),
        }
    title = f"interpchannels, {workers} interpreter{'s' * (workers > 1)}"
    return Run(title, tally, time.perf_counter() - started, interrupted, traffic)
