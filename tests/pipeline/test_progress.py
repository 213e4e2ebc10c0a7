import pytest

from pipeline.progress import describe, progress_bar
from transforms.tally import Tally


def test_says_recordings_hours_and_speed() -> None:
    now = Tally(tracks_planned=40, tracks_done=12, audio_planned_s=7_200, audio_done_s=1_800)
    assert describe(now, elapsed_s=20.0) == "12/40 recordings  0.50/2.00 h  90x"


def test_is_quiet_where_stderr_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar():
        pass
    assert capsys.readouterr() == ("", "")
