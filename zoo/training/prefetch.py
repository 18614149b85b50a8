"""Fetching ahead: the next item is made in a thread while this one is worked on."""

from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")


def one_ahead(items: Iterator[Item]) -> Generator[Item]:
    """The same items in the same order. The thread makes one at a time, and never more than one that was not asked for.

    What an item raises is raised where it is asked for. One who stops early closes the generator, which waits for the thread.
    """
    with ThreadPoolExecutor(1) as thread:
        end = object()
        coming = thread.submit(next, items, end)
        while (item := coming.result()) is not end:
            coming = thread.submit(next, items, end)
            yield item  # type: ignore[misc]  # not the end
