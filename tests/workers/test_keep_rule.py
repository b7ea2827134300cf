"""A figure is kept if that is expected to save time."""

from __future__ import annotations

import pytest

from flask_mplstream.workers.keep_rule import MANY, RECENT, RETRY_EVERY, KeepRule


def request(rule: KeepRule, *pictures: object) -> None:
    """Count a variant of each of *pictures*, one second after another."""
    for second, picture in enumerate(pictures):
        rule.note_request(str(picture), float(second), 30)


def test_a_new_route_keeps_its_figures() -> None:
    """Half of its pictures are expected to have a second variant."""
    assert KeepRule().is_worth(0, 0.03)


def test_lone_pictures_are_not_kept() -> None:
    """After 64 of them, a copy costs more than it may save; a slow load is worth it."""
    rule = KeepRule(copy_s=0.005, restore_s=0.0043)
    request(rule, *range(64))
    assert not rule.is_worth(0, 0.029)
    assert rule.is_worth(0.5, 0.029)


def test_pictures_with_variants_are_kept() -> None:
    """A second variant counts once, however many follow."""
    rule = KeepRule(copy_s=0.005, restore_s=0.0043)
    request(rule, *(number // 3 for number in range(90)))
    assert rule.repeated == 8 + 30
    assert rule.pictures == 16 + 30
    assert rule.is_worth(0, 0.029)


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


def test_failures_are_tried_seldom() -> None:
    """After three, only every 20th figure is tried; one success ends that."""
    rule = KeepRule()
    for _ in range(3):
        assert rule.may_try()
        rule.note_failure()
    assert [rule.may_try() for _ in range(2 * RETRY_EVERY)].count(True) == 2
    rule.note_copy(0.001)
    assert rule.may_try()


def test_the_measured_times_are_moving_means() -> None:
    """The first one counts fully, a later one by a fifth."""
    rule = KeepRule()
    rule.note_copy(0.010)
    rule.note_copy(0.020)
    rule.note_restore(0.005)
    assert rule.copy_s == pytest.approx(0.012)
    assert rule.restore_s == 0.005
