"""A figure is kept if that is expected to save time."""

from __future__ import annotations

import pytest

from flask_mplstream.workers.keep_rule import (
    MANY,
    RECENT,
    RETRY_EVERY,
    CopyCosts,
    KeepRule,
)

#: The rule itself, which the tests of pictures replace.
is_worth = KeepRule.is_worth


def request(rule: KeepRule, *pictures: object) -> None:
    """Count a variant of each of *pictures*, one second after another."""
    for second, picture in enumerate(pictures):
        rule.note_request(str(picture), float(second), 30)


def test_a_new_route_keeps_its_figures() -> None:
    """Half of its pictures are expected to have a second variant."""
    rule = KeepRule()
    assert is_worth(rule, rule.figure, 0.03)


def test_lone_pictures_are_not_kept() -> None:
    """After 64 of them, a copy costs more than it may save; a slow load is worth it."""
    rule = KeepRule(figure=CopyCosts(0.005, 0.0043))
    request(rule, *range(64))
    assert not is_worth(rule, rule.figure, 0.029)
    assert is_worth(rule, rule.figure, 0.529)


def test_pictures_with_variants_are_kept() -> None:
    """A second variant counts once, however many follow."""
    rule = KeepRule(figure=CopyCosts(0.005, 0.0043))
    request(rule, *(number // 3 for number in range(90)))
    assert rule.repeated == 8 + 30
    assert rule.pictures == 16 + 30
    assert is_worth(rule, rule.figure, 0.029)


def test_a_late_variant_is_another_picture() -> None:
    """Its figure would not have been kept for so long."""
    rule = KeepRule()
    rule.note_request("a", 0.0, 30)
    rule.note_request("a", 31.0, 30)
    assert (rule.pictures, rule.repeated) == (18, 8)
    rule.note_request("a", 32.0, 30)
    assert (rule.pictures, rule.repeated) == (18, 9)


def test_old_counts_weigh_less() -> None:
    """Both counts are halved, and only the last pictures are remembered."""
    rule = KeepRule()
    request(rule, *range(MANY - 16))
    assert (rule.pictures, rule.repeated) == (MANY / 2, 4)
    assert len(rule._recent) == RECENT


def test_a_picture_that_is_renewed_alone_counts_each_time() -> None:
    """A second variant long ago does not make another one likely."""
    rule = KeepRule()
    for second in (0, 1, 60, 120):
        rule.note_request("a", float(second), 30)
    assert (rule.pictures, rule.repeated) == (19, 9)


def test_a_clock_that_is_set_back_begins_another_picture() -> None:
    """The figure is not used, as its age is unknown."""
    rule = KeepRule()
    rule.note_request("a", 100.0, 30)
    rule.note_request("a", 90.0, 30)
    assert (rule.pictures, rule.repeated) == (18, 8)


def test_failures_are_tried_seldom() -> None:
    """After three, only every 20th copy is tried; one that is restored ends that."""
    costs = CopyCosts()
    for _ in range(3):
        assert costs.may_try()
        costs.note_copy(0.001)  # It may prove impossible to restore.
        costs.note_failure()
    assert [costs.may_try() for _ in range(2 * RETRY_EVERY)].count(True) == 2
    costs.note_restore(0.001)
    assert costs.may_try()


def test_the_measured_times_are_moving_means() -> None:
    """The first one counts fully, a later one by a fifth."""
    costs = CopyCosts()
    costs.note_copy(0.010)
    costs.note_copy(0.020)
    costs.note_restore(0.005)
    assert costs.copy_s == pytest.approx(0.012)
    assert costs.restore_s == 0.005
