"""`python -m tests.histories`: plays every scene, and keeps what it leaves as its golden history."""

from tests.histories.corpus import SCENES
from tests.histories.golden import FOLDER, path_of, played


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for stale in set(FOLDER.glob("*.jsonl")) - {path_of(scene) for scene in SCENES}:
        stale.unlink()
        print(f"removed  {stale.name}")
    for scene in SCENES:
        path, history = path_of(scene), played(scene)
        before = path.read_text("utf-8") if path.exists() else None
        if history != before:
            path.write_text(history, "utf-8", newline="\n")
            print(f"{'new     ' if before is None else 'changed '} {path.name}")


if __name__ == "__main__":
    main()
