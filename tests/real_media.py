"""Files that real cameras wrote, from published packages that `script/setup --test` lays under `.work/camera-samples`.

They are other people's works under free licences and are not copied into this repository: Debian's
`forensics-samples-files` (CC-BY-SA-4.0) and `node-opencv` (Expat).
"""

from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parent.parent / ".work" / "camera-samples"
ANDROID_9 = "forensics-samples-files", "usr/share/forensics-samples/original-files/movie1/VID_20191220_170832.mp4"
IPHONE_5 = "node-opencv", "usr/share/doc/node-opencv/examples/files/motion.mov"
PLAIN_MP4 = "forensics-samples-files", "usr/share/forensics-samples/original-files/movie2/movie-hello.mp4"
PLAIN_AVI = "forensics-samples-files", "usr/share/forensics-samples/original-files/movie2/movie-hello.avi"
ALL = (ANDROID_9, IPHONE_5, PLAIN_MP4, PLAIN_AVI)


def real_file(which: tuple[str, str]) -> Path:
    """Return a real camera's file, or skip the test and say how to get it."""
    package, place = which
    path = FOLDER / package / place
    if not path.is_file():
        pytest.skip(f"no {path.name}: `./script/setup --test` fetches the package {package}")
    return path
