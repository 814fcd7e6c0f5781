"""The words of the proxy: each is understood or refused in one sentence, and they add up."""

import pytest
from pairlet_sim.faultproxy import FaultError, Faults
from pairlet_sim.faultproxy.faults import VOCABULARY, after


def heard(*lines: str) -> Faults:
    """The faults after these lines."""
    faults = Faults()
    for line in lines:
        faults, _ = after(faults, line)
    return faults


def test_faults_add_up_until_pass() -> None:
    both = heard("delay 0.5", "hold-pubacks", "rate 1000", "cut 9 down")
    assert both == Faults(delay_s=0.5, hold_pubacks=True, rate=1000, cut=("down", 9))
    assert heard("delay 0.5", "hold-pubacks", "reset-every 2", "pass") == Faults()
    assert heard("delay 1", "delay 2").delay_s == 2


def test_values() -> None:
    assert heard("cut 0").cut == ("up", 0)
    assert heard("cut-before-puback").cut_before_puback == 0
    assert heard("cut-before-puback 3").cut_before_puback == 3
    assert heard("  blackhole  ").silence == "blackhole"
    assert (
        heard("refuse").door == "refuse" and heard("refuse", "accept-then-reset").door == "accept-then-reset"
    )


def test_what_is_done_at_once_changes_no_fault() -> None:
    assert after(heard("delay 1"), "reset") == (heard("delay 1"), "reset")
    assert after(Faults(), "close") == (Faults(), "close")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("blackhol", "did you mean blackhole"),
        ("quux", "there are pass, refuse"),
        ("hold_pubacks", "did you mean hold-pubacks"),
        ("delay", "delay SECONDS"),
        ("delay 1 2", "delay SECONDS"),
        ("delay soon", "above 0"),
        ("delay 0", "above 0"),
        ("delay -1", "above 0"),
        ("delay nan", "above 0"),
        ("rate inf", "above 0"),
        ("cut", "cut BYTES"),
        ("cut many", "whole number"),
        ("cut 1.5", "whole number"),
        ("cut 5 sideways", "neither"),
        ("cut 99999999999999999999", "whole number"),
        ("cut-before-puback x", "whole number"),
        ("pass on", "it is: pass"),
        ("reset now", "it is: reset"),
        ("\x1b[2J", "is no fault"),
    ],
)
def test_other_words_are_refused_with_a_sentence(line: str, words: str) -> None:
    with pytest.raises(FaultError, match=words) as refusal:
        after(Faults(), line)
    assert "\n" not in str(refusal.value) and "\x1b" not in str(refusal.value)


def test_help_names_every_word() -> None:
    words = [line.split()[0] for line in VOCABULARY.splitlines() if not line.startswith(" ")]
    with pytest.raises(FaultError) as refusal:
        after(Faults(), "quux")
    for word in words:
        assert word in str(refusal.value)
