"""Train a random forest on handwritten digits and report how well it reads them.

Shows: a chain of steps with typed parameters, several named outputs of one step, log lines and progress while a
step works, metadata on a step, and an HTML report that opens in the dashboard.

    python examples/train_classifier.py
    stepwell run examples/train_classifier.py --param test_size=0.3 --param n_trees=50
"""

import time
from typing import Annotated

import numpy as np
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import accuracy_score, confusion_matrix
from sklearn.model_selection import train_test_split

from stepwell import HTMLString, log_metadata, log_progress, pipeline, step

BATCH = 10
STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem; color: #1d2433; background: #fff }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { padding: .35rem .7rem; text-align: right; border: 1px solid #dfe3ea }
td.hit { background: #d9f2e3; font-weight: 600 }
td.miss { background: #fbdcd7 }
"""


@step
def load_data() -> tuple[Annotated[np.ndarray, "images"], Annotated[np.ndarray, "labels"]]:
    """Load 1,797 pictures of digits, 8 by 8 pixels each; they ship with scikit-learn."""
    digits = load_digits()
    print(f"{len(digits.data)} pictures of {len(digits.target_names)} digits")
    return digits.data, digits.target


@step
def split_data(
    images: np.ndarray, labels: np.ndarray, test_size: float = 0.2, seed: int = 7
) -> tuple[
    Annotated[np.ndarray, "train_images"],
    Annotated[np.ndarray, "test_images"],
    Annotated[np.ndarray, "train_labels"],
    Annotated[np.ndarray, "test_labels"],
]:
    """Keep a share of the pictures aside, the same share of every digit."""
    parts = train_test_split(images, labels, test_size=test_size, random_state=seed, stratify=labels)
    print(f"{len(parts[0])} to train on, {len(parts[1])} to test on")
    return tuple(parts)


@step
def train_model(
    images: np.ndarray, labels: np.ndarray, n_trees: int = 200, seed: int = 7, pause: float = 0.3
) -> Annotated[RandomForestClassifier, "model"]:
    """Grow the forest a few trees at a time; ``pause`` seconds between batches leave time to watch."""
    model = RandomForestClassifier(n_estimators=0, max_depth=6, warm_start=True, random_state=seed)
    for n_grown in [*range(BATCH, n_trees, BATCH), n_trees]:
        model.n_estimators = n_grown
        model.fit(images, labels)
        log_progress(n_grown, n_trees, "trees")
        print(f"{n_grown:3d} of {n_trees} trees, accuracy on the training set {model.score(images, labels):.4f}")
        time.sleep(pause)
    log_metadata({"trees": n_trees, "pictures": len(images)})
    return model


@step
def evaluate_model(
    model: RandomForestClassifier, images: np.ndarray, labels: np.ndarray
) -> tuple[Annotated[float, "accuracy"], Annotated[np.ndarray, "confusion"]]:
    """Let the model read the pictures it has not seen."""
    guesses = model.predict(images)
    accuracy = float(accuracy_score(labels, guesses))
    log_metadata({"accuracy": round(accuracy, 4)})
    print(f"accuracy on {len(labels)} new pictures: {accuracy:.2%}")
    return accuracy, confusion_matrix(labels, guesses)


@step
def write_report(accuracy: float, confusion: np.ndarray) -> Annotated[HTMLString, "report"]:
    """Draw the confusion matrix as a table: a row per digit, a column per guess."""
    head = "".join(f"<th>{guess}</th>" for guess in range(len(confusion)))
    rows = "".join(
        f"<tr><th>{digit}</th>{''.join(cell(count, hit=digit == guess) for guess, count in enumerate(counts))}</tr>"
        for digit, counts in enumerate(confusion)
    )
    return HTMLString(
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Digits</title><style>{STYLE}</style>'
        f"<h1>{accuracy:.1%} of the digits read right</h1><p>Rows: the digit. Columns: the guess.</p>"
        f"<table><tr><th></th>{head}</tr>{rows}</table></html>"
    )


def cell(count: int, *, hit: bool) -> str:
    if not count:
        return "<td></td>"
    return f'<td class="{"hit" if hit else "miss"}">{count}</td>'


@pipeline
def train_classifier(test_size: float = 0.2, n_trees: int = 200, seed: int = 7, pause: float = 0.3) -> None:
    """Load, split, train, evaluate, report."""
    images, labels = load_data()
    train_images, test_images, train_labels, test_labels = split_data(images, labels, test_size=test_size, seed=seed)
    model = train_model(train_images, train_labels, n_trees=n_trees, seed=seed, pause=pause)
    accuracy, confusion = evaluate_model(model, test_images, test_labels)
    write_report(accuracy, confusion)


if __name__ == "__main__":
    train_classifier()
