"""Items come as without the thread: the same, in order, errors where they belong."""

import threading
from collections.abc import Iterator

import pytest

from zoo.training.prefetch import one_ahead


@pytest.mark.parametrize("count", [0, 1, 2, 10])
def test_the_same_items_in_the_same_order(count: int) -> None:
    assert list(one_ahead(iter(range(count)))) == list(range(count))


def test_one_item_is_made_ahead_and_no_more() -> None:
    made: list[int] = []
    second = threading.Event()

    def items() -> Iterator[int]:
        for item in range(5):
            made.append(item)
            if item == 1:
                second.set()
            yield item

    stream = one_ahead(items())
    assert next(stream) == 0
    assert second.wait(5)
    stream.close()  # waits for the thread
    assert made == [0, 1]


def test_an_error_comes_in_its_place() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ValueError("the second")

    stream = one_ahead(items())
    assert next(stream) == 1
    with pytest.raises(ValueError, match="the second"):
        next(stream)
