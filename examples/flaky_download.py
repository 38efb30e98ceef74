"""Fetch a data set from a mirror that times out, and get it all the same.

Shows: retries that wait longer each time, a hook for failure and one for success, a time limit. The mirror is made
up, so that nothing leaves your machine: it serves a file that ships with scikit-learn and times out as often as you
say. Set ``failures`` to 9 to see the step give up and the failure hook run.

    python examples/flaky_download.py
    stepwell run examples/flaky_download.py --param failures=1 --param test_size=0.3
"""

import csv
import time
from importlib import resources
from typing import Annotated

from stepwell import StepRetryConfig, get_step_context, log_metadata, log_progress, pipeline, step

CHUNK = 2 * 1024


class Mirror:
    """A server of files that does not answer the first ``failures`` requests."""

    def __init__(self, *, failures: int) -> None:
        self.failures = failures

    def read(self, name: str, *, request: int) -> bytes:
        print(f"request {request} for {name}")
        time.sleep(0.5)
        if request <= self.failures:
            raise TimeoutError(f"The mirror did not answer request {request}.")
        return resources.files("sklearn.datasets.data").joinpath(name).read_bytes()


def tell_failure(exception: BaseException) -> None:
    print(f"gave up: {exception}")


def tell_success() -> None:
    print("the file is here")


@step(
    enable_cache=False,
    retry=StepRetryConfig(max_retries=3, delay=1, backoff=2),
    timeout=60,
    on_failure=tell_failure,
    on_success=tell_success,
)
def download(name: str, failures: int = 2) -> Annotated[str, "text"]:
    """Fetch one file; after a failure wait 1 second, then 2, then 4."""
    mirror = Mirror(failures=failures)
    content = mirror.read(name, request=get_step_context().step_run.attempt)
    for start in range(0, len(content), CHUNK):
        log_progress(min(start + CHUNK, len(content)), len(content), "bytes")
        time.sleep(0.2)
    log_metadata({"file": name, "bytes": len(content)})
    return content.decode()


@step
def parse(text: str) -> Annotated[list[dict[str, float]], "rows"]:
    """Turn the table into rows; the first line holds the sizes and the names of the classes."""
    head, *lines = csv.reader(text.splitlines())
    n_rows, n_columns = int(head[0]), int(head[1])
    rows = [
        {**{f"x{i}": float(value) for i, value in enumerate(line[:n_columns])}, "label": float(line[-1])}
        for line in lines
    ]
    if len(rows) != n_rows:
        raise ValueError(f"The file says {n_rows} rows and holds {len(rows)}.")
    print(f"{n_rows} rows of {n_columns} columns")
    return rows


@step
def sample(rows: list[dict[str, float]], test_size: float = 0.2) -> Annotated[list[dict[str, float]], "test_rows"]:
    """Keep the last part of the rows for tests."""
    kept = rows[len(rows) - round(len(rows) * test_size) :]
    print(f"{len(kept)} of {len(rows)} rows kept for tests")
    return kept


@pipeline
def flaky_download(name: str = "wine_data.csv", failures: int = 2, test_size: float = 0.2) -> None:
    """Download with retries, parse, keep a sample."""
    sample(parse(download(name, failures=failures)), test_size=test_size)


if __name__ == "__main__":
    flaky_download()
