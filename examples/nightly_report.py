"""Write a quality report about last night's wine samples with pandas, and sign it if there is a key.

Shows: data frames between steps, a secret as an environment variable of the one step that names it, settings
(a memory limit), environment variables, and a pipeline whose graph depends on a parameter.

    python examples/nightly_report.py
    stepwell secrets create report-signing SIGNING_KEY
    stepwell run examples/nightly_report.py --param sign=true --param test_size=0.3

Only a signed report needs the secret. Without it, ``sign=true`` is refused before anything runs.
"""

import hashlib
import hmac
import os
from typing import Annotated

import pandas as pd
from sklearn.datasets import load_wine

from stepwell import HTMLString, log_metadata, pipeline, step

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem; color: #1d2433; background: #fff }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { padding: .3rem .7rem; text-align: right; border: 1px solid #dfe3ea }
"""


@step(settings={"resources": {"memory": "2GB"}})
def collect_samples(test_size: float = 0.5, seed: int = 7) -> Annotated[pd.DataFrame, "samples"]:
    """Draw a share of the 178 wines that ship with scikit-learn: last night's samples."""
    wines = load_wine(as_frame=True)
    samples = wines.frame.sample(frac=test_size, random_state=seed).sort_index()
    samples["cultivar"] = [str(wines.target_names[target]) for target in samples.pop("target")]
    print(f"{len(samples)} of {len(wines.frame)} samples")
    return samples


@step
def find_outliers(samples: pd.DataFrame, limit: float = 2.5) -> Annotated[pd.DataFrame, "outliers"]:
    """List the values further than ``limit`` standard deviations from the mean of their cultivar."""
    by_cultivar = samples.groupby("cultivar")
    scores = (samples.drop(columns="cultivar") - by_cultivar.transform("mean")) / by_cultivar.transform("std")
    far = scores.stack()
    far = far[far.abs() > limit]
    outliers = far.rename("deviation").rename_axis(["sample", "measure"]).reset_index()
    log_metadata({"samples": len(samples), "outliers": len(outliers)})
    print(f"{len(outliers)} values are more than {limit} standard deviations off")
    return outliers


@step(environment={"REPORT_TITLE": "Wine samples of the night"})
def write_report(samples: pd.DataFrame, outliers: pd.DataFrame) -> Annotated[HTMLString, "report"]:
    """Put the means of each cultivar and the outliers on one page."""
    title = os.environ["REPORT_TITLE"]
    means = samples.groupby("cultivar").mean().T.round(2)
    print(means.to_string())
    return HTMLString(
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>{STYLE}</style>'
        f"<h1>{title}</h1><h2>Means</h2>{means.to_html(border=0)}"
        f"<h2>Outliers</h2>{outliers.round(2).to_html(border=0, index=False)}</html>"
    )


@step(secrets=["report-signing"])
def sign_report(report: HTMLString) -> Annotated[str, "signature"]:
    """Sign the report with the key of the secret ``report-signing``."""
    key = os.environ["SIGNING_KEY"]
    print(f"signing with {key}")  # reads *** in the log: secret values are masked before a log is stored
    return hmac.new(key.encode(), str(report).encode(), hashlib.sha256).hexdigest()


@pipeline
def nightly_report(test_size: float = 0.5, limit: float = 2.5, seed: int = 7, sign: bool = False) -> None:
    """Collect, look for outliers, report; with ``sign`` also sign the report."""
    samples = collect_samples(test_size=test_size, seed=seed)
    report = write_report(samples, find_outliers(samples, limit=limit))
    if sign:
        sign_report(report)


if __name__ == "__main__":
    nightly_report()
