"""Alarms: what K of N means, and how many come by chance."""

import numpy as np
import pytest

from zoo.errors import AsdzooError
from zoo.running.alarms import Alarm, Rate, in_words, seconds_in_words
from zoo.threshold import Threshold


def test_an_alarm_lasts_while_k_of_the_last_n_are_anomalous() -> None:
    decisions = [True, False, True, False, False, True, True]
    assert Alarm(2, 3).raised(decisions) == [False, False, True, False, False, False, True]
    assert Alarm().raised(decisions) == decisions
    assert Alarm(2, 3).raised([True], before=[True, False]) == [True]
    for cut in range(len(decisions)):  # the same, whatever was known earlier
        ends = Alarm(2, 3).raised(decisions[cut:], before=decisions[:cut])
        assert ends == Alarm(2, 3).raised(decisions)[cut:]


@pytest.mark.parametrize("text", ["", "3", "3/", "/5", "5/3", "0/5", "a/b", "-1/2", "1/20000", "²/3"])
def test_other_words_are_no_alarm(text: str) -> None:
    with pytest.raises(AsdzooError, match="--alarm"):
        Alarm.parse(text)


def test_how_often_alarms_begin_is_what_a_simulation_counts() -> None:
    assert str(Alarm.parse("3/5")) == "3/5"
    random = np.random.default_rng(0)
    decisions = (random.random(200_000) < 0.1).tolist()
    for alarm in (Alarm(1, 1), Alarm(2, 3), Alarm(3, 5)):
        states = np.array(alarm.raised(decisions))
        begun = np.count_nonzero(states[1:] & ~states[:-1]) / len(decisions)
        assert alarm.begins(0.1) == pytest.approx(begun, rel=0.05)


@pytest.mark.parametrize("clips", [5, 28, 100, 1000])
def test_the_rate_of_a_percentile_is_what_fresh_scores_show(clips: int) -> None:
    random = np.random.default_rng(clips)
    scores = random.normal(size=(20_000, clips))
    above = random.normal(size=20_000) > np.percentile(scores, 99, axis=1)
    rate = Rate.of(Threshold(0.0, "percentile"), 99, clips)
    assert rate.share == pytest.approx(above.mean(), abs=0.15 * rate.share + 0.002)
    assert rate.share > 0.01
    assert Rate.of(Threshold(0.0, "gamma"), 99, clips).share == pytest.approx(0.01)


def test_what_chance_explains() -> None:
    rate = Rate(0.02, 100)
    assert rate.explains(0, 10)
    assert rate.explains(1, 10)
    assert not rate.explains(3, 10)
    assert rate.explains(3, 200)


def test_the_words() -> None:
    rate = Rate(0.01, 1000)
    assert in_words(rate, 600, True, Alarm()) == (
        "by 1000 training recordings, about 1 in 100 normal ones is above the threshold: with one every 10 min, about 1.4 "
        "false alarms a day; with --alarm 2/3 about one false alarm in 35 days, if they err independently"
    )
    assert "recorded without a pause, 10 s each, about 86 false alarms a day; with --alarm 3/5" in in_words(
        rate, 10, False, Alarm()
    )
    assert in_words(rate, 86400, True, Alarm()).endswith("with one every 24 h, about one false alarm in 100 days")
    assert in_words(rate, 60, True, Alarm(5, 6)).endswith(
        "hardly ever a false alarm with --alarm 5/6, if they err independently"
    )
    assert "in 3 years" in in_words(Rate(0.001, 10), 86400, True, Alarm())
    assert [seconds_in_words(value) for value in (0.5, 119, 120, 7200)] == ["0.5 s", "119 s", "2 min", "2 h"]
