"""Where the files of a server are, and what may be asked of it."""

import os
from pathlib import Path

import pytest

from payops.dev.postgres import cluster
from payops.dev.postgres.places import SOCKET_PATH_BYTES_MAX, Place

HERE = Path("/srv/checkout/.payops/postgres")


def test_the_socket_is_beside_the_data() -> None:
    """
    Everything of one server is in one folder when the path is short enough.
    """
    assert HERE / "socket" == Place(HERE).socket


@pytest.mark.parametrize("folder", ["a" * 100, "é" * 50, "with, comma"])
def test_a_path_no_socket_can_have_is_replaced_by_a_short_one(folder: str) -> None:
    """
    A unix socket's path has 107 bytes at most, and a comma would make it two folders.
    """
    socket = Place(Path("/srv") / folder).socket

    assert Path("/tmp") == socket.parent
    assert len(os.fsencode(socket / ".s.PGSQL.65535")) <= SOCKET_PATH_BYTES_MAX


def test_two_checkouts_never_share_a_short_path() -> None:
    """
    The substitute is named after the whole path it stands for.
    """
    first, second = (Place(Path("/srv", letter * 100)).socket for letter in "ab")

    assert first != second


@pytest.mark.parametrize("name", ["fsync", "synchronous_commit", "full_page_writes", "hba_file"])
def test_durability_and_access_are_not_a_choice(name: str) -> None:
    """
    A ledger tested on a server that forgets proves nothing.
    """
    with pytest.raises(ValueError, match=name):
        cluster.arguments(Place(HERE), port=1, tcp=False, settings={name: "off"})


def test_without_tcp_nothing_listens_on_a_port() -> None:
    """
    The port only names the socket's file.
    """
    arguments = cluster.arguments(Place(HERE), port=5432, tcp=False, settings={})

    assert "listen_addresses=" in arguments


def test_a_setting_reaches_the_server() -> None:
    """
    Tests need more connections or a smaller cache than the defaults.
    """
    arguments = cluster.arguments(
        Place(HERE), port=5432, tcp=False, settings={"max_connections": "50"}
    )

    assert "max_connections=50" in arguments
